package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// Types of the events of a streamed transcription, as OpenAI's clients know them.
const (
	eventDelta = "transcript.text.delta"
	eventDone  = "transcript.text.done"
	eventError = "error"
)

// transcriptEvent is one event; gen's type has the same fields.
type transcriptEvent struct {
	Type  string `json:"type"`
	Delta string `json:"delta,omitempty"`
	// Text is told by the last event even where it is empty.
	Text     *string      `json:"text,omitempty"`
	Warnings gen.Warnings `json:"warnings,omitempty"`
	Error    *streamError `json:"error,omitempty"`
}

// streamError tells why a stream broke off.
type streamError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
}

// transcriptStream runs a transcription and sends its words as they come.
type transcriptStream struct {
	*handlers
	ctx  context.Context //nolint:containedctx // of the request that the response belongs to
	task services.Task
	// warnings are those of the request.
	warnings []services.Warning
	// done is called once the upload is of no use any more.
	done func()
}

// VisitCreateTranscriptionResponse implements gen.CreateTranscriptionResponseObject.
// An error before the first word is answered like any other.
func (s transcriptStream) VisitCreateTranscriptionResponse(w http.ResponseWriter) error {
	defer s.done()
	events := &eventWriter{w: w, control: http.NewResponseController(w)}
	s.announce(w.Header(), s.task, s.warnings)
	result, err := s.Executor.Execute(s.ctx, s.task, &transcriptSink{events: events})
	transcription, ok := result.Value.(*services.Transcription)
	if err == nil && !ok {
		err = services.Internal(fmt.Errorf("transcribe gave %T", result.Value), "the answer could not be encoded")
	}
	switch {
	case err == nil:
		events.send(transcriptEvent{Type: eventDone, Text: &transcription.Text, Warnings: warningsView(joinWarnings(s.warnings, result.Warnings))})
	case !events.begun:
		return err
	default:
		events.send(transcriptEvent{Type: eventError, Error: &streamError{Message: clientText(err), Type: string(services.KindOf(err))}})
	}
	events.end()
	return nil
}

// clientText is what a client is told of an error.
func clientText(err error) string {
	var fault *services.Fault
	if errors.As(err, &fault) {
		return fault.Detail()
	}
	return string(services.KindOf(err))
}

// transcriptSink sends each batch of words.
type transcriptSink struct {
	services.DiscardSink
	events *eventWriter
	told   bool
}

// Partial implements services.Sink.
func (s *transcriptSink) Partial(value any) {
	delta, ok := value.(services.TranscriptDelta)
	if !ok {
		return
	}
	words := make([]string, 0, len(delta.Words))
	for _, word := range delta.Words {
		words = append(words, word.Text)
	}
	text := strings.Join(words, " ")
	if s.told {
		text = " " + text
	}
	s.told = true
	s.events.send(transcriptEvent{Type: eventDelta, Delta: text})
}

// eventWriter writes server-sent events. What a client that has left does not
// take is dropped: the request's context ends the work.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// begin writes the header, once.
func (e *eventWriter) begin() {
	if e.begun {
		return
	}
	e.begun = true
	header := e.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // or nginx holds the events back
	e.w.WriteHeader(http.StatusOK)
}

// send writes one event and flushes it.
func (e *eventWriter) send(event any) {
	e.begin()
	data, err := json.Marshal(event)
	if err != nil {
		return
	}
	fmt.Fprintf(e.w, "data: %s\n\n", data)
	_ = e.control.Flush()
}

// end tells that no event follows.
func (e *eventWriter) end() {
	fmt.Fprintf(e.w, "data: [DONE]\n\n")
	_ = e.control.Flush()
}
