package tasks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// DecodeParams decodes a task's parameters strictly: unknown fields, and any text after
// the JSON value, are errors. If raw is empty, into is unchanged.
func DecodeParams(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		// There is a second value, or part of one, after the first.
		if _, extra := decoder.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("text follows the JSON value")
		}
	}
	var kind *json.UnmarshalTypeError
	switch unknown, found := strings.CutPrefix(fmt.Sprint(err), "json: unknown field "); {
	case err == nil:
		return nil
	case found:
		return services.Invalidf(strings.Trim(unknown, `"`), "is not a parameter of this task")
	case errors.As(err, &kind) && kind.Field != "":
		return services.Invalidf(strings.TrimPrefix(kind.Field, embedded), "must be %s, got a %s", article(kind.Type.Kind()), kind.Value)
	}
	return services.Invalidf("params", "cannot be read: %v", err)
}

// embedded precedes the names of the parameters that all tasks with a recording share.
const embedded = "Reading."

// article returns the JSON name of a Go kind with its article.
func article(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}
