package web

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// keyHeader is the header with an idempotency key, repeatedHeader that of the answer to a
// repeated request.
const (
	keyHeader      = "Idempotency-Key"
	repeatedHeader = "Idempotent-Replayed"
)

// The media types of bodies.
const (
	typeForm = "multipart/form-data"
	typeJSON = "application/json"
)

// Route is an operation of the contract that runs a single task. The contract defines
// everything that it reads and writes.
type Route struct {
	// Service and Task name the service and its task.
	Service, Task string
	RouteOptions
	// form has the form fields except the recording, by name; nil if the route accepts no
	// form. For a route about a stored recording these are the parameters of the query.
	form map[string]field
	// about is set for a route without a body about the stored recording in its path.
	about bool
	// json is set if the route accepts JSON.
	json bool
	// stored is set if a stored recording may replace the file, silent if the recording
	// may be missing altogether.
	stored, silent bool
	// offers are the content types of the response, and lists the JSON fields that are
	// lists and always present.
	offers, lists []string
	// headers are the response headers that repeat a field of the JSON response.
	headers map[string]string
	// path are the parameters that are part of the path, and status that of a response.
	path   []string
	status int
	// keyed is set if the route accepts an idempotency key.
	keyed bool
}

// RouteOptions are what an operation's extension says of its route.
type RouteOptions struct {
	// Sound is set for a task that returns audio.
	Sound *SoundRoute `json:"sound"`
	// Recordings are form fields with files, which can be repeated. The files are stored as
	// recordings of the caller, and the task gets a list of their spans.
	Recordings []string `json:"recordings"`
	// Location is the path of what the task made, with {id} for the field id of the response.
	Location string `json:"location"`
	// Image is the parameter with the format of a picture, which defaults to the Accept header;
	// "" if there is none.
	Image string `json:"image"`
	// Fixed are parameters of the task that the request cannot set.
	Fixed map[string]any `json:"params"`
	// Empty is an empty result of the task, which determines the forms of its results.
	Empty any `json:"-"`
}

// SoundRoute describes how a route returns the audio of its task.
type SoundRoute struct {
	// File is the name, without extension, under which browsers save the file.
	File string `json:"file"`
	// Container is the parameter that defaults to the Accept header; "" if there is none.
	Container string `json:"container"`
	// Count is the parameter for the number of sounds; several are only returned as JSON.
	// "" if there is none.
	Count string `json:"count"`
	// containers are the allowed values of Container.
	containers []string
}

// field is a form field.
type field struct {
	// kind is a type of JSON Schema: array for a list of strings, numbers for a list of
	// numbers, and object for a list of objects, which is sent as a JSON text.
	kind string
	// least is the minimum of a whole number.
	least int64
	// most is the maximum number of recordings.
	most int
}

// kindNumbers is the kind of a field that is a list of numbers, kindMap that of one that is
// an object, sent as a JSON text, and kindRecordings that of files to be stored.
const (
	kindNumbers    = "numbers"
	kindMap        = "map"
	kindRecordings = "recordings"
)

// kinds are the types of single values that form fields can have; there are lists of
// strings, numbers and objects too.
var kinds = []string{openapi3.TypeString, openapi3.TypeInteger, openapi3.TypeNumber, openapi3.TypeBoolean}

