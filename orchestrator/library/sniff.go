package library

import "bytes"

// marks are the first bytes of formats that are decoded without ffmpeg, and of some others.
var marks = []struct {
	at          int
	mark        string
	contentType string
}{
	{8, "WAVE", "audio/wav"},
	{0, "fLaC", "audio/flac"},
	{0, "OggS", "audio/ogg"},
	{0, "ID3", "audio/mpeg"},
	{0, "\xff\xfb", "audio/mpeg"},
	{0, "\xff\xfa", "audio/mpeg"},
	{0, "\xff\xf3", "audio/mpeg"},
	{0, "\xff\xf2", "audio/mpeg"},
	{0, "\xff\xe3", "audio/mpeg"},
	{0, "\xff\xfd", "audio/mpeg"},
	{0, "\xff\xfc", "audio/mpeg"},
	{0, "\xff\xf5", "audio/mpeg"},
	{0, "\xff\xf4", "audio/mpeg"},
	{0, "\x1a\x45\xdf\xa3", "audio/webm"},
	{4, "ftyp", "audio/mp4"},
	{8, "AIFF", "audio/aiff"},
	{8, "AIFC", "audio/aiff"},
	{0, ".snd", "audio/basic"},
	{0, "caff", "audio/x-caf"},
	{0, "riff\x2e\x91\xcf\x11", "audio/x-w64"},
}

// SniffType returns the content type that the first bytes of a recording indicate, or "".
func SniffType(head []byte) string {
	for _, m := range marks {
		if bytes.HasPrefix(head[min(m.at, len(head)):], []byte(m.mark)) {
			return m.contentType
		}
	}
	return ""
}
