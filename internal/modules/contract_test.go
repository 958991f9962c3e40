package modules_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// fieldsOfRequests are not parameters of any task.
var fieldsOfRequests = []string{"file", "audio_id", "model"}

// apart are the fields that only the contract or only the task has, by task.
var apart = map[string][]string{
	// OpenAI's fields, which are written by hand into parameters. A longer prompt is cut.
	tasks.Transcribe: {"chunking_strategy", "languages", "prompt"},
	tasks.Translate:  {"prompt"},
	tasks.Ask: {
		"messages", "stream_options", "max_completion_tokens", "n", "modalities", "user", "stop", "question", "history", "window_seconds",
		"seed", "system", "top_p", "truncation", // a negative seed, 0 and null are translated
	},
	// The fields of an operation depend on its kind, which only the task's schema says.
	tasks.Edit: {"operations"},
	// A form has files in place of spans. The pattern is part of the path, and recordings are
	// those of a body without a file.
	tasks.Teach: {"examples", "counter_examples"}, tasks.Correct: {"pattern_id"}, tasks.Detect: {"recordings"},
	// A form has only texts and numbers; a job can have the rest.
	tasks.Caption: {"history", "context_id", "truncation", "top_k", "top_p", "repetition_penalty", "stop", "stream", "system"},
}

// descriptive keywords of the contract do not limit a value.
var descriptive = []string{"description", "format", "nullable", "example"}

// TestTheContractHasTheSchemasOfTheTasks compares what openapi.yaml allows with what the
// services publish, field by field, and the services of its operations with those there are.
func TestTheContractHasTheSchemasOfTheTasks(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "openapi.yaml"))
	require.NoError(t, err)
	requests, servedBy := make(map[string]*openapi3.Schema), make(map[string]any)
	stored := make(map[string]*openapi3.Operation)
	for path, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			extension, _ := operation.Extensions["x-grym"].(map[string]any)
			task, ok := extension["task"].(string)
			if !ok {
				continue
			}
			if operation.RequestBody == nil {
				stored[path] = operation
				continue
			}
			require.NotContains(t, requests, task, "%s %s", method, path)
			servedBy[task] = extension["service"]
			for _, content := range operation.RequestBody.Value.Content {
				requests[task] = content.Schema.Value
			}
		}
	}
	serve := make(map[string][]string)
	for _, m := range modules.All() {
		for _, kind := range m.Build(m.Defaults(), module.Deps{Runtime: new(onnx.Runtime)}).Describe().Tasks {
			require.Contains(t, requests, kind.Name)
			compare(t, kind, requests[kind.Name])
			serve[kind.Name] = append(serve[kind.Name], m.Name)
		}
	}
	for task := range requests {
		require.Contains(t, serve[task], servedBy[task], task)
	}
	for path, operation := range stored {
		compareQuery(t, path, operation)
	}
}

// compareQuery checks that the parameters of a route about a stored recording have the
// schemas of its task.
func compareQuery(t *testing.T, path string, operation *openapi3.Operation) {
	t.Helper()
	extension := operation.Extensions["x-grym"].(map[string]any)
	var published struct {
		Properties map[string]map[string]any `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(tasks.Kind(extension["task"].(string)).ParamsSchema, &published))
	query := 0
	for _, parameter := range operation.Parameters {
		if parameter.Value.In != openapi3.ParameterInQuery {
			continue
		}
		query++
		ours := published.Properties[parameter.Value.Name]
		delete(ours, "description")
		require.Equal(t, ours, normal(t, parameter.Value.Schema), "%s: %s", path, parameter.Value.Name)
	}
	require.NotZero(t, query, path)
	fixed, _ := extension["params"].(map[string]any)
	for name := range fixed {
		require.Contains(t, published.Properties, name, path)
		require.Nil(t, operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name), path)
	}
}

// compare checks the fields of one task.
func compare(t *testing.T, kind services.TaskKind, request *openapi3.Schema) {
	t.Helper()
	var published struct {
		Required   []string                  `json:"required"`
		Properties map[string]map[string]any `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(kind.ParamsSchema, &published))
	contract := make(map[string]map[string]any)
	for name, property := range request.Properties {
		if !slices.Contains(fieldsOfRequests, name) {
			contract[strings.TrimSuffix(name, "[]")] = normal(t, property)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(contract)) {
		if slices.Contains(apart[kind.Name], name) {
			continue
		}
		ours, known := published.Properties[name]
		if !known {
			t.Errorf("%s: the contract has the field %s, which the task does not know", kind.Name, name)
			continue
		}
		theirs := contract[name]
		delete(ours, "description")
		_, one := ours["default"]
		if _, two := theirs["default"]; !one || !two { // which may depend on the request
			delete(ours, "default")
			delete(theirs, "default")
		}
		require.Equal(t, theirs, ours, "%s: %s", kind.Name, name)
	}
	for name := range published.Properties {
		if _, ok := contract[name]; !ok && !slices.Contains(apart[kind.Name], name) {
			t.Errorf("%s: the task has the parameter %s, which the contract does not know", kind.Name, name)
		}
	}
	if len(apart[kind.Name]) == 0 {
		required := slices.DeleteFunc(slices.Clone(request.Required), func(name string) bool { return slices.Contains(fieldsOfRequests, name) })
		require.ElementsMatch(t, required, published.Required, kind.Name)
	}
}

// normal returns a schema of the contract as JSON Schema 2020-12 has it.
func normal(t *testing.T, property *openapi3.SchemaRef) map[string]any {
	t.Helper()
	text, err := json.Marshal(property.Value)
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	for _, keyword := range descriptive {
		delete(schema, keyword)
	}
	for exclusive, inclusive := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		if schema[exclusive] == true {
			schema[exclusive] = schema[inclusive]
			delete(schema, inclusive)
		}
	}
	return schema
}
