package audio

import (
	"context"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
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
	Text     *string          `json:"text,omitempty"`
	Warnings gen.Warnings     `json:"warnings,omitempty"`
	Error    *web.StreamError `json:"error,omitempty"`
}

// transcriptStream runs a transcription and sends its words as they come.
type transcriptStream struct {
	*Handlers
	ctx  context.Context //nolint:containedctx // of the request that the response belongs to
	task services.Task
	// upload is the recording, which is removed at the end; its warnings are those of the
	// request.
	upload *web.Upload
}

// VisitCreateTranscriptionResponse implements gen.CreateTranscriptionResponseObject.
// An error before the first word is answered like any other.
func (s transcriptStream) VisitCreateTranscriptionResponse(w http.ResponseWriter) error {
	defer s.Discard(s.upload)
	events := web.NewEvents(w)
	s.Announce(w.Header(), s.task, s.upload.Warnings)
	result, err := s.Executor.Execute(s.ctx, s.task, &transcriptSink{events: events})
	var transcription *tasks.Transcription
	if err == nil {
		transcription, err = web.ResultOf[*tasks.Transcription](result)
	}
	switch {
	case err == nil:
		events.Send(transcriptEvent{Type: eventDone, Text: &transcription.Text, Warnings: web.WarningsView(web.JoinWarnings(s.upload.Warnings, result.Warnings))})
	case !events.Begun():
		return err
	default:
		events.Send(transcriptEvent{Type: eventError, Error: web.NewStreamError(err)})
	}
	events.End()
	return nil
}

// transcriptSink sends each batch of words.
type transcriptSink struct {
	services.DiscardSink
	events *web.Events
	told   bool
}

// Partial implements services.Sink.
func (s *transcriptSink) Partial(value any) {
	delta, ok := value.(tasks.TranscriptDelta)
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
	s.events.Send(transcriptEvent{Type: eventDelta, Delta: text})
}
