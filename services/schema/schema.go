// Package schema validates the parameters of tasks against the JSON Schemas that
// services publish, and describes errors in plain words.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/grym-synth/grym-synth/services"
)

// Schema is a compiled JSON Schema of the draft 2020-12. A nil Schema allows everything.
// Safe for concurrent use.
type Schema struct{ compiled *jsonschema.Schema }

// address is the base of a schema's references. Nothing is loaded from it.
const address = "schema:params"

// nothing is a loader that always fails, because a schema must be self-contained.
type nothing struct{}

// Load implements jsonschema.URLLoader.
func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not part of the schema", url)
}

// Compile compiles a schema; it returns nil for an empty text.
func Compile(text json.RawMessage) (*Schema, error) {
	if len(text) == 0 {
		return nil, nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nothing{})
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource(address, document); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	compiled, err := compiler.Compile(address)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return &Schema{compiled}, nil
}

// Validate returns a KindInvalid fault that lists every invalid parameter. Empty params
// are an empty object, and null parameters are ignored.
func (s *Schema) Validate(params json.RawMessage) error {
	if s == nil {
		return nil
	}
	value, err := read(params)
	if err != nil {
		return services.Invalidf(whole, "cannot be read: %v", err)
	}
	if fields := replaceNumbers(&value, nil); len(fields) > 0 {
		return fault(fields)
	}
	err = s.compiled.Validate(value)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return fault(s.problems(value, invalid))
	}
	return services.Internal(err, "the parameters could not be checked")
}

// read decodes parameters. It removes top-level nulls, as services do.
func read(params json.RawMessage) (any, error) {
	if len(params) == 0 {
		return map[string]any{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(params))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text follows the JSON value")
	}
	if value == nil {
		return map[string]any{}, nil
	}
	if object, ok := value.(map[string]any); ok {
		for name, one := range object {
			if one == nil {
				delete(object, name)
			}
		}
	}
	return value, nil
}

// replaceNumbers converts numbers to Go types, so that the time of a comparison does
// not depend on the exponent. It returns the numbers that cannot be represented.
func replaceNumbers(value *any, at []string) (bad []services.FieldError) {
	switch v := (*value).(type) {
	case json.Number:
		number, err := parse(string(v))
		if err != nil {
			return []services.FieldError{{
				Field: name(at), Problem: fmt.Sprintf("must be a number of at most %.3g, got %.40s", math.MaxFloat64, v),
			}}
		}
		*value = number
	case map[string]any:
		for key, one := range v {
			bad = append(bad, replaceNumbers(&one, append(at, key))...)
			v[key] = one
		}
	case []any:
		for i := range v {
			bad = append(bad, replaceNumbers(&v[i], append(at, index(i)))...)
		}
	}
	return bad
}

// parse returns an int64 for an integer that fits, and otherwise a float64.
func parse(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	return strconv.ParseFloat(text, 64)
}
