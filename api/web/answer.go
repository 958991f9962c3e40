package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// Serve returns the handler of a route; refuse answers with an error.
func (b *Base) Serve(route *Route, refuse func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.serve(w, r, route); err != nil {
			refuse(w, r, err)
		}
	})
}

func (b *Base) serve(w http.ResponseWriter, r *http.Request, route *Route) error {
	ctx, accept := r.Context(), r.Header.Values("Accept")
	request, err := b.read(ctx, r, route)
	defer b.Discard(request.upload)
	defer b.forgetFiles(ctx, request.upload)
	if err == nil {
		err = b.saveFiles(ctx, request)
	}
	if err == nil && route.Sound != nil {
		err = route.Sound.negotiate(request.params, accept)
	}
	if err != nil {
		return err
	}
	priority := r.Header.Get("Grym-Priority")
	task, err := NewTask(ctx, Work{
		Task: route.Task, Model: request.model, Params: request.params, Audio: request.upload.Audio(),
	}, &priority)
	if err != nil {
		return err
	}
	result, err := b.Run(ctx, task, request.upload.Warnings)
	if err != nil {
		return err
	}
	request.upload.retainFiles()
	return route.answer(w, accept, result)
}

// answer writes a result in the form that the client accepts, and removes its files.
func (r *Route) answer(w http.ResponseWriter, accept []string, result services.TaskResult) error {
	if r.Sound != nil && result.Audio == nil {
		return services.Internal(fmt.Errorf("%s returned no audio", r.Task), "the answer could not be encoded")
	}
	if err := r.repeat(w.Header(), result); err != nil {
		return errors.Join(err, result.Audio.Remove())
	}
	if r.Sound != nil && (!r.takesJSON() || !wantsJSON(accept)) {
		return Sound{Artifact: result.Audio, Name: r.Sound.File}.Send(w)
	}
	sounds, err := readSounds(result.Audio)
	if err != nil {
		return services.Internal(err, "the result could not be read")
	}
	body, err := r.encode(accept, result, sounds)
	if err == nil && r.Location != "" {
		err = r.locate(w.Header(), result.Value)
	}
	if err != nil {
		return services.Internal(err, "the answer could not be encoded")
	}
	body.Status = r.status
	return body.Send(w)
}

// locate sets the header with the path of what a task made.
func (r *Route) locate(header http.Header, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	header.Set("Location", strings.ReplaceAll(r.Location, "{id}", made.ID))
	return nil
}

// encode returns a result other than a sound file in the form that the client accepts.
func (r *Route) encode(accept []string, result services.TaskResult, sounds []inlineSound) (Body, error) {
	if form := r.choose(accept, result.Value); form != nil {
		text, err := form.Encode()
		return Body{ContentType: form.ContentType, Text: text}, err
	}
	text, err := r.describe(result, sounds)
	return NewJSON(text), err
}

// choose returns the form that the client prefers among those in the contract, or nil for
// JSON, which is also used if the client accepts none.
func (r *Route) choose(accept []string, value any) *services.Form {
	formed, ok := value.(services.Formed)
	if !ok {
		return nil
	}
	forms := slices.DeleteFunc(formed.Forms(), func(f services.Form) bool {
		kind, _, _ := strings.Cut(f.ContentType, ";")
		return !slices.Contains(r.offers, kind)
	})
	types := []string{typeJSON}
	for _, form := range forms {
		types = append(types, form.ContentType)
	}
	if i := Negotiate(accept, types); i > 0 {
		return &forms[i-1]
	}
	return nil
}

// describe returns a result as JSON: the model, if there is one, the sounds, and the fields
// of its value.
func (r *Route) describe(result services.TaskResult, sounds []inlineSound) ([]byte, error) {
	body, err := json.Marshal(struct {
		Model    string        `json:"model,omitempty"`
		Warnings gen.Warnings  `json:"warnings,omitempty"`
		Sounds   []inlineSound `json:"sounds,omitempty"`
	}{result.Model, WarningsView(result.Warnings), sounds})
	if err != nil {
		return nil, err
	}
	value, err := json.Marshal(result.Value)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(value, []byte("{")) {
		return nil, fmt.Errorf("the result is a %T, which is not a JSON object", result.Value)
	}
	value, err = r.withLists(value)
	if err != nil {
		return nil, err
	}
	return join(body, value), nil
}

// withLists returns a JSON object in which every list that the contract requires is
// present; a missing or null list becomes empty.
func (r *Route) withLists(value []byte) ([]byte, error) {
	if len(r.lists) == 0 {
		return value, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, err
	}
	missing := false
	for _, name := range r.lists {
		if text := fields[name]; name != "sounds" && (text == nil || string(text) == "null") {
			fields[name], missing = json.RawMessage("[]"), true
		}
	}
	if !missing {
		return value, nil
	}
	return json.Marshal(fields)
}

// repeat sets the headers that repeat a field of the JSON response.
func (r *Route) repeat(header http.Header, result services.TaskResult) error {
	if len(r.headers) == 0 {
		return nil
	}
	body, err := r.describe(result, nil)
	var fields map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(body, &fields)
	}
	if err != nil {
		return services.Internal(err, "the answer could not be encoded")
	}
	for name, field := range r.headers {
		if text := fields[field]; text != nil {
			header.Set(name, strings.Trim(string(text), `"[]`))
		}
	}
	return nil
}

// join returns a JSON object with the fields of two, which have none in common.
func join(one, two []byte) []byte {
	const empty = len("{}")
	if len(one) == empty {
		return two
	}
	if len(two) == empty {
		return one
	}
	return slices.Concat(one[:len(one)-1], []byte(","), two[1:])
}

// wantsJSON reports whether an Accept header prefers JSON to audio.
func wantsJSON(accept []string) bool {
	header := strings.Join(accept, ",")
	return strings.Contains(header, typeJSON) && !strings.Contains(header, "audio/")
}

// inlineSound is a sound as base64 in JSON.
type inlineSound struct {
	ContentType string `json:"content_type"`
	Bytes       int64  `json:"bytes"`
	Audio       []byte `json:"audio"`
}

// readSounds reads the sounds of a task into memory and removes their files. It returns
// none for nil.
func readSounds(artifact *services.Artifact) (sounds []inlineSound, err error) {
	if artifact == nil {
		return nil, nil
	}
	defer func() { err = errors.Join(err, artifact.Remove()) }()
	for _, one := range artifact.All() {
		data, err := readArtifact(one)
		if err != nil {
			return nil, err
		}
		sounds = append(sounds, inlineSound{ContentType: one.ContentType, Bytes: one.Bytes, Audio: data})
	}
	return sounds, nil
}

func readArtifact(artifact *services.Artifact) ([]byte, error) {
	file, err := artifact.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}
