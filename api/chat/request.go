package chat

import (
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// reading is a request that is being parsed.
type reading struct {
	services.Complaints
	*Handlers
	*chat
}

// readChat parses the request; the service checks the values. The caller closes the upload,
// even after an error.
func (h *Handlers) readChat(ctx context.Context, body *gen.CreateChatCompletionJSONRequestBody) (*chat, error) {
	c := &chat{model: web.Value(body.Model), upload: &web.Upload{}, params: tasks.AskParams{
		ContextID: web.Value(body.ContextId), Truncation: string(web.Value(body.Truncation)), Stream: web.Value(body.Stream),
		Reading:   services.Reading{Strict: web.Value(body.Strict), Start: web.Value(body.Start), End: web.Value(body.End)},
		MaxTokens: body.MaxTokens, Temperature: body.Temperature, TopP: body.TopP, TopK: body.TopK, RepetitionPenalty: body.RepetitionPenalty,
	}}
	r := &reading{Handlers: h, chat: c}
	r.sampling(body)
	if options := body.StreamOptions; options != nil {
		if c.usage = web.Value(options.IncludeUsage); c.usage && !c.params.Stream {
			r.Complain("stream_options", "requires stream")
		}
	}
	if web.Value(body.User) != "" {
		r.ignored("user")
	}
	r.otherFields(body.AdditionalProperties)
	if err := r.messages(ctx, body.Messages); err != nil {
		return c, err
	}
	if fault := r.Fault(); fault != nil {
		return c, fault
	}
	return c, nil
}

// sampling reads the fields about the choice of tokens and the end of the answer.
func (r *reading) sampling(body *gen.CreateChatCompletionJSONRequestBody) {
	if body.MaxCompletionTokens != nil {
		if body.MaxTokens != nil && *body.MaxTokens != *body.MaxCompletionTokens {
			r.Complain("max_tokens", "is %d but max_completion_tokens, its new name, is %d", *body.MaxTokens, *body.MaxCompletionTokens)
		}
		r.params.MaxTokens = body.MaxCompletionTokens
	}
	if r.params.TopP != nil && *r.params.TopP == 0 {
		r.params.TopP, r.params.Temperature = nil, new(0.0) // the likeliest token alone
	}
	if body.Seed != nil {
		r.params.Seed = new(uint64(*body.Seed)) //nolint:gosec // any number is a seed
	}
	if body.Stop == nil {
		return
	}
	if one, err := body.Stop.AsChatRequestStop0(); err == nil {
		r.params.Stop = []string{one}
	} else if several, err := body.Stop.AsChatRequestStop1(); err == nil {
		r.params.Stop = several
	}
	r.params.Stop = slices.DeleteFunc(r.params.Stop, func(text string) bool { return text == "" })
}

// warn adds a warning about a field.
func (r *reading) warn(code services.WarningCode, field, message string) {
	r.warnings = services.AddWarning(r.warnings, services.Warning{Code: code, Field: field, Message: message})
}

// ignored reports a field without effect.
func (r *reading) ignored(field string) {
	r.warn(services.WarnValueIgnored, field, field+" has no effect")
}
