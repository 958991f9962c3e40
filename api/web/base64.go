package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// DecodeBase64 returns a reader of a base64-encoded recording. The prefix of a data URL is
// skipped.
func DecodeBase64(data string) io.Reader {
	if head, rest, ok := strings.Cut(data, ";base64,"); ok && strings.HasPrefix(head, "data:") {
		data = rest
	}
	return base64.NewDecoder(base64.StdEncoding, strings.NewReader(data))
}

// Base64Problem returns the description of a base64 error, or "" if err is another error.
func Base64Problem(err error) string {
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &corrupt):
		return fmt.Sprintf("is not valid base64 at byte %d", int64(corrupt))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "is not valid base64: it ends within a group of four characters"
	}
	return ""
}
