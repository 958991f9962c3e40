package pipelines

import (
	"encoding/json"
	"errors"
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
	plan, err := Compile(d)
	if err != nil {
		return err
	}
	lacks, err := plan.Check(t.Context(), &world{})
	return errors.Join(err, Refuse(lacks))
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
			{"id":"b","task":"transcribe","audio":"${steps.a.audio}","params":{"prompt":"${input.words}"}}`, `,"output":{"text":"${steps.b.result.text}"}`),
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
		"after":     with(`{"id":"b","task":"transcribe","audio":"${input.audio}","after":["a"]},{"id":"a","task":"embed","audio":"${input.audio}"}`),
		"a literal": with(`{"id":"a","task":"generate","params":{"prompt":"costs $${5}"}}`),
	} {
		require.NoError(t, stored(t, raw), name)
	}
}

func TestAWrongPipelineNamesStepAndFault(t *testing.T) {
	t.Parallel()
	const right = `{"id":"a","task":"transcribe","audio":"${input.audio}"}`
	for name, wrong := range map[string]struct{ raw, field, problem string }{
		"no steps":          {`{"steps":[]}`, "steps", "must have at least one step"},
		"no id":             {with(`{"task":"transcribe"}`), "steps[0].id", "is missing"},
		"an id":             {with(`{"id":"A-b","task":"transcribe"}`), "steps[0].id", `got "A-b"`},
		"an id twice":       {with(right + "," + right), "steps.a.id", "is the id of another step"},
		"an unknown field":  {with(`{"id":"a","task":"transcribe","parm":{}}`), "steps.a.parm", "is not a field of a pipeline or step"},
		"an unknown task":   {with(`{"id":"a","task":"sing"}`), "steps.a.task", `got "sing"`},
		"no task":           {with(`{"id":"a"}`), "steps.a.task", "is missing"},
		"an unknown model":  {with(`{"id":"a","task":"transcribe","model":"x","audio":"${input.audio}"}`), "steps.a.model", "does not exist"},
		"unknown service":   {with(`{"id":"a","task":"transcribe","service":"x"}`), "steps.a.service", `"x" does not exist`},
		"another's task":    {with(`{"id":"a","task":"generate","service":"sounds"}`), "steps.a.task", `"generate" does not exist in service sounds`},
		"unknown parameter": {with(`{"id":"a","task":"generate","params":{"prompt":"x","loud":1}}`), "steps.a.params.loud", "is not a parameter"},
		"a parameter's value": {
			with(`{"id":"a","task":"transcribe","audio":"${input.audio}","params":{"window_seconds":"${input.n}","beam_width":0}}`),
			"steps.a.params.beam_width", "must be from 1 to 1000",
		},
		"a parameter's type": {
			with(`{"id":"a","task":"generate","params":{"prompt":"${input.words}","seed":"${input.words}"}}`),
			"steps.a.params.seed", "must be a value of type integer, and ${input.words} is a string",
		},
		"a number for a whole one": {
			with(right + `,{"id":"b","task":"generate","params":{"prompt":"x","seed":"${steps.a.result.duration}"}}`),
			"steps.b.params.seed", "must be a value of type integer, and ${steps.a.result.duration} is a number",
		},
		"a text for a number": {with(`{"id":"a","task":"generate","params":{"prompt":"x","seed":"1${input.words}"}}`), "steps.a.params.seed",
			"a text with expressions is a string"},
		"a missing parameter": {with(`{"id":"a","task":"generate","params":{"seed":3}}`), "steps.a.params.prompt", "is missing"},
		"a missing recording": {with(`{"id":"a","task":"transcribe"}`), "steps.a.audio", "is missing; task transcribe needs a recording"},
		"no recording":        {`{"steps":[{"id":"a","task":"transcribe","audio":"${input.audio}"}]}`, "steps.a.audio", "audio does not exist"},
		"a number to hear":    {with(`{"id":"a","task":"transcribe","audio":"${input.n}"}`), "steps.a.audio", "must be the id of a recording, got a whole number"},
		"a field of a recording": {with(`{"id":"a","task":"transcribe","audio":{"audio_id":"${input.audio}","from":1}}`), "steps.a.audio.from",
			"is not a field of a recording"},
		"an unknown input":        {with(`{"id":"a","task":"generate","params":{"prompt":"${input.word}"}}`), "steps.a.params.prompt", "word does not exist"},
		"an unknown step":         {with(right + `,{"id":"b","task":"edit","audio":"${steps.c.audio}"}`), "steps.b.audio", "c does not exist"},
		"an unknown result":       {with(right, `,"output":"${steps.a.result.txt}"`), "output", "txt does not exist"},
		"a list taken for one":    {with(`{"id":"a","foreach":"${input.list}","task":"caption","audio":"${item}"}`, `,"output":"${steps.a.result.text}"`), "output", "does not support field selection"},
		"a cycle":                 {with(`{"id":"a","task":"edit","audio":"${steps.b.audio}"},{"id":"b","task":"edit","audio":"${steps.a.audio}"}`), "steps.a", "depends on itself: a needs b needs a"},
		"itself":                  {with(`{"id":"a","task":"edit","audio":"${steps.a.audio}"}`), "steps.a", "depends on itself: a needs a"},
		"a cycle by after":        {with(`{"id":"a","task":"transcribe","audio":"${input.audio}","after":["b"]},{"id":"b","task":"edit","audio":"${steps.a.audio}"}`), "steps.a", "depends on itself"},
		"after an unknown one":    {with(`{"id":"a","task":"transcribe","audio":"${input.audio}","after":["x"]}`), "steps.a.after", `names "x", which does not exist`},
		"a condition's type":      {with(`{"id":"a","if":"${input.n}","task":"transcribe","audio":"${input.audio}"}`), "steps.a.if", "must be true or false, got a whole number"},
		"a text as condition":     {with(`{"id":"a","if":"input.n > 1","task":"transcribe","audio":"${input.audio}"}`), "steps.a.if", "must be an expression"},
		"a text to go through":    {with(`{"id":"a","foreach":"${input.words}","task":"transcribe","audio":"${input.audio}"}`), "steps.a.foreach", "must be a list, got a string"},
		"an item of nothing":      {with(`{"id":"a","task":"transcribe","audio":"${item}"}`), "steps.a.audio", "item does not exist"},
		"parallel without a list": {with(`{"id":"a","task":"transcribe","audio":"${input.audio}","parallel":3}`), "steps.a.parallel", "needs foreach"},
		"too many at once":        {with(`{"id":"a","foreach":"${input.list}","task":"transcribe","audio":"${item}","parallel":300}`), "steps.a.parallel", "must be 1 to 64"},
		"a syntax error":          {with(`{"id":"a","task":"transcribe","audio":"${input.}"}`), "steps.a.audio", "Syntax error"},
		"an open expression":      {with(`{"id":"a","task":"transcribe","audio":"${input.audio"}`), "steps.a.audio", "has ${ without its }"},
		"types that do not fit":   {with(`{"id":"a","task":"generate","params":{"prompt":"${input.words + input.n}"}}`), "steps.a.params.prompt", "found no matching overload"},
		"on_error":                {with(`{"id":"a","task":"transcribe","audio":"${input.audio}","on_error":"retry"}`), "steps.a.on_error", "must be fail, skip or continue"},
		"a timeout":               {with(`{"id":"a","task":"transcribe","audio":"${input.audio}","timeout":30}`), "steps.a", `must be a duration such as "30s"`},
		"attempts":                {with(`{"id":"a","task":"transcribe","audio":"${input.audio}","retry":{"attempts":99}}`), "steps.a.retry.attempts", "must be 1 to 20"},
		"a pipeline in it":        {with(`{"id":"a","task":"run"}`), "steps.a.task", "a pipeline cannot run others"},
		"a schema":                {`{"input":{"properties":{"n":{"type":"numbr"}}},"steps":[]}`, "input", "is not a JSON Schema"},
		"a costly expression": {with(right, `,"output":"${`+strings.Repeat("[0,1,2,3,4,5,6,7,8,9].map(x, ", 7)+`1`+strings.Repeat(")", 7)+`}"`), "output",
			"costs at least"},
	} {
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
	err := stored(t, with(`{"id":"a","task":"transcribe","audio":"${input.x}","timeout":"1m","on_error":"x"},{"id":"b","task":"ask","if":"${1}"}`))
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Len(t, fault.Fields, 3, fault.Fields)
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
