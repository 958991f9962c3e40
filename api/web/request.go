package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/grym-synth/grym-synth/services"
)

// fileField is the form field with the recording, and modelField the form or JSON field
// that names the model; all others are parameters of the task.
const (
	fileField  = "file"
	modelField = "model"
)

// asked is a parsed request of a route.
type asked struct {
	model  string
	params map[string]any
	upload *Upload
}

// read parses a form or JSON request. The caller closes the upload, even after an error.
func (b *Base) read(ctx context.Context, r *http.Request, route *Route) (asked, error) {
	if route.about {
		return route.readQuery(r)
	}
	if route.form == nil || route.json && MediaType(r) != typeForm {
		got, err := readJSON(r)
		if err == nil && route.stored {
			err = b.findNamed(ctx, &got)
		}
		return got, route.readPath(r, got, err)
	}
	reader, err := r.MultipartReader()
	if err != nil {
		return asked{upload: &Upload{}}, BodyFault(err)
	}
	receive := func(ctx context.Context, form *multipart.Reader, known []string) (*Upload, error) {
		return b.ReceiveForm(ctx, form, FormShape{File: fileField, Optional: route.silent, Known: known, MaxField: MaxFieldBytes})
	}
	switch {
	case len(route.Recordings) > 0:
		receive = b.receiverOf(route)
	case route.stored:
		receive = b.ReceiveOrFind
	}
	upload, err := receive(ctx, reader, slices.Sorted(maps.Keys(route.form)))
	got, formErr := route.parse(NewForm(upload))
	got.upload = upload
	return got, route.readPath(r, got, Join(err, formErr))
}

// parse returns the parameters in a form.
func (r *Route) parse(form *Form) (asked, *services.Fault) {
	got := asked{upload: &Upload{}, params: make(map[string]any)}
	for _, name := range slices.Sorted(maps.Keys(r.form)) {
		switch value := form.read(name, r.form[name]); {
		case r.form[name].kind == kindRecordings: // they are stored once the form is valid
		case name == modelField:
			got.model = form.Text(name)
		case value != nil:
			got.params[name] = value
		}
	}
	return got, form.Fault()
}

// readQuery parses the parameters of a query. Unknown ones are refused.
func (r *Route) readQuery(request *http.Request) (asked, error) {
	query := request.URL.Query()
	form := &Form{fields: query}
	known := slices.Sorted(maps.Keys(r.form))
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if _, ok := r.form[name]; !ok {
			form.Complain(fmt.Sprintf("%.64s", name), "is not a parameter of this route; the parameters are %s", strings.Join(known, ", "))
		}
	}
	got, fault := r.parse(form)
	if fault != nil {
		return got, fault
	}
	return got, nil
}

// readPath adds the parameters of the path to a request that was read with an error or nil.
func (r *Route) readPath(request *http.Request, got asked, err error) error {
	for _, name := range r.path {
		got.params[name] = request.PathValue(name)
	}
	return err
}

// read returns a field's value as in JSON, or nil if it is missing.
func (f *Form) read(name string, one field) any {
	if one.kind == openapi3.TypeArray {
		if list := f.List(name); len(list) > 0 {
			return list
		}
		return nil
	}
	if one.kind == kindNumbers {
		return f.numbers(name)
	}
	if f.Text(name) == "" {
		return nil
	}
	switch one.kind {
	case openapi3.TypeInteger:
		return f.Whole(name, one.least, math.MaxInt64)
	case openapi3.TypeNumber:
		return f.Number(name)
	case openapi3.TypeBoolean:
		return f.Bool(name)
	case openapi3.TypeObject:
		return f.objects(name)
	case kindMap:
		return f.object(name)
	}
	return f.Text(name)
}

