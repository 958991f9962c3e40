package chat

import (
	"context"
	"fmt"
	"strings"
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
var chatFields = map[string]string{"file": "messages: input_audio", "question": "messages", "history": "messages"}

// chatFault replaces the field names in a task's fault by those of the request.
func chatFault(err error) error { return web.Rename(err, chatFields) }

// readChat parses the request; the service checks the values. The caller closes the upload,
// even after an error.
func (h *Handlers) readChat(ctx context.Context, body *gen.CreateChatCompletionJSONRequestBody) (*chat, error) {
	c := &chat{model: web.Value(body.Model), upload: &web.Upload{}, params: tasks.AskParams{
		ContextID: web.Value(body.ContextId), Truncation: string(web.Value(body.Truncation)), Stream: web.Value(body.Stream),
		Strict:    web.Value(body.Strict),
		MaxTokens: body.MaxTokens, Temperature: body.Temperature, TopP: body.TopP, TopK: body.TopK, RepetitionPenalty: body.RepetitionPenalty,
	}}
	var bad services.Complaints
	complain := bad.Complain
	if body.MaxCompletionTokens != nil {
		if body.MaxTokens != nil && *body.MaxTokens != *body.MaxCompletionTokens {
			complain("max_tokens", "is %d but max_completion_tokens, its new name, is %d", *body.MaxTokens, *body.MaxCompletionTokens)
		}
		c.params.MaxTokens = body.MaxCompletionTokens
	}
	if body.User != nil {
		c.warnings = append(c.warnings, services.Warning{Code: services.WarnValueIgnored, Field: "user", Message: "user has no effect"})
	}
	if body.Seed != nil {
		seed := uint64(*body.Seed)
		c.params.Seed = &seed
	}
	if body.Stop != nil {
		if one, err := body.Stop.AsChatRequestStop0(); err == nil && one != "" {
			c.params.Stop = []string{one}
		} else if several, err := body.Stop.AsChatRequestStop1(); err == nil {
			c.params.Stop = several
		}
	}
	if options := body.StreamOptions; options != nil {
		c.usage = web.Value(options.IncludeUsage)
		if !c.params.Stream {
			complain("stream_options", "requires stream")
		}
	}
	if err := h.readMessages(ctx, c, body.Messages, complain); err != nil {
		return c, err
	}
	if fault := bad.Fault(); fault != nil {
		return c, fault
	}
	return c, nil
}

// readMessages converts the messages to earlier exchanges and a question.
func (h *Handlers) readMessages(
	ctx context.Context, c *chat, messages []gen.ChatMessage, complain func(field, format string, args ...any),
) error {
	asked := ""
	for i, message := range messages {
		field := fmt.Sprintf("messages[%d]", i)
		want := gen.ChatMessageRoleUser
		if i%2 == 1 {
			want = gen.ChatMessageRoleAssistant
		}
		if message.Role != want {
			complain(field+".role", "must be %s, got %s: messages of user and assistant must alternate, beginning with user", want, message.Role)
			return nil
		}
		text, err := h.readContent(ctx, c, message.Content, field+".content", complain)
		if err != nil {
			return err
		}
		if want == gen.ChatMessageRoleUser {
			asked = text
		} else {
			c.params.History = append(c.params.History, services.Exchange{Question: asked, Answer: text})
		}
	}
	if len(messages)%2 == 0 {
		complain("messages", "must end with a message of role user")
	}
	c.params.Question = asked
	if strings.TrimSpace(asked) == "" {
		complain("messages", "must end with a text: the question about the sound")
	}
	return nil
}

// readContent returns the text of a message and spools its audio.
func (h *Handlers) readContent(
	ctx context.Context, c *chat, content gen.ChatMessage_Content, field string, complain func(field, format string, args ...any),
) (string, error) {
	if text, err := content.AsChatMessageContent0(); err == nil {
		return text, nil
	}
	parts, err := content.AsChatMessageContent1()
	if err != nil {
		complain(field, "must be a string or a list of parts")
		return "", nil //nolint:nilerr // reported by complain
	}
	var texts []string
	for i, part := range parts {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case part.Type == gen.ChatPartTypeText && part.Text != nil && part.InputAudio == nil:
			texts = append(texts, *part.Text)
		case part.Type == gen.ChatPartTypeInputAudio && part.InputAudio != nil && part.Text == nil:
			if c.upload.Audio() != nil {
				complain(at, "is a second recording; a conversation has only one")
				continue
			}
			if err := h.readSound(ctx, c, part.InputAudio.Data, part.InputAudio.AudioId, at+".input_audio", complain); err != nil {
				return "", err
			}
		default:
			complain(at, "must have exactly the fields type and %s", part.Type)
		}
	}
	return strings.Join(texts, "\n"), nil
}

// readSound reads a recording from the request, or finds a stored one.
func (h *Handlers) readSound(
	ctx context.Context, c *chat, data, id *string, field string, complain func(field, format string, args ...any),
) error {
	switch {
	case (data == nil) == (id == nil):
		complain(field, "must have exactly one of data and audio_id")
	case id != nil:
		return web.Rename(h.Find(ctx, c.upload, *id), map[string]string{web.StoredField: field + "." + web.StoredField})
	default:
		err := h.Spool(c.upload, web.DecodeBase64(*data))
		if problem := web.Base64Problem(err); problem != "" {
			complain(field+".data", "%s", problem)
		} else if err != nil {
			return h.ReceiveFault(web.SomeJSON, err)
		}
	}
	return nil
}
