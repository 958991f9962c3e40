package pipelines

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	for runs, ok := range map[int]bool{0: false, 1: true, 10_000: true, 10_001: false} {
		errs := Config{MaxRuns: runs, Definitions: "{}"}.Validate()
		require.Equal(t, ok, len(errs) == 0, runs)
		if !ok {
			require.ErrorContains(t, errs[0], fmt.Sprintf("maxRuns: must be 1 to 10000, got %d", runs))
		}
	}
	steps := `"steps":[{"id":"x","task":"generate"}]`
	list, err := Definitions(`{"b":{` + steps + `},"a":{"name":"a",` + steps + `}}`).Parse()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "a", list[0].Name)
	require.Equal(t, "b", list[1].Name)
	list, err = Definitions(`{"a":{` + steps + `},"b":{"steps":1},"c":{"name":"x",` + steps + `}}`).Parse()
	require.ErrorContains(t, err, "definitions.b.steps: has the wrong type, got a number")
	require.ErrorContains(t, err, "definitions.c.name: must be c")
	require.Len(t, list, 1)
	_, err = Definitions(`[]`).Parse()
	require.ErrorContains(t, err, "definitions: must have a definition for each name")
}

// compiled returns the faults of a definition with one step that has the given fields.
func compiled(head, step string) string {
	d, err := Parse([]byte(`{` + head + `"steps":[{"id":"a","task":"generate"` + step + `}]}`))
	if err == nil {
		_, err = Compile(d)
	}
	return fmt.Sprint(err)
}

// limits has definitions at a bound and beyond it, and the problem of those beyond.
var limits = []struct{ head, step, want string }{
	{"", "", ""},
	{`"name":"` + strings.Repeat("x", 63) + `",`, "", ""},
	{`"name":"` + strings.Repeat("x", 64) + `",`, "", "name must be 1 to 63 lower-case letters"},
	{`"name":"-a",`, "", "name must be"},
	{`"description":"` + strings.Repeat("x", 4096) + `",`, "", ""},
	{`"description":"` + strings.Repeat("x", 4097) + `",`, "", "description must have at most 4096 bytes, got 4097"},
	{`"audio":"optional",`, "", ""},
	{`"audio":"maybe",`, "", `audio must be none, optional or required, got "maybe"`},
	{`"input":[],`, "", "input must be a JSON Schema with properties"},
	{`"input":{"type":"string"},`, "", "input must be the schema of an object, got string"},
	{`"input":{"type":"object"},`, "", ""},
	{`"input":{"properties":{"audio":{}}},`, "", "input.properties.audio is the recording of the run"},
	{"", `,"foreach":"${range(2)}","parallel":64`, ""},
	{"", `,"foreach":"${range(2)}","parallel":0`, ""},
	{"", `,"foreach":"${range(2)}","parallel":65`, "steps.a.parallel must be 1 to 64, got 65"},
	{"", `,"foreach":"${range(2)}","parallel":-1`, "steps.a.parallel must be 1 to 64, got -1"},
	{"", `,"parallel":1`, "steps.a.parallel needs foreach"},
	{"", `,"retry":{"attempts":20}`, ""},
	{"", `,"retry":{"attempts":0}`, ""},
	{"", `,"retry":{"attempts":21}`, "steps.a.retry.attempts must be 1 to 20, got 21"},
	{"", `,"retry":{"attempts":-1}`, "steps.a.retry.attempts must be 1 to 20, got -1"},
	{"", `,"retry":{"delay":"-1s"}`, `must be a duration such as "30s", got "-1s"`},
	{"", `,"timeout":"0s"`, ""},
	{"", `,"timeout":"x"`, `must be a duration such as "30s", got "x"`},
	{"", `,"on_error":"skip"`, ""},
	{"", `,"if":"${true}"`, ""},
	{"", `,"if":"${dyn(1)}"`, ""},
	{"", `,"if":"true"`, "steps.a.if must be an expression such as ${input.list}, got \"true\""},
	{"", `,"if":"${true} "`, "steps.a.if must be an expression"},
	{"", `,"if":"${}"`, "steps.a.if has an empty expression"},
	{"", `,"foreach":"${dyn(1)}"`, ""},
	{"", `,"foreach":"${dyn([1])}","params":{"prompt":"${item}"}`, ""},
	{"", `,"foreach":"${[1]}","params":{"prompt":"${item.x}"}`, "steps.a.params.prompt"},
	{"", `,"after":["b"]`, `steps.a.after names "b", which does not exist`},
	{"", `,"audio":null`, ""},
	{"", `,"audio":1`, "steps.a.audio must be the id of a recording, or an object with audio_id, start and end"},
	{"", `,"audio":"x"`, ""},
	{"", `,"audio":"x${1}"`, ""},
	{"", `,"audio":"${1}"`, "steps.a.audio must be the id of a recording, got a whole number"},
	{"", `,"audio":"${null}"`, ""},
	{"", `,"audio":"${dyn(1)}"`, ""},
	{"", `,"audio":"${{'a':1}}"`, ""},
	{"", `,"audio":{"start":1}`, "steps.a.audio.audio_id is missing"},
	{"", `,"audio":{"audio_id":"x","begin":1}`, "steps.a.audio.begin is not a field of a recording; it has audio_id, start, end"},
	{"", `,"audio":{"audio_id":"x","start":"${1}","end":"${1.5}"}`, ""},
	{"", `,"audio":{"audio_id":"x","start":"${'a'}"}`, "steps.a.audio.start must be a number, got a string"},
	{"", `,"audio":{"audio_id":"x","end":"${true}"}`, "steps.a.audio.end must be a number, got true or false"},
	{"", `,"audio":{"audio_id":"${[]}"}`, "steps.a.audio.audio_id must be the id of a recording, got a list"},
	{"", `,"model":"${1"`, "steps.a.model has ${ without its }"},
	{"", `,"params":{"a":["${x}"]}`, "steps.a.params.a[0] ${x}: x does not exist"},
	{`"output":{"a":"${steps.b.result}"},`, "", "output.a ${steps.b.result}: b does not exist"},
	{`"output":"${steps.a.result}",`, "", ""},
}

