package audioprocessor

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/editing"
	"github.com/grym-synth/grym-synth/services/schema"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// editSchema is what the test reads of the schema of Edit.
type editSchema struct {
	Properties struct {
		Operations struct {
			MaxItems int
			Items    struct {
				Properties struct{ Op struct{ Enum []string } }
				AllOf      []describedOperation
			}
		}
	}
}

// describedOperation is the schema of one operation.
type describedOperation struct {
	If struct {
		Properties struct{ Op struct{ Const string } }
	}
	Then struct {
		Required   []string
		Properties map[string]json.RawMessage
	}
}

// valid returns the operation with the parameters that it requires.
func (d describedOperation) valid() map[string]any {
	operation := map[string]any{"op": d.If.Properties.Op.Const}
	for _, name := range d.Then.Required {
		operation[name] = map[string]any{
			"frequency": 100, "low": 50, "high": 200, "gain_db": 3, "factor": 2, "semitones": 1, "mode": "loudness", "channels": 2,
			"sample_rate": 8000, "recordings": []any{map[string]any{"audio_id": "a"}},
		}[name]
	}
	return operation
}

// invalid returns operations with one wrong field, by what is wrong.
func (d describedOperation) invalid() map[string][]map[string]any {
	list := make(map[string][]map[string]any)
	wrong := func(name, problem string, value any) {
		operation := d.valid()
		operation[name] = value
		if value == nil {
			delete(operation, name)
		}
		list[problem] = append(list[problem], operation)
	}
	for _, name := range d.Then.Required {
		wrong(name, name+" is missing", nil)
	}
	wrong("volume", "volume is not a parameter", 1)
	for name, property := range d.Then.Properties {
		var limits struct{ Minimum, Maximum *float64 }
		switch _ = json.Unmarshal(property, &limits); {
		case name == "op":
		case limits.Minimum == nil:
			wrong(name, name, "x")
		default:
			wrong(name, name+" must be", *limits.Minimum-1)
			wrong(name, name+" must be", *limits.Maximum+1)
		}
	}
	return list
}

// TestTheSchemaAgreesWithTheOperations has values out of each range.
func TestTheSchemaAgreesWithTheOperations(t *testing.T) {
	t.Parallel()
	raw := tasks.Kind(tasks.Edit).ParamsSchema
	compiled, err := schema.Compile(raw)
	require.NoError(t, err)
	var described editSchema
	require.NoError(t, json.Unmarshal(raw, &described))
	operations := described.Properties.Operations
	require.Equal(t, maxOperations, operations.MaxItems)
	require.Equal(t, editing.Names(), operations.Items.Properties.Op.Enum)
	require.Len(t, operations.Items.AllOf, len(editing.Names()))
	text := func(operation map[string]any) string {
		raw, err := json.Marshal(operation)
		require.NoError(t, err)
		return string(raw)
	}
	for _, one := range operations.Items.AllOf {
		fine := text(one.valid())
		_, err := editing.Parse([]byte(fine))
		require.NoError(t, err)
		require.NoError(t, compiled.Validate(json.RawMessage(`{"operations":[`+fine+`]}`)))
		for problem, list := range one.invalid() {
			for _, operation := range list {
				_, err := editing.Parse([]byte(text(operation)))
				require.ErrorContains(t, err, problem, text(operation))
				err = compiled.Validate(json.RawMessage(`{"operations":[{"op":"reverse"},` + text(operation) + `]}`))
				require.ErrorContains(t, err, "operations[1]."+problem, text(operation))
			}
		}
	}
}

// TestTheSchemaAgreesWithTheRecordings has wrong recordings of operations, which the schema
// and the service name in the same way.
func TestTheSchemaAgreesWithTheRecordings(t *testing.T) {
	t.Parallel()
	compiled, err := schema.Compile(tasks.Kind(tasks.Edit).ParamsSchema)
	require.NoError(t, err)
	for _, op := range []string{"concatenate", "mix", "crossfade"} {
		for recording, problem := range map[string]string{
			`{}`:                              "recordings[1].audio_id is missing",
			`{"audio_id":""}`:                 "recordings[1].audio_id ",
			`{"audio_id":"a","start":-1}`:     "recordings[1].start must be",
			`{"audio_id":"a","end":1e9}`:      "recordings[1].end must be",
			`{"audio_id":"a","gain_db":61}`:   "recordings[1].gain_db must be",
			`{"audio_id":"a","pause":86401}`:  "pause",
			`{"audio_id":"a","at":-1}`:        "at",
			`{"audio_id":"a","loudness":-23}`: "loudness is not a parameter",
		} {
			operation := `{"op":"` + op + `","recordings":[{"audio_id":"b"},` + recording + `]}`
			_, err := editing.Parse([]byte(operation))
			require.ErrorContains(t, err, problem, operation)
			err = compiled.Validate(json.RawMessage(`{"operations":[` + operation + `]}`))
			require.ErrorContains(t, err, problem, operation)
		}
	}
}
