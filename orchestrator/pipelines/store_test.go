package pipelines

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// named returns a definition.
func named(t *testing.T, raw string) Definition {
	t.Helper()
	d, err := Parse([]byte(raw))
	require.NoError(t, err)
	return d
}

func TestPipelinesAreStoredPerOwner(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	cfg := Config{MaxRuns: 1, Shipped: true}
	cfg.Definitions = `{"mine":{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}]}}`
	b := onStore(t, store, cfg)
	ctx, ann, bob := t.Context(), services.Caller{Key: "ann"}, services.Caller{Key: "bob/1"}
	one := named(t, `{"name":"one","steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}]}`)
	stored, existed, err := b.Create(ctx, ann, one)
	require.NoError(t, err)
	require.False(t, existed)
	require.Equal(t, 1, stored.Version)
	_, existed, err = b.Create(ctx, ann, one)
	require.NoError(t, err)
	require.True(t, existed)
	other := one
	other.Description = "other"
	_, _, err = b.Create(ctx, ann, other)
	require.ErrorIs(t, err, ErrExists)
	_, _, err = b.Create(ctx, bob, other)
	require.NoError(t, err, "names are those of the owner")
	other.Name = "mine"
	_, _, err = b.Create(ctx, ann, other)
	require.ErrorIs(t, err, ErrExists, "also those of the configuration")
	_, _, err = b.Create(ctx, ann, named(t, `{"steps":[{"id":"a","task":"generate"}]}`))
	require.ErrorContains(t, err, "name is missing")

	changed, err := b.Replace(ctx, ann, "one", func(d Definition) (Definition, error) { return d.Patched([]byte(`{"description":"new"}`)) })
	require.NoError(t, err)
	require.Equal(t, 2, changed.Version)
	require.Equal(t, "new", changed.Definition.Description)
	changed, err = b.Replace(ctx, ann, "one", func(d Definition) (Definition, error) { return d, nil })
	require.NoError(t, err)
	require.Equal(t, 2, changed.Version, "nothing has changed")
	_, err = b.Replace(ctx, ann, "one", func(d Definition) (Definition, error) { return d.Patched([]byte(`{"steps":[]}`)) })
	require.ErrorContains(t, err, "steps must have at least one step")
	_, err = b.Replace(ctx, ann, "mine", func(d Definition) (Definition, error) { return d, nil })
	require.ErrorIs(t, err, ErrFixed)

	again := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
	found, err := again.Get(ctx, ann, "one")
	require.NoError(t, err)
	require.Equal(t, changed.Definition.Hash(), found.Definition.Hash())
	require.Equal(t, 2, found.Version)
}

