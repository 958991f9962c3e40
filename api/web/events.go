package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/grym-synth/grym-synth/services"
)

// Events writes server-sent events. Write errors are ignored: when a client has left, the
// request's context ends the work.
type Events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// NewEvents returns a writer of events. It sends nothing yet.
func NewEvents(w http.ResponseWriter) *Events {
	return &Events{w: w, control: http.NewResponseController(w)}
}

// Begun reports whether the header has been sent; an error can then no longer be sent as a
// status.
func (e *Events) Begun() bool { return e.begun }

// Begin writes the header, once.
func (e *Events) Begin() {
	if e.begun {
		return
	}
	e.begun = true
	header := e.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // or nginx buffers the events
	e.w.WriteHeader(http.StatusOK)
}

// Send writes one event and flushes it.
func (e *Events) Send(event any) {
	e.Begin()
	data, err := json.Marshal(event)
	if err != nil {
		return
	}
	e.Write(fmt.Sprintf("data: %s\n\n", data))
}

// Write sends text unchanged and flushes it.
func (e *Events) Write(text string) {
	_, _ = fmt.Fprint(e.w, text)
	_ = e.control.Flush()
}

// End sends the final event that OpenAI's clients expect.
func (e *Events) End() { e.Write("data: [DONE]\n\n") }

// StreamError describes why a stream ended early.
type StreamError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
}

// NewStreamError returns what a client may see of an error.
func NewStreamError(err error) *StreamError {
	kind := services.KindOf(err)
	shown := &StreamError{Message: string(kind), Type: string(kind)}
	var fault *services.Fault
	if errors.As(err, &fault) {
		shown.Message = services.ClipDetail(fault.Detail())
	}
	return shown
}
