package web

import (
	"mime"
	"strings"

	"github.com/grym-synth/grym-synth/orchestrator/library"
)

// AnyBytes is the content type of unknown data.
const AnyBytes = "application/octet-stream"

// contentType returns the content type that a recording's first bytes indicate, or else
// sent if that is audio.
func contentType(head []byte, sent string) string {
	if known := library.SniffType(head); known != "" {
		return known
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

// Ending returns the usual ending of files with a content type, or "".
func Ending(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return endings[kind]
}