func TestListsHaveTheOwnPipelinesFirst(t *testing.T) {
	t.Parallel()
	cfg := Config{MaxRuns: 1, Shipped: true}
	cfg.Definitions = `{"mine":{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}]}}`
	b := onStore(t, recordstest.NewMemory(), cfg)
	ctx, ann, bob := t.Context(), services.Caller{Key: "ann"}, services.Caller{Key: "bob/1"}
	one := named(t, `{"name":"one","steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}]}`)
	for _, caller := range []services.Caller{ann, bob} {
		_, _, err := b.Create(ctx, caller, one)
		require.NoError(t, err)
	}
	var names []string
	for cursor := ""; ; {
		page, err := b.List(ctx, ann, 2, cursor)
		require.NoError(t, err)
		for _, p := range page.Data {
			names = append(names, p.Definition.Name)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, "one mine clean-and-transcribe describe-long-recording find-patterns generate-and-verify transcribe-and-index",
		strings.Join(names, " "))
	require.NoError(t, b.Delete(ctx, ann, "one"))
	_, err := b.Get(ctx, ann, "one")
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, err = b.Get(ctx, bob, "one")
	require.NoError(t, err)
	require.ErrorIs(t, b.Delete(ctx, ann, "find-patterns"), ErrFixed)
}

// What comes with the server says what the server lacks, and takes the way that is open.
func TestAShippedPipelineSaysWhatIsLacking(t *testing.T) {
	t.Parallel()
	b := onStore(t, recordstest.NewMemory(), Config{MaxRuns: 1, Shipped: true, Definitions: "{}"})
	for name, lacking := range map[string]string{
		"clean-and-transcribe": "", "describe-long-recording": "", "transcribe-and-index": "", "generate-and-verify": "",
		"find-patterns": "a task",
	} {
		p, err := b.Get(t.Context(), services.Caller{}, name)
		require.NoError(t, err, name)
		lacks := b.Lacks(t.Context(), p.Definition)
		if lacking == "" {
			require.Empty(t, lacks, name)
			continue
		}
		require.Equal(t, []Lack{{Step: "find", Problem: `task "detect" does not exist on this server`}}, lacks)
		_, err = b.Prepare(t.Context(), services.Task{Job: "j", Params: []byte(`{"pipeline":"` + name + `"}`), Audio: b.recording(t, "x")})
		require.ErrorContains(t, err, "steps.find.task")
	}
	verify, err := b.Get(t.Context(), services.Caller{}, "generate-and-verify")
	require.NoError(t, err)
	require.Equal(t, "caption", verify.Definition.Steps[1].Task, "no encoder is here")
}

func TestTheConfigurationNamesItsFaults(t *testing.T) {
	t.Parallel()
	_, err := Definitions(`{"a":{"steps":[{"id":"x","task":""}]},"b":{"name":"c","steps":[{"id":"x","task":"generate"}]}}`).Parse()
	require.ErrorContains(t, err, "definitions.a.steps.x.task: is missing")
	require.ErrorContains(t, err, "definitions.b.name: must be b")
	require.Len(t, Config{Definitions: "["}.Validate(), 2)
}

// A run has the definition that stood when it was submitted.
func TestARunPinsItsDefinition(t *testing.T) {
	t.Parallel()
	b := setup(t)
	caller := services.Caller{All: true}
	_, _, err := b.Create(t.Context(), caller, named(t, `{"name":"one","steps":[{"id":"a","task":"generate","params":{"prompt":"old"}}],
		"output":"${steps.a.result.seed}"}`))
	require.NoError(t, err)
	task := services.Task{ID: "job-1", Job: "job-1", Params: []byte(`{"pipeline":"one"}`), Caller: caller}
	task.Params, err = b.Pin(t.Context(), task)
	require.NoError(t, err)
	_, err = b.Replace(t.Context(), caller, "one", func(d Definition) (Definition, error) {
		return d.Patched([]byte(`{"steps":[{"id":"a","task":"generate","params":{"prompt":"a newer one"}}]}`))
	})
	require.NoError(t, err)
	output, _, err := b.start(t.Context(), task)
	require.NoError(t, err)
	require.EqualValues(t, len("old"), output)
	params, err := ParseParams(task.Params)
	require.NoError(t, err)
	require.Equal(t, 1, params.Version)
	require.Len(t, params.Hash, 64)
}

func TestDrawings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	d := named(t, branches)
	text, err := b.Draw(d, nil, FormatMermaid)
	require.NoError(t, err)
	require.Contains(t, text, "flowchart LR\n  s_look[\"look<br/>analyze\"]\n")
	require.Contains(t, text, `s_parts[["parts<br/>caption, for each"]]`)
	require.Contains(t, text, `s_unused{{"unused<br/>generate, if"}}`)
	require.Contains(t, text, "  s_look --> s_parts\n")
	text, err = b.Draw(d, []services.StepProgress{
		{ID: "look", Status: StepSucceeded}, {ID: "parts", Status: StepRunning, Done: 1, Total: 3, Progress: 0.4},
		{ID: "make", Status: StepFailed, Error: `<no>`},
	}, FormatMermaid)
	require.NoError(t, err)
	require.Contains(t, text, "caption, 1 of 3")
	require.Contains(t, text, "class s_look succeeded")
	text, err = b.Draw(d, []services.StepProgress{{ID: "make", Status: StepFailed, Error: `<no>`}}, FormatSVG)
	require.NoError(t, err)
	require.Contains(t, text, "<title>&lt;no&gt;</title>")
	require.True(t, strings.HasPrefix(text, "<svg ") && strings.HasSuffix(text, "</svg>\n"))
	_, err = b.Draw(d, nil, "png")
	require.ErrorContains(t, err, "format must be json, mermaid or svg")
}
