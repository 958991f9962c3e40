package chat

import (
	"context"
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// said are consecutive messages of one role.
type said struct {
	role gen.ChatMessageRole
	text string
}

// join appends a text on a line of its own.
func (s *said) join(text string) {
	if s.text != "" && text != "" {
		s.text += "\n"
	}
	s.text += text
}

// messages converts the messages to instructions, earlier exchanges and a question.
func (r *reading) messages(ctx context.Context, messages []gen.ChatMessage) error {
	var all []said
	var system said
	for i, message := range messages {
		field := fmt.Sprintf("messages[%d]", i)
		text, err := r.message(ctx, message, field)
		if err != nil {
			return err
		}
		switch last := len(all) - 1; {
		case message.Role == gen.ChatMessageRoleSystem, message.Role == gen.ChatMessageRoleDeveloper:
			system.join(text)
		case last >= 0 && all[last].role == message.Role:
			all[last].join(text)
		case last < 0 && message.Role != gen.ChatMessageRoleUser:
			r.Complain(field+".role", "must be user, got %s: messages of user and assistant must alternate, beginning with user", message.Role)
			return nil
		default:
			all = append(all, said{message.Role, text})
		}
	}
	r.params.System = system.text
	if len(all)%2 == 0 {
		r.Complain("messages", "must end with a message of role user")
	}
	for i, one := range all {
		if i%2 == 1 {
			r.params.History = append(r.params.History, services.Exchange{Question: all[i-1].text, Answer: one.text})
			continue
		}
		r.params.Question = one.text
	}
	if strings.TrimSpace(r.params.Question) == "" {
		r.Complain("messages", "must end with a text: the question about the sound")
	}
	return nil
}

// message returns the text of a message and spools its audio.
func (r *reading) message(ctx context.Context, message gen.ChatMessage, field string) (string, error) {
	for _, calls := range []string{"tool_calls", "function_call"} {
		if !(otherField{}).isNeutral(message.AdditionalProperties[calls]) {
			r.Complain(field+"."+calls, "%s", noTools)
		}
	}
	// The fields that OpenAI's clients send back with an answer.
	r.unknownFields(field, message.AdditionalProperties, "name", "tool_calls", "function_call", "audio", "annotations", "reasoning_content")
	text, err := r.content(ctx, message.Content, field+".content")
	if text == "" && message.Role == gen.ChatMessageRoleAssistant {
		text = web.Value(message.Refusal)
	}
	return text, err
}

// content returns the text of a message's content and spools its audio.
func (r *reading) content(ctx context.Context, content *gen.ChatMessage_Content, field string) (string, error) {
	if content == nil {
		return "", nil
	}
	if text, err := content.AsChatMessageContent0(); err == nil {
		return text, nil
	}
	parts, err := content.AsChatMessageContent1()
	if err != nil {
		r.Complain(field, "must be a string or a list of parts")
		return "", nil //nolint:nilerr // reported by Complain
	}
	var texts []string
	for i, part := range parts {
		at := fmt.Sprintf("%s[%d]", field, i)
		r.unknownFields(at, part.AdditionalProperties, "cache_control", "annotations", "prompt_cache_breakpoint")
		switch {
		case part.Type == gen.ChatPartTypeText && part.Text != nil && part.InputAudio == nil:
			texts = append(texts, *part.Text)
		case part.Type == gen.ChatPartTypeRefusal && part.Refusal != nil:
			texts = append(texts, *part.Refusal)
		case part.Type == gen.ChatPartTypeInputAudio && part.InputAudio != nil && part.Text == nil:
			err = r.sound(ctx, at, func() error { return r.inputAudio(ctx, part.InputAudio, at+".input_audio") })
		case part.Type == gen.ChatPartTypeAudioUrl && part.AudioUrl != nil && part.Text == nil:
			err = r.sound(ctx, at, func() error { return r.audioURL(ctx, part.AudioUrl.Url, at+".audio_url.url") })
		default:
			r.Complain(at, "must have exactly the fields type and %s", part.Type)
		}
		if err != nil {
			return "", err
		}
	}
	return strings.Join(texts, "\n"), nil
}

// sound reads a recording by a function, unless there is one.
func (r *reading) sound(_ context.Context, at string, read func() error) error {
	if r.upload.Audio() != nil {
		r.Complain(at, "is a second recording; a conversation has only one")
		return nil
	}
	return read()
}

// inputAudio reads a recording from the request, or finds a stored one.
func (r *reading) inputAudio(ctx context.Context, part *gen.ChatPart_InputAudio, field string) error {
	r.unknownFields(field, part.AdditionalProperties)
	switch {
	case (part.Data == nil) == (part.AudioId == nil):
		r.Complain(field, "must have exactly one of data and audio_id")
		return nil
	case part.AudioId != nil:
		return web.Rename(r.Find(ctx, r.upload, *part.AudioId), map[string]string{web.StoredField: field + "." + web.StoredField})
	}
	return r.inline(*part.Data, field+".data")
}

// audioURL reads a recording from a data URI, or fetches it.
func (r *reading) audioURL(ctx context.Context, address, field string) error {
	if web.IsDataURI(address) {
		return r.inline(address, field)
	}
	return r.Fetch(ctx, r.upload, address, field)
}

// inline reads a recording from base64 or a data URI.
func (r *reading) inline(data, field string) error {
	err := r.Spool(r.upload, web.DecodeBase64(data))
	if problem := web.Base64Problem(err); problem != "" {
		r.Complain(field, "%s", problem)
		return nil
	}
	if err != nil {
		return r.ReceiveFault(web.SomeJSON, err)
	}
	return nil
}
