package web

import (
	"errors"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/grym-synth/grym-synth/services"
)

// FormOrJSON explains a body that is neither, where both are taken.
const FormOrJSON = "the body must be multipart/form-data, as curl -F request='{\"task\":\"transcribe\"}' -F audio=@speech.wav sends it, " +
	"or application/json"

// SchemaProblems names the fields of a value that do not fit its schema.
func SchemaProblems(err error) (fields []services.FieldError) {
	for _, one := range Flatten(err) {
		var schema *openapi3.SchemaError
		if !errors.As(one, &schema) {
			continue
		}
		field := strings.Join(schema.JSONPointer(), ".")
		// A field that is not known stands in the reason, in quotation marks.
		if parts := strings.Split(schema.Reason, `"`); schema.SchemaField == "properties" && len(parts) == 3 {
			field = strings.TrimPrefix(field+"."+parts[1], ".")
		}
		if field == "" {
			field = "body"
		}
		fields = append(fields, services.FieldError{Field: field, Problem: schema.Reason})
	}
	return fields
}

// Flatten returns the errors that an error stands for.
func Flatten(err error) []error {
	var several openapi3.MultiError
	if !errors.As(err, &several) {
		return []error{err}
	}
	var list []error
	for _, one := range several {
		var request *openapi3filter.RequestError
		if errors.As(one, &request) {
			list = append(list, one)
			continue
		}
		list = append(list, Flatten(one)...)
	}
	return list
}
