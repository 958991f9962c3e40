package web

import (
	"fmt"
	"net/http"
	"slices"
)

// Body is a response other than audio or a stream.
type Body struct {
	ContentType string
	Text        []byte
	// Status of the response; 0 means 200.
	Status int
}

// NewJSON returns a response with a value that is already encoded as JSON.
func NewJSON(value []byte) Body {
	return Body{ContentType: typeJSON, Text: slices.Concat(value, []byte("\n"))}
}

// Send writes the response.
func (b Body) Send(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", b.ContentType)
	if b.Status != 0 {
		w.WriteHeader(b.Status)
	}
	if _, err := w.Write(b.Text); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}
