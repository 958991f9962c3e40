package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	route.negotiate(request.params, accept)
	maps.Copy(request.params, route.Fixed)
	if route.about {
		return b.serveStored(w, r, route, request)
	}
	priority := r.Header.Get("Grym-Priority")
	task, err := NewTask(ctx, Work{
		Task: route.Task, Model: request.model, Params: request.params, Audio: request.upload.Audio(),
	}, &priority)
	if err != nil {
		return err
	}
	if route.keyed {
		task.Key = r.Header.Get(keyHeader)
	}
	result, err := b.Run(ctx, task, request.upload.Warnings)
	if err != nil {
		return err
	}
	request.upload.retainFiles()
	return route.answer(w, accept, task.Params, result)
}

// answer writes a result in the form that the client accepts, and removes its files.
func (r *Route) answer(w http.ResponseWriter, accept []string, params json.RawMessage, result services.TaskResult) error {
	if r.Sound != nil && result.Audio == nil {
		return services.Internal(fmt.Errorf("%s returned no audio", r.Task), "the answer could not be encoded")
	}
	if err := r.repeat(w.Header(), result); err != nil {
		return errors.Join(err, result.Audio.Remove())
	}
	if r.Sound != nil {
		return r.answerSound(w, accept, result)
	}
	body, err := r.encode(accept, params, result)
	if err == nil && r.Location != "" {
		err = r.locate(w.Header(), result.Value)
	}
	if err != nil {
		return services.Internal(err, "the answer could not be encoded")
	}
	if body.Status = r.status; result.Repeated {
		body.Status = http.StatusOK
		w.Header().Set(repeatedHeader, "true")
	}
	return body.Send(w)
}

// answerSound writes a result with sounds: a file, an archive, or JSON.
func (r *Route) answerSound(w http.ResponseWriter, accept []string, result services.TaskResult) error {
	inline := r.takesJSON() && wantsJSON(accept)
	if !inline && !r.wantsArchive(accept, result.Audio) {
		return Sound{Artifact: result.Audio, Name: r.Sound.File}.Send(w)
	}
	before, after, err := r.fields(result)
	if err != nil {
		return services.Internal(errors.Join(err, result.Audio.Remove()), "the answer could not be encoded")
	}
	if inline {
		return inlineSounds{result.Audio, before, after}.Send(w)
	}
	return archive{result.Audio, r.Sound.File, join(before, after)}.Send(w)
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

// encode returns a result without sound in the form that the client accepts.
func (r *Route) encode(accept []string, params json.RawMessage, result services.TaskResult) (Body, error) {
	if form := r.choose(accept, params, result.Value); form != nil {
		text, err := form.Encode()
		return Body{ContentType: form.ContentType, Text: text}, err
	}
	text, err := r.describe(result)
	return NewJSON(text), err
}

// choose returns the form that the client prefers among those in the contract, or nil for
// JSON. A client that accepts none of them gets the first.
func (r *Route) choose(accept []string, params json.RawMessage, value any) *services.Form {
	others, first := services.FormsOf(value, params)
	forms := []*services.Form{nil}
	types := []string{typeJSON}
	for _, form := range others {
		if kind, _, _ := strings.Cut(form.ContentType, ";"); slices.Contains(r.offers, kind) {
			forms, types = append(forms, &form), append(types, form.ContentType)
		}
	}
	if first {
		forms, types = append(forms[1:], nil), append(types[1:], typeJSON)
	}
	return forms[max(0, Negotiate(accept, types))]
}

// describe returns a result as JSON: the model, if there is one, and the fields of its value.
func (r *Route) describe(result services.TaskResult) ([]byte, error) {
	before, after, err := r.fields(result)
	if err != nil {
		return nil, err
	}
	return join(before, after), nil
}

// fields returns the two parts of a result as JSON objects: what every task has, and its
// own fields.
func (r *Route) fields(result services.TaskResult) (before, after []byte, err error) {
	before, err = json.Marshal(struct {
		Model    string       `json:"model,omitempty"`
		Warnings gen.Warnings `json:"warnings,omitempty"`
	}{result.Model, WarningsView(result.Warnings)})
	if err != nil {
		return nil, nil, err
	}
	after, err = json.Marshal(result.Value)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.HasPrefix(after, []byte("{")) {
		return nil, nil, fmt.Errorf("the result is a %T, which is not a JSON object", result.Value)
	}
	after, err = r.withLists(after)
	return before, after, err
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
	body, err := r.describe(result)
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
