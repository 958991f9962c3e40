package web

import (
	"errors"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/grym-synth/grym-synth/services"
)

// FormOrJSON is the message for a body of another type where both are accepted.
const FormOrJSON = "the body must be multipart/form-data, as curl -F request='{\"task\":\"transcribe\"}' -F audio=@speech.wav sends it, " +
	"or application/json"

// SchemaProblems returns the fields of a value that violate its schema.
func SchemaProblems(err error) (fields []services.FieldError) {
	for _, one := range Flatten(err) {
		var schema *openapi3.SchemaError
		if !errors.As(one, &schema) {
			continue
		}
		field := strings.Join(schema.JSONPointer(), ".")
		// The name of an unknown field is only in the reason, in quotation marks.
		if parts := strings.Split(schema.Reason, `"`); schema.SchemaField == "properties" && len(parts) == 3 {
			field = strings.TrimPrefix(field+"."+parts[1], ".")
		}
		if field == "" {
			field = "body"
		}
		fields = append(fields, services.FieldError{Field: field, Problem: SchemaProblem(schema)})
	}
	return fields
}

// SchemaProblem returns the description of one violation, to follow the name of a field.
func SchemaProblem(violation *openapi3.SchemaError) string {
	schema := violation.Schema
	switch violation.SchemaField {
	case "required":
		return "is missing"
	case "properties":
		return "is not a known field"
	case "enum":
		values := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			values[i] = fmt.Sprint(value)
		}
		return "must be one of " + strings.Join(values, ", ")
	case "minLength":
		if schema.MinLength == 1 {
			return "must not be empty"
		}
		return fmt.Sprintf("must have at least %d characters", schema.MinLength)
	case "maxLength":
		return fmt.Sprintf("must have at most %d characters", *schema.MaxLength)
	case "minItems":
		return fmt.Sprintf("must have at least %d items", schema.MinItems)
	case "maxItems":
		return fmt.Sprintf("must have at most %d items", *schema.MaxItems)
	case "pattern":
		return "must match the regular expression " + schema.Pattern
	case "maxProperties":
		return fmt.Sprintf("must have at most %d properties", *schema.MaxProps)
	case "format":
		if schema.Format == "date-time" {
			return "must be a time such as 2026-11-24T18:00:00Z"
		}
		return "must have the format " + schema.Format
	}
	if _, rest, ok := strings.Cut(violation.Reason, " must "); ok {
		return "must " + rest // as in "value must be a string" and "number must be at least 1"
	}
	return violation.Reason
}

// Flatten returns the errors that an error wraps.
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
