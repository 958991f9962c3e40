package schema_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/schema"
)

const example = `{
  "type": "object",
  "additionalProperties": false,
  "required": ["prompt"],
  "properties": {
    "prompt": {"type": "string", "minLength": 1, "maxLength": 8},
    "seed": {"type": "integer", "minimum": 0, "maximum": 4294967295},
    "big": {"type": "integer", "minimum": 0, "maximum": 18446744073709551615},
    "top_k": {"type": "integer", "minimum": 0},
    "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "threshold": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "most": {"type": "number", "maximum": 0.5},
    "step": {"type": "number", "multipleOf": 0.5},
    "depth": {"type": "string", "enum": ["16", "24", "float"]},
    "one": {"const": 1},
    "id": {"type": "string", "pattern": "^[a-z]+$"},
    "stream": {"type": "boolean"},
    "either": {"type": ["string", "integer"]},
    "choice": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    "window": {"type": "number", "anyOf": [{"enum": [0]}, {"minimum": 1, "maximum": 30}]},
    "other": {"anyOf": [{"type": ["string", "number"]}, {"not": {}}]},
    "not": {"not": {"type": "number"}},
    "stop": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": true, "items": {"type": "string", "minLength": 2}},
    "history": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["question", "answer"],
      "properties": {"question": {"type": "string"}, "answer": {"type": "string"}}}},
    "options": {"type": "object", "minProperties": 1, "maxProperties": 2, "dependentRequired": {"a": ["b"]}}
  }
}`

func compile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(json.RawMessage(text))
	require.NoError(t, err)
	return s
}

func TestParametersThatFitPass(t *testing.T) {
	t.Parallel()
	s := compile(t, example)
	for _, params := range []string{
		`{"prompt":"a"}`,
		`{"prompt":"ääääääää"}`,
		`{"prompt":"a","seed":4294967295,"big":18446744073709551615,"top_k":0,"top_p":1,"threshold":0.999,"most":-1e300,"step":1.5}`,
		`{"prompt":"a","seed":null,"stream":null,"unknown":null}`,
		`{"prompt":"a","depth":"float","one":1,"id":"abc","either":"x","choice":3,"stop":["ab","cd"],"options":{"a":1,"b":2}}`,
		`{"prompt":"a","history":[{"question":"q","answer":"a"}]}`,
	} {
		require.NoError(t, s.Validate(json.RawMessage(params)), params)
	}
	require.NoError(t, compile(t, `{"type":"object"}`).Validate(nil), "no parameters are an empty object")
	require.NoError(t, compile(t, `{"type":"object"}`).Validate(json.RawMessage(`null`)))
	require.NoError(t, compile(t, ``).Validate(json.RawMessage(`17`)), "without a schema everything is allowed")
	require.NoError(t, (*schema.Schema)(nil).Validate(nil))
}

