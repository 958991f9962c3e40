package chat

import (
	"context"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// chatHead has the fields of every chunk.
type chatHead struct {
	ID      string
	Created int64
	Model   string
}

// chatChunk is one event of a streamed answer.
type chatChunk struct {
	ID        string         `json:"id"`
	Object    string         `json:"object"`
	Created   int64          `json:"created"`
	Model     string         `json:"model"`
	ContextID string         `json:"context_id,omitempty"`
	Choices   []chunkChoice  `json:"choices"`
	Usage     *gen.ChatUsage `json:"usage,omitempty"`
	Warnings  gen.Warnings   `json:"warnings,omitempty"`
	// Piece is the part of a long recording that the text is about.
	Piece *tasks.AnswerSpan `json:"piece,omitempty"`
}

// chunkChoice is the only choice of a chunk; gen's types cannot encode null.
type chunkChoice struct {
	Index        int        `json:"index"`
	Delta        chunkDelta `json:"delta"`
	FinishReason *string    `json:"finish_reason"`
}

type chunkDelta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

func (h chatHead) chunk(choices ...chunkChoice) chatChunk {
	return chatChunk{
		ID: h.ID, Object: "chat.completion.chunk", Created: h.Created, Model: h.Model, Choices: append([]chunkChoice{}, choices...),
	}
}

// chatStream answers a question and sends the text as it is generated.
type chatStream struct {
	*Handlers
	ctx  context.Context //nolint:containedctx // of the request that the response belongs to
	task services.Task
	head chatHead
	// usage is set if a last chunk with the token counts is requested.
	usage bool
	// warnings are those of the request.
	warnings []services.Warning
	// upload is the recording, which is removed at the end.
	upload *web.Upload
}

// VisitCreateChatCompletionResponse implements gen.CreateChatCompletionResponseObject. An
// error before the first text is sent as an error response.
func (s chatStream) VisitCreateChatCompletionResponse(w http.ResponseWriter) error {
	defer s.Discard(s.upload)
	events := web.NewEvents(w)
	s.head.Model = s.Announce(w.Header(), s.task, s.warnings)
	sink := &chatSink{events: events, head: s.head}
	result, err := s.Executor.Execute(s.ctx, s.task, sink)
	var answer *tasks.Answer
	if err == nil {
		answer, err = web.ResultOf[*tasks.Answer](result)
	}
	switch {
	case err == nil:
		sink.begin(answer.ContextID)
		last := s.head.chunk(chunkChoice{FinishReason: &answer.FinishReason})
		last.ContextID, last.Warnings = answer.ContextID, web.WarningsView(web.JoinWarnings(s.warnings, result.Warnings))
		events.Send(last)
		if s.usage {
			counts := s.head.chunk()
			usage := chatUsage(answer)
			counts.Usage = &usage
			events.Send(counts)
		}
	case !events.Begun():
		return chatFault(err)
	default:
		events.Send(struct {
			Error *web.StreamError `json:"error"`
		}{web.NewStreamError(err)})
	}
	events.End()
	return nil
}

// chatSink sends each piece of text.
type chatSink struct {
	services.DiscardSink
	events *web.Events
	head   chatHead
}

// begin sends the first chunk, which has the role and the conversation, once.
func (s *chatSink) begin(contextID string) {
	if !s.events.Begun() {
		empty := ""
		first := s.head.chunk(chunkChoice{Delta: chunkDelta{Role: string(gen.ChatChoiceMessageRoleAssistant), Content: &empty}})
		first.ContextID = contextID
		s.events.Send(first)
	}
}

// Partial implements services.Sink.
func (s *chatSink) Partial(value any) {
	if delta, ok := value.(tasks.AnswerDelta); ok {
		s.begin(delta.ContextID)
		next := s.head.chunk(chunkChoice{Delta: chunkDelta{Content: &delta.Text}})
		next.Piece = delta.Piece
		s.events.Send(next)
	}
}
