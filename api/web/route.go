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

// What bodies are made of.
const (
	typeForm = "multipart/form-data"
	typeJSON = "application/json"
)

// Route is an operation of the contract that runs one task. All that it reads and writes
// is what the contract says of it.
type Route struct {
	// Service and Task say who does what.
	Service, Task string
	// Sound is set for a task that makes sound.
	Sound *SoundRoute
	// form has the fields of a form beside the recording, by name; nil where the route
	// takes no form.
	form map[string]field
	// json is set where the route takes JSON.
	json bool
	// stored allows a recording that the server has in place of a file.
	stored bool
	// offers are the content types of the answer, and lists the fields of its JSON that are
	// lists and always there.
	offers, lists []string
	// headers are those of the answer that repeat a field of its JSON.
	headers map[string]string
}

// SoundRoute says how a route deals with the sound that its task makes.
type SoundRoute struct {
	// File is the name, without an ending, of the file that a browser saves.
	File string `json:"file"`
	// Container is the parameter that the Accept header decides where it is left out;
	// empty for none.
	Container string `json:"container"`
	// Count is the parameter that asks for several sounds, which come as JSON only; empty
	// for none.
	Count string `json:"count"`
	// containers are the values of Container.
	containers []string
}

// field is a field of a form.
type field struct {
	kind string
	// least is the least of a whole number.
	least int64
}

// kinds are the types of fields that a form can have.
var kinds = []string{openapi3.TypeString, openapi3.TypeInteger, openapi3.TypeNumber, openapi3.TypeBoolean}

// NewRoute returns the route that an operation of the contract describes; sound is nil for
// a task that makes none.
func NewRoute(service, task string, sound *SoundRoute, described *openapi3.Operation) (*Route, error) {
	r := &Route{Service: service, Task: task, headers: make(map[string]string)}
	if described.RequestBody == nil {
		return nil, errors.New("a task needs a body")
	}
	content := described.RequestBody.Value.Content
	r.json = content[typeJSON] != nil
	if form := content[typeForm]; form != nil {
		if err := r.readForm(form.Schema.Value); err != nil {
			return nil, err
		}
	}
	if sound != nil {
		with := *sound
		r.Sound = &with
		if body := content[typeJSON]; body != nil && with.Container != "" {
			r.Sound.containers = enum(body.Schema.Value.Properties[with.Container])
		}
	}
	answer := described.Responses.Value("200")
	if answer == nil {
		return nil, errors.New("a task needs an answer with the status 200")
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

// readForm reads which fields a form has.
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
		for _, kind := range kinds {
			if property.Value.Type.Is(kind) {
				one.kind = kind
			}
		}
		if one.kind == "" {
			return fmt.Errorf("the field %s of the form is no text, number or boolean", name)
		}
		if least := property.Value.Min; least != nil {
			one.least = int64(*least)
		}
		r.form[name] = one
	}
	return nil
}

// enum returns the values that a parameter may have.
func enum(property *openapi3.SchemaRef) (list []string) {
	if property == nil {
		return nil
	}
	for _, value := range property.Value.Enum {
		list = append(list, fmt.Sprint(value))
	}
	return list
}

// takesJSON reports whether the answer can be JSON.
func (r *Route) takesJSON() bool { return slices.Contains(r.offers, typeJSON) }
