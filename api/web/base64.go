package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// dataScheme begins a data URI (RFC 2397).
const dataScheme = "data:"

// IsDataURI reports whether a text is a data URI.
func IsDataURI(text string) bool {
	return len(text) >= len(dataScheme) && strings.EqualFold(text[:len(dataScheme)], dataScheme)
}

// DecodeBase64 returns a reader of a recording that is base64, also in its URL-safe
// alphabet and without padding, or a data URI.
func DecodeBase64(data string) io.Reader {
	if IsDataURI(data) {
		head, rest, found := strings.Cut(data, ",")
		if found && !strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") {
			plain, err := url.PathUnescape(rest)
			if err != nil {
				return failingReader{errDataURI}
			}
			return strings.NewReader(plain)
		}
		if data = rest; strings.Contains(data, "%") {
			if plain, err := url.PathUnescape(data); err == nil {
				data = plain
			}
		}
	}
	data = strings.TrimRight(data, "= \t\r\n")
	return base64.NewDecoder(base64.RawStdEncoding, &standardAlphabet{text: data})
}

// standardAlphabet reads base64 in the standard alphabet.
type standardAlphabet struct{ text string }

// Read implements io.Reader.
func (r *standardAlphabet) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	for i, c := range p[:n] {
		switch c {
		case '-':
			p[i] = '+'
		case '_':
			p[i] = '/'
		}
	}
	return n, nil
}

// errDataURI is the error of a data URI with an invalid escape sequence.
var errDataURI = errors.New("invalid escape sequence in a data URI")

// failingReader fails.
type failingReader struct{ err error }

// Read implements io.Reader.
func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// Base64Problem returns the description of an error of DecodeBase64, or "" if err is another
// error.
func Base64Problem(err error) string {
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &corrupt):
		return fmt.Sprintf("is not valid base64 at byte %d", int64(corrupt))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "is not valid base64: it ends within a group of four characters"
	case errors.Is(err, errDataURI):
		return "is a data URI with an invalid escape sequence"
	}
	return ""
}
