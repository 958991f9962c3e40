package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConditionsOfObjects has parameters that depend on another one.
func TestConditionsOfObjects(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"type": "object", "properties": {"steps": {"type": "array", "items": {
		"type": "object", "required": ["op"], "properties": {"op": {"enum": ["a", "b"]}},
		"allOf": [
			{"if": {"required": ["op"], "properties": {"op": {"const": "a"}}},
			 "then": {"additionalProperties": false, "properties": {"op": true, "x": {"type": "number", "minimum": 1, "maximum": 2}}}},
			{"if": {"required": ["op"], "properties": {"op": {"const": "b"}}},
			 "then": {"additionalProperties": false, "required": ["x"], "properties": {"op": true, "x": {"enum": [7, 8]}}}}
		]}}}}`)
	require.NoError(t, s.Validate(json.RawMessage(`{"steps":[{"op":"a","x":1.5},{"op":"b","x":7}]}`)))
	for params, want := range map[string]string{
		`{"steps":[{"op":"b","x":7},{"op":"a","x":3}]}`: "steps[1].x must be from 1 to 2, got 3",
		`{"steps":[{"op":"b","x":1}]}`:                  "steps[0].x must be 7 or 8, got 1",
		`{"steps":[{"op":"b"}]}`:                        "steps[0].x is missing",
		`{"steps":[{"op":"a","y":1}]}`:                  "steps[0].y is not a parameter of this task",
		`{"steps":[{"op":"c","x":1}]}`:                  `steps[0].op must be "a" or "b", got "c"`,
		`{"steps":[{}]}`:                                "steps[0].op is missing",
	} {
		require.EqualError(t, s.Validate(json.RawMessage(params)), want)
	}
}
