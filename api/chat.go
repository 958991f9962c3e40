package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// chat is a request that has been read.
type chat struct {
	model    string
	params   services.AskParams
	usage    bool
	upload   *upload
	warnings []services.Warning
}

// CreateChatCompletion implements gen.StrictServerInterface.
func (h *handlers) CreateChatCompletion(ctx context.Context, request gen.CreateChatCompletionRequestObject) (gen.CreateChatCompletionResponseObject, error) {
	c, err := h.readChat(ctx, request.Body)
	remove := func() {
		if err := c.upload.Close(); err != nil {
			h.Log.Error("upload could not be removed", "error", err)
		}
	}
	// A stream reads the upload after this function has returned.
	defer func() { remove() }()
	if err != nil {
		return nil, err
	}
	task, err := h.chatTask(ctx, c, request.Params.GrymPriority)
	if err != nil {
		return nil, err
	}
	head := chatHead{ID: "chatcmpl-" + requestID(ctx), Created: time.Now().Unix()}
	if c.params.Stream {
		stream := chatStream{handlers: h, ctx: ctx, task: task, head: head, usage: c.usage, warnings: c.warnings, done: remove}
		remove = func() {}
		return stream, nil
	}
	result, err := h.run(ctx, task, c.warnings)
	if err != nil {
		return nil, chatFault(err)
	}
	answer, ok := result.Value.(*services.Answer)
	if !ok {
		return nil, services.Internal(fmt.Errorf("ask gave %T", result.Value), "the answer could not be encoded")
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

func chatUsage(a *services.Answer) gen.ChatUsage {
	usage := gen.ChatUsage{
		PromptTokens: a.Usage.PromptTokens, CompletionTokens: a.Usage.CompletionTokens,
		TotalTokens: a.Usage.PromptTokens + a.Usage.CompletionTokens,
	}
	usage.PromptTokensDetails.AudioTokens, usage.PromptTokensDetails.CachedTokens = a.Usage.AudioTokens, a.Usage.CachedTokens
	return usage
}

// chatFields are the fields of a task as this route calls them.
var chatFields = map[string]string{"file": "messages: input_audio", "question": "messages", "history": "messages"}

// chatFault names the fields of a task's fault as the client wrote them.
func chatFault(err error) error { return renameFields(err, chatFields) }

// renameFields calls the fields of a fault by the client's names.
func renameFields(err error, names map[string]string) error {
	var fault *services.Fault
	if !errors.As(err, &fault) || len(fault.Fields) == 0 {
		return err
	}
	renamed := *fault
	renamed.Fields = slices.Clone(fault.Fields)
	for i, field := range renamed.Fields {
		if name, ok := names[strings.SplitN(field.Field, "[", 2)[0]]; ok {
			renamed.Fields[i].Field = name
		}
	}
	return &renamed
}

// readChat takes the request apart; the service checks the values. The caller
// closes the upload, also after an error.
func (h *handlers) readChat(ctx context.Context, body *gen.CreateChatCompletionJSONRequestBody) (*chat, error) {
	c := &chat{model: value(body.Model), upload: &upload{}, params: services.AskParams{
		ContextID: value(body.ContextId), Truncation: string(value(body.Truncation)), Stream: value(body.Stream),
		MaxTokens: body.MaxTokens, Temperature: body.Temperature, TopP: body.TopP, TopK: body.TopK, RepetitionPenalty: body.RepetitionPenalty,
	}}
	var bad []services.FieldError
	complain := func(field, format string, args ...any) {
		bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if body.MaxCompletionTokens != nil {
		if body.MaxTokens != nil && *body.MaxTokens != *body.MaxCompletionTokens {
			complain("max_tokens", "is %d and max_completion_tokens is %d; they are one setting", *body.MaxTokens, *body.MaxCompletionTokens)
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
		c.usage = value(options.IncludeUsage)
		if !c.params.Stream {
			complain("stream_options", "goes with stream only")
		}
	}
	if err := h.readMessages(ctx, c, body.Messages, complain); err != nil {
		return c, err
	}
	if len(bad) > 0 {
		return c, &services.Fault{Kind: services.KindInvalid, Fields: bad}
	}
	return c, nil
}

// readMessages makes exchanges and a question of the messages.
func (h *handlers) readMessages(ctx context.Context, c *chat, messages []gen.ChatMessage, complain func(field, format string, args ...any)) error {
	asked := ""
	for i, message := range messages {
		field := fmt.Sprintf("messages[%d]", i)
		want := gen.ChatMessageRoleUser
		if i%2 == 1 {
			want = gen.ChatMessageRoleAssistant
		}
		if message.Role != want {
			complain(field+".role", "must be %s, got %s: questions and answers come in turn, beginning with a question", want, message.Role)
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
		complain("messages", "must end with a message of the user")
	}
	c.params.Question = asked
	if strings.TrimSpace(asked) == "" {
		complain("messages", "must end with a text: what to ask about the sound")
	}
	return nil
}

// readContent gives the text of a message and spools its sound.
func (h *handlers) readContent(ctx context.Context, c *chat, content gen.ChatMessage_Content, field string, complain func(field, format string, args ...any)) (string, error) {
	if text, err := content.AsChatMessageContent0(); err == nil {
		return text, nil
	}
	parts, err := content.AsChatMessageContent1()
	if err != nil {
		complain(field, "must be a text or a list of parts")
		return "", nil //nolint:nilerr // complained of
	}
	var texts []string
	for i, part := range parts {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case part.Type == gen.ChatPartTypeText && part.Text != nil && part.InputAudio == nil:
			texts = append(texts, *part.Text)
		case part.Type == gen.ChatPartTypeInputAudio && part.InputAudio != nil && part.Text == nil:
			if c.upload.audio() != nil {
				complain(at, "is a second recording; one a conversation")
				continue
			}
			if err := h.readSound(ctx, c, part.InputAudio.Data, part.InputAudio.AudioId, at+".input_audio", complain); err != nil {
				return "", err
			}
		default:
			complain(at, "must have a field %s and no other beside type", part.Type)
		}
	}
	return strings.Join(texts, "\n"), nil
}

// readSound takes a recording from the request, or from what the server keeps.
func (h *handlers) readSound(ctx context.Context, c *chat, data, id *string, field string, complain func(field, format string, args ...any)) error {
	switch {
	case (data == nil) == (id == nil):
		complain(field, "must have either data or audio_id")
	case id != nil:
		return renameFields(h.find(ctx, c.upload, *id), map[string]string{storedField: field + "." + storedField})
	default:
		err := h.spool(c.upload, decodeBase64(*data))
		if problem := base64Problem(err); problem != "" {
			complain(field+".data", "%s", problem)
		} else if err != nil {
			return h.receiveFault(someJSON, err)
		}
	}
	return nil
}

// decodeBase64 reads a recording that came as text. A data URL's head is passed over.
func decodeBase64(data string) io.Reader {
	if head, rest, ok := strings.Cut(data, ";base64,"); ok && strings.HasPrefix(head, "data:") {
		data = rest
	}
	return base64.NewDecoder(base64.StdEncoding, strings.NewReader(data))
}

// base64Problem returns what is wrong with a recording that came as text; it is empty
// if err is not an error of the text.
func base64Problem(err error) string {
	var corrupt base64.CorruptInputError
	switch {
	case errors.As(err, &corrupt):
		return fmt.Sprintf("is not valid base64 at byte %d", int64(corrupt))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "is not valid base64: it ends within a group of four characters"
	}
	return ""
}

func (h *handlers) chatTask(ctx context.Context, c *chat, priority *gen.CreateChatCompletionParamsGrymPriority) (services.Task, error) {
	raw, err := json.Marshal(c.params)
	if err != nil {
		return services.Task{}, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{
		ID: requestID(ctx), Name: services.TaskAsk, Model: c.model, Params: raw, Audio: c.upload.audio(), Caller: h.caller(ctx),
	}
	if priority != nil {
		task.Priority, err = services.ParsePriority(string(*priority))
	}
	return task, err
}
