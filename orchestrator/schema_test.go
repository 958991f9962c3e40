package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// strict is an echo whose task has a schema.
type strict struct {
	echo
	schema string
}

func (s *strict) Describe() services.Description {
	d := s.echo.Describe()
	d.Tasks = []services.TaskKind{{Name: "say", ParamsSchema: json.RawMessage(s.schema)}}
	return d
}

const saySchema = `{"type": "object", "additionalProperties": false, "required": ["words"], "properties": {
  "words": {"type": "string", "minLength": 1, "maxLength": 5}, "times": {"type": "integer", "minimum": 1, "maximum": 3}}}`

func newStrict(schema string) (*strict, *Orchestrator, *desk) {
	service := &strict{echo: echo{run: func(context.Context, services.Sink) error { return nil }}, schema: schema}
	registry, d := NewRegistry(slog.New(slog.DiscardHandler)), &desk{}
	registry.Register(service, passGuard{}, nil)
	return service, New(Dependencies{Registry: registry, Admission: d, Log: slog.New(slog.DiscardHandler)}), d
}

func TestParametersThatDoNotFitTheSchemaNeverReachTheService(t *testing.T) {
	t.Parallel()
	service, o, d := newStrict(saySchema)
	for params, want := range map[string][]services.FieldError{
		``:                          {{Field: "words", Problem: "is missing"}},
		`{"words":7}`:               {{Field: "words", Problem: "must be a string, got 7"}},
		`{"words":"a","times":"2"}`: {{Field: "times", Problem: `must be a whole number, got "2"`}},
		`{"words":"toolong","times":4,"tempo":1}`: {
			{Field: "tempo", Problem: "is not a parameter of this task"},
			{Field: "times", Problem: "must be from 1 to 3, got 4"},
			{Field: "words", Problem: "must have at most 5 characters, got 7"},
		},
	} {
		wrong := task
		wrong.Params = json.RawMessage(params)
		_, err := o.Execute(t.Context(), wrong, services.DiscardSink{})
		for _, err := range []error{err, o.Check(t.Context(), wrong)} {
			var fault *services.Fault
			require.True(t, errors.As(err, &fault), "%s: %v", params, err)
			require.Equal(t, services.KindInvalid, fault.Kind)
			require.Equal(t, want, fault.Fields, params)
		}
	}
	require.Zero(t, service.prepared)
	require.Zero(t, service.starts, "nothing starts for a bad request")
	require.Zero(t, d.given, "nothing waits")

	right := task
	right.Params = json.RawMessage(`{"words":"hello","times":3}`)
	_, err := o.Execute(t.Context(), right, services.DiscardSink{})
	require.NoError(t, err)
	require.NoError(t, o.Check(t.Context(), right))
	require.Equal(t, 2, service.prepared)
}

// TestATaskWithoutASchemaIsLeftToItsService has a task that the service does not describe.
func TestATaskWithoutASchemaIsLeftToItsService(t *testing.T) {
	t.Parallel()
	service, o, _ := newStrict(saySchema)
	unknown := task
	unknown.Name, unknown.Params = "sing", json.RawMessage(`17`)
	require.NoError(t, o.Check(t.Context(), unknown))
	require.Equal(t, 1, service.prepared)
}

func TestASchemaThatDoesNotCompileIsAProgrammingError(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t,
		"service echo, task say: compile the schema: json-pointer in \"schema:params#/nowhere\" not found",
		func() { newStrict(`{"$ref": "#/nowhere"}`) })
}

// BenchmarkCheck is what a schema adds to a task before it waits.
func BenchmarkCheck(b *testing.B) {
	for name, schema := range map[string]string{"with a schema": saySchema, "without": ""} {
		b.Run(name, func(b *testing.B) {
			_, o, _ := newStrict(schema)
			right := task
			right.Params = json.RawMessage(`{"words":"hello","times":3}`)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Check(b.Context(), right); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
