package chat

import (
	"context"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Handlers serves the routes of chat completions and conversations.
type Handlers struct {
	*web.Base
	// Conversations stores the conversations.
	Conversations services.Contexts
}

// chat is a parsed request.
type chat struct {
	model    string
	params   tasks.AskParams
	usage    bool
	upload   *web.Upload
	warnings []services.Warning
}

// CreateChatCompletion implements gen.StrictServerInterface.
func (h *Handlers) CreateChatCompletion(
	ctx context.Context, request gen.CreateChatCompletionRequestObject,
) (gen.CreateChatCompletionResponseObject, error) {
	c, err := h.readChat(ctx, request.Body)
	defer h.Discard(c.upload)
	if err != nil {
		return nil, err
	}
	task, err := web.NewTask(ctx, web.Work{Task: tasks.Ask, Model: c.model, Params: c.params, Audio: c.upload.Audio()},
		request.Params.GrymPriority)
	if err != nil {
		return nil, err
	}
	head := chatHead{ID: "chatcmpl-" + web.RequestID(ctx), Created: time.Now().Unix()}
	if c.params.Stream {
		return chatStream{Handlers: h, ctx: ctx, task: task, head: head, usage: c.usage, warnings: c.warnings, upload: c.upload.Move()}, nil
	}
	result, err := h.Run(ctx, task, c.warnings)
	if err != nil {
		return nil, chatFault(err)
	}
	answer, err := web.ResultOf[*tasks.Answer](result)
	if err != nil {
		return nil, err
	}
	body := gen.ChatCompletion{
		Id: head.ID, Object: gen.ChatCompletionObjectChatCompletion, Created: head.Created, Model: result.Model,
		Choices: []gen.ChatChoice{{FinishReason: gen.ChatChoiceFinishReason(answer.FinishReason)}}, Usage: chatUsage(answer),
	}
	body.Choices[0].Message.Role, body.Choices[0].Message.Content = gen.ChatChoiceMessageRoleAssistant, answer.Text
	if answer.ContextID != "" {
		body.ContextId = &answer.ContextID
	}
	return gen.CreateChatCompletion200JSONResponse{Body: body}, nil
}

func chatUsage(a *tasks.Answer) gen.ChatUsage {
	usage := gen.ChatUsage{
		PromptTokens: a.Usage.PromptTokens, CompletionTokens: a.Usage.CompletionTokens,
		TotalTokens: a.Usage.PromptTokens + a.Usage.CompletionTokens,
	}
	usage.PromptTokensDetails.AudioTokens, usage.PromptTokensDetails.CachedTokens = a.Usage.AudioTokens, a.Usage.CachedTokens
	return usage
}

// chatFields maps the fields of a task to those of this route.
var chatFields = map[string]string{
	"file": "messages: input_audio", "question": "messages", "history": "messages", "system": "messages",
}

// chatFault replaces the field names in a task's fault by those of the request.
func chatFault(err error) error { return web.Rename(err, chatFields) }
