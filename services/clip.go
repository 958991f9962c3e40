package services

import (
	"strings"
	"unicode/utf8"
)

// Limits of the text of an error that a client sees, in bytes of JSON. A fault may quote
// what a request has, and a request must not determine the size of its answer.
const (
	maxDetail  = 2048
	maxFields  = 2048
	maxField   = 160
	maxProblem = 640
)

// clipped ends a text that was cut.
const clipped = "…"

// Clip returns the beginning of a text that takes at most the given number of bytes as JSON,
// and marks a cut.
func Clip(text string, limit int) string {
	size, last := 0, 0
	for i, r := range text {
		if size += jsonSize(r); size > limit {
			return strings.ToValidUTF8(text[:last], "") + clipped
		}
		if size <= limit-len(clipped) {
			last = i + utf8.RuneLen(max(r, 0))
			if r == utf8.RuneError {
				last = i
			}
		}
	}
	return text
}

// jsonSize returns the number of bytes that a rune takes in a JSON string.
func jsonSize(r rune) int {
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t':
		return 2
	case r < 0x20 || r == utf8.RuneError || r == '\u2028' || r == '\u2029' || r == '<' || r == '>' || r == '&':
		return 6
	}
	return utf8.RuneLen(r)
}

// ClipDetail returns a detail of a bounded size.
func ClipDetail(text string) string { return Clip(text, maxDetail) }

// ClipFields returns invalid fields of a bounded size; further ones are left out.
func ClipFields(fields []FieldError) []FieldError {
	var list []FieldError
	left := maxFields
	for _, field := range fields {
		field = FieldError{Clip(field.Field, maxField), Clip(field.Problem, maxProblem)}
		if left -= len(field.Field) + len(field.Problem); left < 0 && len(list) > 0 {
			break
		}
		list = append(list, field)
	}
	return list
}