// violations of the example, with what is said of each. A prompt is added where it is left
// out of other fields.
var violations = map[string]string{
	`{}`:                           "prompt is missing",
	``:                             "prompt is missing",
	`{"prompt":null}`:              "prompt is missing",
	`[]`:                           "params must be an object, got a list",
	`"x"`:                          `params must be an object, got "x"`,
	`{"prompt":""}`:                "prompt must not be empty",
	`{"prompt":"123456789"}`:       "prompt must have at most 8 characters, got 9",
	`{"prompt":7}`:                 "prompt must be a string, got 7",
	`{"seed":"7"}`:                 `seed must be a whole number, got "7"`,
	`{"seed":1.5}`:                 "seed must be a whole number, got 1.5",
	`{"seed":-1}`:                  "seed must be from 0 to 4294967295, got -1",
	`{"seed":4294967296}`:          "seed must be from 0 to 4294967295, got 4294967296",
	`{"big":18446744073709551616}`: "big must be from 0 to 18446744073709551615, got 18446744073709552000",
	`{"top_k":-1}`:                 "top_k must be at least 0, got -1",
	`{"top_p":0}`:                  "top_p must be above 0 and at most 1, got 0",
	`{"top_p":1.5}`:                "top_p must be above 0 and at most 1, got 1.5",
	`{"threshold":1}`:              "threshold must be above 0 and below 1, got 1",
	`{"threshold":0}`:              "threshold must be above 0 and below 1, got 0",
	`{"most":1}`:                   "most must be at most 0.5, got 1",
	`{"most":1e999}`:               "most must be a number of at most 1.8e+308, got 1e999",
	`{"step":0.7}`:                 "step must be a multiple of 0.5, got 0.7",
	`{"depth":"32"}`:               `depth must be "16", "24" or "float", got "32"`,
	`{"depth":16}`:                 `depth must be "16", "24" or "float", got 16`,
	`{"one":2}`:                    "one must be 1, got 2",
	`{"id":"A"}`:                   `id must match the pattern ^[a-z]+$, got "A"`,
	`{"stream":"yes"}`:             `stream must be true or false, got "yes"`,
	`{"either":true}`:              "either must be a whole number or a string, got true",
	`{"choice":true}`:              "choice must be a string or a whole number, got true",
	`{"window":0.5}`:               "window must be 0 or from 1 to 30, got 0.5",
	`{"window":31}`:                "window must be 0 or from 1 to 30, got 31",
	`{"window":"long"}`:            `window must be a number, got "long"`,
	`{"other":true}`:               "other does not fit the schema of the task, got true",
	`{"not":0}`:                    "not does not fit the schema of the task, got 0",
	`{"stop":"x"}`:                 `stop must be a list, got "x"`,
	`{"stop":[]}`:                  "stop must not be empty",
	`{"stop":["ab","cd","ef"]}`:    "stop must have at most 2 items, got 3",
	`{"stop":["ab","ab"]}`:         "stop must have different items, got the same at 0 and 1",
	`{"stop":["ab","c"]}`:          "stop[1] must have at least 2 characters, got 1",
	`{"history":[{"question":"q","answer":"a"},{"question":1,"more":2}]}`: "history[1].answer is missing; " +
		"history[1].more is not a parameter of this task; history[1].question must be a string, got 1",
	`{"history":[{"question":"q","answer":null}]}`: "history[0].answer must be a string, got null",
	`{"options":{}}`:                  "options must not be empty",
	`{"options":{"b":1,"c":1,"d":1}}`: "options must have at most 2 fields, got 3",
	`{"options":{"a":1}}`:             "options.b is missing; it is required with a",
	`{"tempo":3,"Seed":1}`:            "Seed is not a parameter of this task; tempo is not a parameter of this task",
	`{"seed":`:                        "params cannot be read: unexpected EOF",
	`{} {}`:                           "params cannot be read: text follows the JSON value",
	`{"id":"` + strings.Repeat("A", 99) + `"}`: `id must match the pattern ^[a-z]+$, got "` + strings.Repeat("A", 40) + `"`,
}

func TestWhatDoesNotFitIsNamedInPlainWords(t *testing.T) {
	t.Parallel()
	s := compile(t, example)
	for given, says := range violations {
		params := given
		if strings.HasPrefix(given, `{"`) && !strings.Contains(given, `"prompt"`) && json.Valid([]byte(given)) {
			params = `{"prompt":"a",` + given[1:]
		}
		err := s.Validate(json.RawMessage(params))
		require.EqualError(t, err, says, given)
		require.Equal(t, services.KindInvalid, services.KindOf(err))
	}
}

func TestAFaultIsBounded(t *testing.T) {
	t.Parallel()
	params := map[string]any{"prompt": "a"}
	for i := range 1000 {
		params[strings.Repeat("x", 500+i)] = 1
	}
	raw, err := json.Marshal(params)
	require.NoError(t, err)
	var fault *services.Fault
	require.True(t, errors.As(compile(t, example).Validate(raw), &fault))
	require.LessOrEqual(t, len(fault.Fields), 32)
	require.Less(t, len(fault.Error()), 8192)
}

// The exponent of a number must not affect the time.
func TestLargeExponentsAreCheap(t *testing.T) {
	t.Parallel()
	s := compile(t, example)
	for _, number := range []string{"1e-1000000", "1e-999999999", "1e999999999", strings.Repeat("9", 100_000)} {
		require.ErrorContains(t, s.Validate(json.RawMessage(`{"prompt":"a","top_p":`+number+`}`)), "top_p must be")
	}
}

func TestASchemaMustCompile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{`, `{"type":"text"}`, `{"minimum":"0"}`, `{"properties":{"a":{"minimum":0,"exclusiveMinimum":true}}}`,
		`{"$ref":"https://example.com/schema.json"}`, `{"$ref":"file:///etc/passwd"}`, `{"pattern":"("}`} {
		_, err := schema.Compile(json.RawMessage(text))
		require.Error(t, err, text)
	}
}

func BenchmarkValidate(b *testing.B) {
	s := compile(b, example)
	params := json.RawMessage(`{"prompt":"a siren","seed":7,"top_p":0.9,"depth":"16","stream":true,"stop":["ab"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(params); err != nil {
			b.Fatal(err)
		}
	}
}
