package api

import (
	"bytes"
	"io"
	"mime"
	"strings"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// anyBytes is the content type of what is not known.
const anyBytes = "application/octet-stream"

// soundMarks are the first bytes of the formats that are read without ffmpeg.
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

// contentType of the upload, for who fetches it again: what its first bytes say,
// else what was sent with it, if that is sound.
func (u *upload) contentType() string {
	if file, err := u.file.Open(); err == nil {
		defer file.Close()
		head := make([]byte, 16)
		n, _ := io.ReadFull(file, head)
		for _, m := range soundMarks {
			if bytes.HasPrefix(head[min(m.at, n):n], []byte(m.mark)) {
				return m.contentType
			}
		}
	}
	if kind, params, err := mime.ParseMediaType(u.sent); err == nil && isSound(kind) {
		return mime.FormatMediaType(kind, params)
	}
	return anyBytes
}

// isSound tells the media types that a recording may have.
func isSound(kind string) bool {
	return strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/") || kind == "application/ogg"
}

// contentTypeOf stored audio, never one that a browser would run.
func contentTypeOf(audio jobs.Audio) string {
	if kind, _, err := mime.ParseMediaType(audio.ContentType); err != nil || !isSound(kind) {
		return anyBytes
	}
	return audio.ContentType
}
