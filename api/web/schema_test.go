package web

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// TestSchemaProblemsReadAsPredicates has a value for each rule: the text follows the name of
// a field.
func TestSchemaProblemsReadAsPredicates(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromData([]byte(`
openapi: 3.0.3
info: {title: t, version: '1'}
paths: {}
components:
  schemas:
    All:
      type: object
      required: [need]
      additionalProperties: false
      properties:
        need: {type: string}
        kind: {enum: [a, b, 3]}
        number: {type: number, minimum: 1, maximum: 3}
        whole: {type: integer}
        text: {type: string, minLength: 1, maxLength: 3}
        long: {type: string, minLength: 2, pattern: '^a'}
        list: {type: array, minItems: 2, maxItems: 3, items: {type: string}}
        map: {type: object, maxProperties: 1, additionalProperties: true}
`))
	require.NoError(t, err)
	one := map[string]any{"need": "x"}
	for want, value := range map[string]map[string]any{
		"need is missing":                           {},
		"odd is not a known field":                  {"odd": 1.0},
		"kind must be one of a, b, 3":               {"kind": "c"},
		"number must be at least 1":                 {"number": 0.5},
		"number must be at most 3":                  {"number": 3.5},
		"whole must be an integer":                  {"whole": 1.5},
		"text must not be empty":                    {"text": ""},
		"text must have at most 3 characters":       {"text": "long"},
		"long must have at least 2 characters":      {"long": "a"},
		"long must match the regular expression ^a": {"long": "bb"},
		"list must have at least 2 items":           {"list": []any{"a"}},
		"list must have at most 3 items":            {"list": []any{"a", "b", "c", "d"}},
		"list.1 must be a string":                   {"list": []any{"a", 1.0}},
		"map must have at most 1 properties":        {"map": map[string]any{"a": 1.0, "b": 2.0}},
	} {
		if !strings.HasPrefix(want, "need") {
			value["need"] = one["need"]
		}
		fields := SchemaProblems(spec.Components.Schemas["All"].Value.VisitJSON(value, openapi3.MultiErrors()))
		require.Len(t, fields, 1, want)
		require.Equal(t, want, fields[0].Field+" "+fields[0].Problem)
	}
}