// TestLimitsOfADefinition has each limit, and the values beside it.
func TestLimitsOfADefinition(t *testing.T) {
	t.Parallel()
	for _, c := range limits {
		got := compiled(c.head, c.step)
		if c.want == "" {
			require.Equal(t, "<nil>", got, c.head+c.step)
		} else {
			require.Contains(t, got, c.want, c.head+c.step)
		}
	}
	for n, ok := range map[int]bool{0: false, 1: true, MaxSteps: true, MaxSteps + 1: false} {
		var steps []string
		for i := range n {
			steps = append(steps, fmt.Sprintf(`{"id":"s%d","task":"generate"}`, i))
		}
		d, err := Parse([]byte(`{"steps":[` + strings.Join(steps, ",") + `]}`))
		require.NoError(t, err)
		_, err = Compile(d)
		require.Equal(t, ok, err == nil, n)
	}
	for _, c := range [][2]string{
		{`{"id":"a","task":"x"},{"id":"a","task":"y"}`, "a"}, {`{"id":"A","task":"x"}`, "steps[0]"}, {`{"id":"a"}`, "steps.a.task is missing"},
		{`{"id":"` + strings.Repeat("a", 41) + `","task":"x"}`, "steps[0]"},
	} {
		d, err := Parse([]byte(`{"steps":[` + c[0] + `]}`))
		require.NoError(t, err)
		_, err = Compile(d)
		require.ErrorContains(t, err, c[1])
	}
}

func TestADefinitionIsReadStrictly(t *testing.T) {
	t.Parallel()
	padded := func(n int) string { return `{"steps":[]` + strings.Repeat(" ", n-len(`{"steps":[]}`)) + `}` }
	for raw, want := range map[string]string{
		padded(int(MaxBytes)):            "",
		padded(int(MaxBytes) + 1):        "definition must have at most 65536 bytes, got 65537",
		`{`:                              "definition cannot be read",
		`{"steps":[]} {}`:                "definition cannot be read: text follows the JSON value",
		`{"steps":[],"x":1}`:             "x is not a field of a pipeline or step",
		`{"steps":[],"name":1}`:          "name has the wrong type, got a number",
		`{"steps":[{"id":"a","x":1}]}`:   "steps.a.x is not a field of a pipeline or step",
		`{"steps":[{"x":1},{"y":2}]}`:    "steps[1].y is not a field",
		`{"steps":[1]}`:                  "steps[0]",
		`{"steps":[{"id":"a","if":1}]}`:  "steps.a.if has the wrong type, got a number",
		`{"steps":[{"id":"a","task":{}`:  "definition cannot be read",
		`{"steps":[{"timeout":5}]}`:      "steps[0] cannot be read: must be a duration such as \"30s\", got 5",
		`{"steps":[{"timeout":"1m"}]}  `: "",
	} {
		d, err := Parse([]byte(raw))
		if want == "" {
			require.NoError(t, err, raw)
			continue
		}
		require.ErrorContains(t, err, want)
		require.NotNil(t, d)
	}
	d, err := Parse([]byte(`{"steps":[{"id":"a","timeout":"90s","retry":{"delay":"2s","attempts":7}},
		{"id":"b","parallel":2,"on_error":"skip"}]}`))
	require.NoError(t, err)
	raw, err := json.Marshal(d.Steps[0].Timeout)
	require.NoError(t, err)
	require.Equal(t, `"1m30s"`, string(raw))
	n, delay := d.Steps[0].attempts()
	require.Equal(t, 7, n)
	require.Equal(t, 2*time.Second, delay)
	n, delay = d.Steps[1].attempts()
	require.Equal(t, DefaultAttempts, n)
	require.Equal(t, time.Second, delay)
	n, delay = Step{Retry: &Retry{}}.attempts()
	require.Equal(t, DefaultAttempts, n)
	require.Equal(t, time.Second, delay)
	require.Equal(t, []any{4, "fail", 2, "skip", "none"},
		[]any{d.Steps[0].parallel(), d.Steps[0].onError(), d.Steps[1].parallel(), d.Steps[1].onError(), d.audio()})
}

