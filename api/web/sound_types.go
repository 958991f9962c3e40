package web

import (
	"bytes"
	"mime"
	"strings"

	"github.com/grym-synth/grym-synth/orchestrator/library"
)

// AnyBytes is the content type of unknown data.
const AnyBytes = "application/octet-stream"

// soundMarks are the first bytes of the formats that are decoded without ffmpeg.
var soundMarks = []struct {
	at          int
	mark        string
	contentType string
}{
	{8, "WAVE", "audio/wav"},
	{0, "fLaC", "audio/flac"},
	{0, "OggS", "audio/ogg"},
	{0, "ID3", "audio/mpeg"},
	{0, "\xff\xfb", "audio/mpeg"},
	{0, "\xff\xf3", "audio/mpeg"},
	{0, "\xff\xf2", "audio/mpeg"},
	{0, "\x1a\x45\xdf\xa3", "audio/webm"},
	{4, "ftyp", "audio/mp4"},
	{8, "AIFF", "audio/aiff"},
}

// contentType returns the content type that a recording's first bytes indicate, or else
// sent if that is audio.
func contentType(head []byte, sent string) string {
	for _, m := range soundMarks {
		if bytes.HasPrefix(head[min(m.at, len(head)):], []byte(m.mark)) {
			return m.contentType
		}
	}
	if kind, params, err := mime.ParseMediaType(sent); err == nil && IsSound(kind) {
		return mime.FormatMediaType(kind, params)
	}
	return AnyBytes
}

// IsSound reports whether a recording may have the media type.
func IsSound(kind string) bool {
	return strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/") || kind == "application/ogg"
}

// ContentTypeOf returns the content type of a stored recording, never one that a browser
// would execute.
func ContentTypeOf(audio library.Recording) string {
	if kind, _, err := mime.ParseMediaType(audio.ContentType); err != nil || !IsSound(kind) {
		return AnyBytes
	}
	return audio.ContentType
}
