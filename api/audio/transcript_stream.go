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

// The types of the events of a streamed transcription, as OpenAI defines them.
const (
	eventDelta = "transcript.text.delta"
	eventDone  = "transcript.text.done"
	eventError = "error"
)

// transcriptEvent is one event; the type in gen has the same fields.
type transcriptEvent struct {
	Type  string `json:"type"`
	Delta string `json:"delta,omitempty"`
	// Text is present in the last event even if it is empty.
	Text *string `json:"text,omitempty"`
	// Logprobs are set if the request includes them.
	Logprobs *[]tasks.TokenLogprob `json:"logprobs,omitempty"`
	Warnings gen.Warnings          `json:"warnings,omitempty"`
	Error    *web.StreamError      `json:"error,omitempty"`
}

// transcriptStream runs a transcription and sends its text as it is produced.
type transcriptStream struct {
	*Handlers
	ctx  context.Context //nolint:containedctx // of the request that the response belongs to
	task services.Task
	// logprobs is set if the events have the scores of tokens.
	logprobs bool
	// upload is the recording, which is removed at the end, and the warnings of the
	// request.
	upload *web.Upload
}

// VisitCreateTranscriptionResponse implements gen.CreateTranscriptionResponseObject. An
// error before the first word is sent as an error response.
func (s transcriptStream) VisitCreateTranscriptionResponse(w http.ResponseWriter) error {
	defer s.Discard(s.upload)
	events := web.NewEvents(w)
	s.Announce(w.Header(), s.task, s.upload.Warnings)
	result, err := s.Executor.Execute(s.ctx, s.task, &transcriptSink{events: events, logprobs: s.logprobs})
	var transcription *tasks.Transcription
	if err == nil {
		transcription, err = web.ResultOf[*tasks.Transcription](result)
	}
	switch {
	case err == nil:
		warnings := web.WarningsView(web.JoinWarnings(s.upload.Warnings, result.Warnings))
		done := transcriptEvent{Type: eventDone, Text: &transcription.Text, Warnings: warnings}
		if s.logprobs {
			done.Logprobs = new(tasks.Logprobs(transcription.Words))
		}
		events.Send(done)
	case !events.Begun():
		return err
	default:
		events.Send(transcriptEvent{Type: eventError, Error: web.NewStreamError(err)})
	}
	events.End()
	return nil
}

// VisitCreateTranslationResponse implements gen.CreateTranslationResponseObject.
func (s transcriptStream) VisitCreateTranslationResponse(w http.ResponseWriter) error {
	return s.VisitCreateTranscriptionResponse(w)
}

// transcriptSink sends each batch of words.
type transcriptSink struct {
	services.DiscardSink
	events          *web.Events
	begun, logprobs bool
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
	if s.begun {
		text = " " + text
	}
	s.begun = true
	event := transcriptEvent{Type: eventDelta, Delta: text}
	if s.logprobs {
		event.Logprobs = new(tasks.Logprobs(delta.Words))
	}
	s.events.Send(event)
}
