package pipelines

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// stored returns the fault of a pipeline, as when it is stored.
func stored(t *testing.T, raw string) error {
	t.Helper()
	d, err := Parse([]byte(raw))
	if err != nil {
		return err
	}
	plan, wrong := Compile(d)
	lacks, err := plan.Check(t.Context(), &world{})
	return merge(wrong, err, Refuse(lacks))
}

// with returns a pipeline of the given steps, with an input and a recording.
func with(steps string, rest ...string) string {
	return fmt.Sprintf(`{"audio":"required","input":{"properties":{"words":{"type":"string"},"n":{"type":"integer"},"list":{"type":"array",
		"items":{"type":"string"}}}},"steps":[%s]%s}`, steps, strings.Join(rest, ""))
}

func TestARightPipelineIsAccepted(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"one step": with(`{"id":"a","task":"transcribe","audio":"${input.audio}"}`),
		"a chain": with(`{"id":"a","task":"edit","audio":"${input.audio}","params":{"operations":[{"op":"gain","gain_db":3}]}},
			{"id":"b","task":"transcribe","audio":"${steps.a.audio}","params":{"prompt":"${input.words}"}}`,
			`,"output":{"text":"${steps.b.result.text}"}`),
		"spans": with(`{"id":"a","task":"analyze","audio":"${input.audio}"},
			{"id":"b","task":"caption","foreach":"${windows(steps.a.result.source.duration, 10)}","parallel":2,"retry":{"attempts":2,"delay":"1s"},
			 "audio":{"audio_id":"${input.audio}","start":"${item.start}","end":"${item.end}"},"timeout":"1m","on_error":"continue"}`,
			`,"output":"${join(steps.b.result.map(r, r == null ? 'nothing' : r.text), ' ')}"`),
		"numbers": with(`{"id":"a","task":"generate","foreach":"${range(input.n)}","params":{"prompt":"${input.words} ${index}","seed":"${item + 1}",
			"audio_length_in_s":"${size(input.words) > 3 ? 1.5 : 2.0}"}}`),
		"a condition": with(`{"id":"a","task":"analyze","audio":"${input.audio}","params":{"features":["noise"]}},
			{"id":"b","if":"${has(steps.a.result.noise) && steps.a.result.noise.signal_to_noise_db < 20.0}","task":"edit","audio":"${input.audio}",
			 "params":{"operations":[{"op":"gate"}]}},
			{"id":"c","task":"transcribe","audio":"${steps.b.status == 'succeeded' ? steps.b.audio : input.audio}"}`),
		"after": with(`{"id":"b","task":"transcribe","audio":"${input.audio}","after":["a"]},
			{"id":"a","task":"embed","audio":"${input.audio}"}`),
		"a literal": with(`{"id":"a","task":"generate","params":{"prompt":"costs $${5}"}}`),
	} {
		require.NoError(t, stored(t, raw), name)
	}
}

func TestAWrongPipelineNamesStepAndFault(t *testing.T) {
	t.Parallel()
	for name, wrong := range wrongs {
		var fault *services.Fault
		err := stored(t, wrong.raw)
		if !assert.ErrorAs(t, err, &fault, name) {
			continue
		}
		found := false
		for _, field := range fault.Fields {
			found = found || field.Field == wrong.field && strings.Contains(field.Problem, wrong.problem)
		}
		assert.True(t, found, "%s: %q has no %s %s", name, fault.Fields, wrong.field, wrong.problem)
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	err := stored(t, with(`{"id":"a","task":"transcribe","audio":"${input.x}","timeout":"1m","on_error":"x"},
		{"id":"b","task":"ask","if":"${1}"}`))
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, []services.FieldError{
		{Field: "steps.a.on_error", Problem: `must be fail, skip or continue, got "x"`},
		{Field: "steps.a.audio", Problem: "${input.x}: x does not exist"},
		{Field: "steps.b.if", Problem: "must be true or false, got a whole number"},
		{Field: "steps.b.params.question", Problem: "is missing"},
	}, fault.Fields)
}

func TestTheInputIsChecked(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(`{"input":{"required":["prompt"],"properties":{"prompt":{"type":"string"},"n":{"type":"integer","default":3},
		"scale":{"type":"number"}}},"steps":[{"id":"a","task":"generate","params":{"prompt":"${input.prompt}"}}]}`))
	require.NoError(t, err)
	plan, err := Compile(d)
	require.NoError(t, err)
	input, err := plan.CheckInput(json.RawMessage(`{"prompt":"rain","scale":2}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"prompt": "rain", "n": int64(3), "scale": 2.0}, input)
	_, err = plan.CheckInput(json.RawMessage(`{"n":1.5}`))
	require.ErrorContains(t, err, "input.prompt is missing")
	require.ErrorContains(t, err, "input.n must be")
	_, err = plan.CheckInput(json.RawMessage(`{"prompt":"x","m":1}`))
	require.ErrorContains(t, err, "input.m is not an input of this pipeline")
}

// What an expression costs is known when it is evaluated.
func TestAnExpressionThatCostsTooMuchFails(t *testing.T) {
	t.Parallel()
	env, err := environment(map[string]*shape{"input": anyShape})
	require.NoError(t, err)
	e, err := compile(env, "range(1000).all(x, range(1000).all(y, range(1000).all(z, true)))")
	require.NoError(t, err)
	_, err = e.eval(scope{vars: map[string]any{"input": nil}})
	require.ErrorContains(t, err, "cost limit")
	e, err = compile(env, "range(30).map(x, range(1000).map(y, range(1000)))")
	require.NoError(t, err)
	_, err = e.eval(scope{vars: map[string]any{"input": nil}})
	require.Error(t, err)
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	env, err := environment(map[string]*shape{"input": anyShape})
	require.NoError(t, err)
	span := func(start, end float64) any { return map[string]any{"start": start, "end": end} }
	for text, want := range map[string]any{
		"windows(25.0, 10)":                       []any{span(0, 10), span(10, 20), span(20, 25)},
		"windows(20.2, 10.0)":                     []any{span(0, 10), span(10, 20.2)},
		"windows(0.0, 10)":                        []any{},
		"windows(0.1, 10)":                        []any{span(0, 0.1)},
		"range(3)":                                []any{int64(0), int64(1), int64(2)},
		"join(['a','b'], ', ')":                   "a, b",
		"lower('Ab')":                             "ab",
		"best([0.5, 2.0, 2.0])":                   int64(1),
		"best(input.map(x, x))":                   int64(2),
		"overlap('A dog, barking!', 'dog barks')": 0.5,
		"overlap('', 'x')":                        0.0,
		"overlap('x', '')":                        0.0,
		"{'a': [1, 2.5, true, null, b'x', 'y']}":  map[string]any{"a": []any{int64(1), 2.5, true, nil, "eA==", "y"}},
	} {
		e, err := compile(env, text)
		require.NoError(t, err, text)
		got, err := e.eval(scope{vars: map[string]any{"input": []any{nil, 1.0, 3.0}}})
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"windows(10.0, 0)", "windows(100000.0, 1)", "range(-1)", "range(100000)", "best([])", "0.0/0.0", "input.x"} {
		e, err := compile(env, text)
		require.NoError(t, err, text)
		_, err = e.eval(scope{vars: map[string]any{"input": map[string]any{}}})
		require.Error(t, err, text)
	}
}
