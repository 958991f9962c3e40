package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// DecodeBase64 reads a recording that came as text. A data URL's head is passed over.
func DecodeBase64(data string) io.Reader {
	if head, rest, ok := strings.Cut(data, ";base64,"); ok && strings.HasPrefix(head, "data:") {
		data = rest
	}
	return base64.NewDecoder(base64.StdEncoding, strings.NewReader(data))
}

// Base64Problem returns what is wrong with a recording that came as text; it is empty
// if err is not an error of the text.
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