// NewRoute returns the route that an operation of the contract describes.
func NewRoute(service, task string, options RouteOptions, described *openapi3.Operation) (*Route, error) {
	r := &Route{Service: service, Task: task, RouteOptions: options, headers: make(map[string]string)}
	content, err := r.readInput(described)
	if err != nil {
		return nil, err
	}
	for _, parameter := range described.Parameters {
		switch {
		case parameter.Value.In == openapi3.ParameterInPath && !r.about:
			r.path = append(r.path, parameter.Value.Name)
		case parameter.Value.In == openapi3.ParameterInHeader && parameter.Value.Name == keyHeader:
			r.keyed = true
		}
	}
	if options.Sound != nil {
		with := *options.Sound
		r.Sound = &with
		if body := content[typeJSON]; body != nil && with.Container != "" {
			r.Sound.containers = enum(body.Schema.Value.Properties[with.Container])
		}
	}
	answer := described.Responses.Value("201") // 200 beside it is the answer to a repeated request
	if r.status = http.StatusCreated; answer == nil {
		answer, r.status = described.Responses.Value("200"), http.StatusOK
	}
	if answer == nil {
		return nil, errors.New("a task requires a response with status 200 or 201")
	}
	r.offers = slices.Sorted(maps.Keys(answer.Value.Content))
	if body := answer.Value.Content[typeJSON]; body != nil && body.Schema != nil {
		for _, name := range body.Schema.Value.Required {
			if property := body.Schema.Value.Properties[name]; property != nil && property.Value.Type.Is(openapi3.TypeArray) {
				r.lists = append(r.lists, name)
			}
		}
	}
	for name := range answer.Value.Headers {
		if of, ours := strings.CutPrefix(name, "Grym-"); ours && name != modelHeader && name != warningHeader {
			r.headers[http.CanonicalHeaderKey(name)] = strings.ToLower(of)
		}
	}
	return r, nil
}

// readInput reads where the parameters come from, and returns the types of the body.
func (r *Route) readInput(described *openapi3.Operation) (openapi3.Content, error) {
	if described.RequestBody == nil {
		if described.Parameters.GetByInAndName(openapi3.ParameterInPath, StoredField) == nil {
			return nil, errors.New("a task requires a request body, or a recording in its path")
		}
		query := openapi3.NewObjectSchema()
		for _, parameter := range described.Parameters {
			if parameter.Value.In == openapi3.ParameterInQuery {
				query.WithPropertyRef(parameter.Value.Name, parameter.Value.Schema)
			}
		}
		r.about = true
		return nil, r.readForm(query)
	}
	content := described.RequestBody.Value.Content
	r.json = content[typeJSON] != nil
	if form := content[typeForm]; form != nil {
		return content, r.readForm(form.Schema.Value)
	}
	return content, nil
}

// readForm reads the form fields from the schema.
func (r *Route) readForm(schema *openapi3.Schema) error {
	r.form = make(map[string]field)
	for name, property := range schema.Properties {
		switch name {
		case fileField:
			continue
		case StoredField:
			r.stored = true
			continue
		}
		one := field{least: math.MinInt64}
		if property.Value.Type.Is(openapi3.TypeObject) {
			one.kind = kindMap
		}
		for _, kind := range kinds {
			if property.Value.Type.Is(kind) {
				one.kind = kind
			}
		}
		if items := property.Value.Items; property.Value.Type.Is(openapi3.TypeArray) && items != nil {
			switch {
			case items.Value.Type.Is(openapi3.TypeString):
				one.kind = openapi3.TypeArray
			case items.Value.Type.Is(openapi3.TypeNumber):
				one.kind = kindNumbers
			case items.Value.Type.Is(openapi3.TypeObject):
				one.kind = openapi3.TypeObject
			}
		}
		if slices.Contains(r.Recordings, name) && one.kind == openapi3.TypeArray && property.Value.MaxItems != nil {
			one.kind, one.most = kindRecordings, int(min(*property.Value.MaxItems, math.MaxInt32))
		}
		if one.kind == "" {
			return fmt.Errorf("form field %s must be a string, number, boolean, object or a list of strings, numbers or objects", name)
		}
		if least := property.Value.Min; least != nil {
			one.least = int64(*least)
		}
		r.form[name] = one
	}
	r.silent = !r.stored && !slices.Contains(schema.Required, fileField)
	return nil
}

// enum returns the allowed values of a parameter.
func enum(property *openapi3.SchemaRef) (list []string) {
	if property == nil {
		return nil
	}
	for _, value := range property.Value.Enum {
		list = append(list, fmt.Sprint(value))
	}
	return list
}

// TakesFields reports whether the parameters can be fields of a form or a query, which the
// contract's defaults are not added to; those of JSON are to be the same. r may be nil.
func (r *Route) TakesFields() bool { return r != nil && r.form != nil }

// takesJSON reports whether the response can be JSON.
func (r *Route) takesJSON() bool { return slices.Contains(r.offers, typeJSON) }
