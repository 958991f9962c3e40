package web

import (
	"fmt"
	"net/http"
	"slices"
)

// Body is an answer that is no sound and no stream.
type Body struct {
	ContentType string
	Text        []byte
}

// NewJSON returns an answer with a value that is JSON already.
func NewJSON(value []byte) Body {
	return Body{ContentType: typeJSON, Text: slices.Concat(value, []byte("\n"))}
}

// Send writes the answer.
func (b Body) Send(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", b.ContentType)
	if _, err := w.Write(b.Text); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}