// numbers returns the finite numbers of a field that can be repeated, each of whose values
// may be a list in JSON or separated by commas; nil if the field is missing.
func (f *Form) numbers(name string) any {
	var list []float64
	for _, value := range f.fields[name] {
		for text := range strings.SplitSeq(strings.Trim(strings.TrimSpace(value), "[]"), ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				f.Complain(name, "must be a list of numbers, got %.40q", text)
				return nil
			}
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

// object returns an object, which is sent as a JSON text.
func (f *Form) object(name string) any {
	text := f.Text(name)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		f.Complain(name, `must be an object as JSON, such as {"name": "value"}, got %.40q`, text)
		return nil
	}
	return json.RawMessage(text)
}

// objects returns a list of objects, which is sent as a JSON text.
func (f *Form) objects(name string) any {
	text := f.Text(name)
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		f.Complain(name, `must be a list of objects as JSON, such as [{"name": 1}], got %.40q`, text)
		return nil
	}
	return json.RawMessage(text)
}

// findNamed uses the stored recording that a JSON body names in audio_id.
func (b *Base) findNamed(ctx context.Context, got *asked) error {
	var id string
	raw, ok := got.params[StoredField].(json.RawMessage)
	if !ok || json.Unmarshal(raw, &id) != nil || id == "" {
		return services.Invalidf(StoredField, "is missing; name a stored recording, or send the file as multipart/form-data")
	}
	delete(got.params, StoredField)
	return b.Find(ctx, got.upload, id)
}

// readJSON parses a body that the validator has accepted.
func readJSON(r *http.Request) (asked, error) {
	got := asked{upload: &Upload{}, params: make(map[string]any)}
	var body map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return got, BodyFault(err)
	}
	for name, value := range body {
		if name != modelField {
			got.params[name] = value
			continue
		}
		if err := json.Unmarshal(value, &got.model); err != nil {
			return got, services.Invalidf(modelField, "must be a string")
		}
	}
	return got, nil
}

// BodyFault returns the fault of a body that cannot be parsed as its Content-Type.
func BodyFault(err error) error {
	var fault *services.Fault
	switch {
	case errors.As(err, &fault):
		return err
	case errors.Is(err, http.ErrNotMultipart), errors.Is(err, http.ErrMissingBoundary):
		return &services.Fault{
			Kind: services.KindUnsupported, Err: err,
			Message: "the body must be multipart/form-data with a boundary, as curl -F file=@speech.wav sends it",
		}
	}
	return &services.Fault{Kind: services.KindInvalid, Message: "the body cannot be read", Err: err}
}

// acceptedAs are the media types of containers that do not have their name.
var acceptedAs = map[string]string{"mp3": "audio/mpeg"}

// negotiate sets the audio parameters that the request leaves to the Accept header.
func (s *SoundRoute) negotiate(params map[string]any, accept []string) error {
	if _, set := params[s.Container]; !set && s.Container != "" {
		var offers []string
		for _, container := range s.containers {
			offers = append(offers, cmp.Or(acceptedAs[container], "audio/"+container))
		}
		if i := Negotiate(accept, offers); i > 0 {
			params[s.Container] = s.containers[i]
		}
	}
	if s.Count == "" || wantsJSON(accept) {
		return nil
	}
	var n float64 // null leaves it zero
	text, err := json.Marshal(params[s.Count])
	if err == nil && json.Unmarshal(text, &n) == nil && n > 1 {
		return services.Invalidf(s.Count, "must be 1 if the response is an audio file, got %v; "+
			"for several sounds send Accept: application/json", n)
	}
	return nil
}

// negotiate sets the format of a picture to what the Accept header prefers, unless the
// request sets it.
func (r *Route) negotiate(params map[string]any, accept []string) {
	if _, set := params[r.Image]; set || r.Image == "" {
		return
	}
	types := slices.Sorted(maps.Keys(imageFormats))
	if i := Negotiate(accept, types); i > 0 {
		params[r.Image] = imageFormats[types[i]]
	}
}

// imageFormats are the formats of pictures by their content types, the first of which in
// order is the default.
var imageFormats = map[string]string{"image/png": "png", "image/svg+xml": "svg"}