func TestAMergePatch(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(`{"name":"n","description":"old","input":{"properties":{"a":{"type":"string"},"b":{}}},
		"steps":[{"id":"a","task":"x"}]}`))
	require.NoError(t, err)
	changed, err := d.Patched([]byte(`{"description":null,"audio":"optional","input":{"properties":{"b":null,"c":{"d":1}},"required":["c"]}}`))
	require.NoError(t, err)
	require.Empty(t, changed.Description)
	require.Equal(t, "optional", changed.Audio)
	require.Equal(t, d.Steps, changed.Steps)
	require.JSONEq(t, `{"properties":{"a":{"type":"string"},"c":{"d":1}},"required":["c"]}`, string(changed.Input))
	require.NotEqual(t, d.Hash(), changed.Hash())
	require.Len(t, d.Hash(), 64)
	changed, err = d.Patched([]byte(`{"output":{"a":{"b":1}}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"a":{"b":1}}`, string(changed.Output))
	_, err = d.Patched([]byte(`{`))
	require.ErrorContains(t, err, "definition is not valid JSON")
	_, err = d.Patched([]byte(`[]`))
	require.ErrorContains(t, err, "definition")
	_, err = d.Patched([]byte(`{"x":1}`))
	require.ErrorContains(t, err, "x is not a field")
	broken := d
	broken.Output = json.RawMessage(`{`)
	require.Empty(t, broken.Hash())
	_, err = broken.Patched([]byte(`{}`))
	require.ErrorContains(t, err, "the pipeline could not be encoded")
}

// TestTheOrderOfSteps makes random graphs without cycles: each step follows those that it needs,
// and what depends on a step is what can be reached from it.
func TestTheOrderOfSteps(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 9))
	for range 50 {
		n := 1 + random.IntN(8)
		names := random.Perm(n)
		var steps []Step
		needs := make(map[string][]string)
		for _, i := range names {
			s := Step{ID: fmt.Sprint("s", i), Task: "x"}
			for j := range i {
				if random.IntN(3) == 0 {
					s.After = append(s.After, fmt.Sprint("s", j))
				}
			}
			needs[s.ID] = s.After
			steps = append(steps, s)
		}
		plan, err := Compile(Definition{Steps: steps})
		require.NoError(t, err)
		require.Len(t, plan.steps, n)
		for i, one := range plan.steps {
			for _, need := range one.After {
				at := slices.IndexFunc(plan.steps, func(n *node) bool { return n.ID == need })
				require.Less(t, at, i)
			}
		}
		reached := func(id string) map[string]bool {
			all := map[string]bool{id: true}
			for range n {
				for from, list := range needs {
					if slices.ContainsFunc(list, func(one string) bool { return all[one] }) {
						all[from] = true
					}
				}
			}
			return all
		}
		for _, one := range plan.steps {
			require.Equal(t, reached(one.ID), plan.downstream(one.ID))
		}
	}
	after := func(id string, needs ...string) Step { return Step{ID: id, Task: "x", After: needs} }
	_, err := Compile(Definition{Steps: []Step{after("z"), after("a", "z", "c"), after("b", "a", "z"), after("c", "b"), after("d", "c")}})
	require.EqualError(t, err, "steps.a depends on itself: a needs c needs b needs a")
	_, err = Compile(Definition{Steps: []Step{after("d", "c"), after("c", "c")}})
	require.EqualError(t, err, "steps.c depends on itself: c needs c")
}

func TestFaultsAreMerged(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	require.NoError(t, merge(nil, nil))
	require.ErrorIs(t, merge(nil, services.Invalidf("a", "x"), broken), broken)
	whole := services.Faultf(services.KindBusy, "busy")
	require.ErrorIs(t, merge(services.Invalidf("a", "x"), whole), whole)
	require.EqualError(t, merge(services.Invalidf("a", "x"), nil, services.Invalidf("b", "y")), "a x; b y")
	require.NoError(t, Refuse(nil))
	require.EqualError(t, Refuse([]Lack{{"a", "model does not exist"}, {"b", "task is unknown"}}),
		"steps.a.model does not exist; steps.b.task is unknown")
	require.ErrorIs(t, inInput(broken), broken)
	original := services.Invalidf("n", "is not a parameter of this task")
	require.EqualError(t, inInput(original), "input.n is not an input of this pipeline")
	require.Equal(t, "n", original.Fields[0].Field)
	require.EqualError(t, inInput(services.Invalidf("params", "must be an object")), "input must be an object")
	for path, want := range map[string]bool{"a": true, "a.b": true, "a[0]": true, "ab": false, "b": false, "": false} {
		require.Equal(t, want, isOpen(path, map[string]bool{"a": true}), path)
	}
	require.Equal(t, "b", join("", "b"))
	require.Equal(t, "a.b", join("a", "b"))
	_, err := (&Plan{}).Check(t.Context(), nil)
	require.NoError(t, err)
}
