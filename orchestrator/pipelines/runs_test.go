package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// asked remembers the tasks that a bench has run.
type asked struct {
	mu    sync.Mutex
	tasks []services.Task
}

func (b *bench) remember() *asked {
	a, before := &asked{}, b.world.run
	b.world.run = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		a.mu.Lock()
		a.tasks = append(a.tasks, task)
		a.mu.Unlock()
		return before(ctx, task, sink)
	}
	return a
}

// TestWhatATaskIsGiven has steps whose expressions make a task, or cannot.
func TestWhatATaskIsGiven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ step, params, model, fault string }{
		{`"params":{"prompt":"x"}`, `{"prompt":"x"}`, "", ""},
		{`"params":{"prompt":"${input.word}"}`, `{"prompt":"rain"}`, "", ""},
		{`"params":{"prompt":"a ${input.word} ${1} ${[1]}"}`, `{"prompt":"a rain 1 [1]"}`, "", ""},
		{`"params":{"prompt":"$${input.word}"}`, `{"prompt":"${input.word}"}`, "", ""},
		{`"params":{"prompt":"x","seed":"${input.n}"}`, `{"prompt":"x"}`, "", ""},
		{`"params":{"prompt":"x"},"model":"m"`, `{"prompt":"x"}`, "m", ""},
		{`"params":{"prompt":"x"},"model":"${'' + 'm'}"`, `{"prompt":"x"}`, "m", ""},
		{`"params":{"prompt":"x"},"model":"${null}"`, `{"prompt":"x"}`, "", ""},
		{`"params":{"prompt":"x"},"model":"${1}"`, "", "", "step a: model: must be a string, got 1"},
		{`"params":{"prompt":"x"},"model":"${string(1 / 0)}"`, "", "", "step a: model: ${string(1 / 0)}: division by zero"},
		{`"params":{"prompt":"${string(1 / 0)}"}`, "", "", "step a: params: ${string(1 / 0)}: division by zero"},
		{`"params":{"prompt":"a ${1 / 0}"}`, "", "", "step a: params: ${1 / 0}: division by zero"},
		{`"params":{"prompt":"x","seed":"${1 / input.zero}"}`, "", "", "step a: params: ${1 / input.zero}: division by zero"},
		{`"params":{"prompt":"x"},"if":"${1 / 0 == 1}"`, "", "", "step a: if: ${1 / 0 == 1}: division by zero"},
		{`"params":{"prompt":"x"},"foreach":"${[1 / 0]}"`, "", "", "step a: foreach: ${[1 / 0]}: division by zero"},
		{`"params":{"prompt":"x"},"foreach":"${dyn(3)}"`, "", "", "step a: foreach must be a list of at most 1000 items"},
		{`"params":{"prompt":"x"},"audio":"${string(1 / 0)}"`, "", "", "step a: audio: ${string(1 / 0)}: division by zero"},
		{`"params":{"prompt":"x"},"audio":"${dyn(3)}"`, "", "", "step a: audio: must be the id of a recording, got 3"},
		{`"params":{"prompt":"x"},"audio":"` + strings.Repeat("0a", 32) + `"`, "", "", "step a: recording"},
		{`"params":{"prompt":"x"},"if":"${dyn(null)}"`, "skipped", "", ""},
		{`"params":{"prompt":"x"},"if":"${false}"`, "skipped", "", ""},
		{`"params":{"prompt":"x"},"foreach":"${dyn(null)}"`, "none", "", ""},
		{`"params":{"prompt":"x"},"foreach":"${range(0)}"`, "none", "", ""},
	} {
		b := setup(t)
		a := b.remember()
		definition := `{"input":{"properties":{"word":{"type":"string","default":"rain"},"n":{"type":"integer"},
			"zero":{"type":"integer","default":0}}},
			"steps":[{"id":"a","task":"generate",` + c.step + `}],"output":"${steps.a.status}"}`
		output, _, err := b.start(t.Context(), job("job-1", definition, ``, nil))
		if c.fault != "" {
			require.ErrorContains(t, err, c.fault)
			require.Empty(t, a.tasks)
			continue
		}
		require.NoError(t, err, c.step)
		switch c.params {
		case "skipped":
			require.Equal(t, "skipped", output)
		case "none":
			require.Equal(t, "succeeded", output)
		}
		if c.params == "skipped" || c.params == "none" {
			require.Empty(t, a.tasks)
			continue
		}
		require.Len(t, a.tasks, 1)
		require.JSONEq(t, c.params, string(a.tasks[0].Params))
		require.Equal(t, c.model, a.tasks[0].Model)
		require.Equal(t, "job-1/a/0/1", a.tasks[0].ID)
		require.Equal(t, "job-1", a.tasks[0].Job)
	}
}

// TestAPartOfARecording is cut by a task, which can fail.
func TestAPartOfARecording(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ span, want, fault string }{
		{`,"start":1.5`, `{"bit_depth":"float","operations":[{"op":"trim","start":1.5}]}`, ""},
		{`,"end":"${2}"`, `{"bit_depth":"float","operations":[{"end":2,"op":"trim"}]}`, ""},
		{`,"start":"${0.5}","end":3`, `{"bit_depth":"float","operations":[{"end":3,"op":"trim","start":0.5}]}`, ""},
		{`,"start":"${null}"`, "", ""},
		{`,"start":"x"`, "", ""},
		{`,"start":1`, "", "it cannot be cut"},
		{`,"start":1`, "", "a part of the recording could not be cut"},
	} {
		b := setup(t)
		if c.fault != "" {
			b.world.run = func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
				if strings.HasPrefix(c.fault, "it") {
					return services.TaskResult{}, services.Faultf(services.KindUnsupported, "%s", c.fault)
				}
				return services.TaskResult{}, nil
			}
		}
		a := b.remember()
		definition := `{"audio":"required","steps":[{"id":"a","task":"caption","retry":{"attempts":1},
			"audio":{"audio_id":"${input.audio}"` + c.span + `}}]}`
		source := b.recording(t, "wind")
		task := job("job-1", definition, ``, source)
		task.Priority, task.Deadline = services.PriorityHigh, time.Now().Add(time.Hour)
		_, _, err := b.start(t.Context(), task)
		if c.fault != "" {
			require.ErrorContains(t, err, "step a: "+c.fault)
			continue
		}
		require.NoError(t, err)
		last := a.tasks[len(a.tasks)-1]
		for _, one := range a.tasks {
			require.Equal(t, task.Priority, one.Priority)
			require.Equal(t, task.Deadline, one.Deadline)
			require.Equal(t, task.Caller, one.Caller)
		}
		if c.want == "" {
			require.Len(t, a.tasks, 1)
			require.Same(t, source, last.Audio)
			continue
		}
		require.Len(t, a.tasks, 2)
		require.Equal(t, tasks.Edit, a.tasks[0].Name)
		require.Equal(t, "job-1/a/0/1/cut", a.tasks[0].ID)
		require.JSONEq(t, c.want, string(a.tasks[0].Params))
		cut, ok := last.Audio.(*services.Artifact)
		require.True(t, ok)
		require.NoFileExists(t, cut.Path, "it is removed after its use")
	}
}

// TestHowLongARefusalIsWaitedFor: as long as it says, a minute at most, or ever longer.
func TestHowLongARefusalIsWaitedFor(t *testing.T) {
	t.Parallel()
	const definition = `{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"},"retry":{"attempts":2,"delay":"40s"}}]}`
	busy := func(after time.Duration) error {
		return &services.Fault{Kind: services.KindBusy, Message: "full up", RetryAfter: after}
	}
	broken := services.Faultf(services.KindInternal, "broken")
	for name, c := range map[string]struct {
		faults []error
		waits  []time.Duration
	}{
		"as it says":          {[]error{busy(3 * time.Second), busy(time.Minute)}, []time.Duration{3 * time.Second, time.Minute}},
		"a minute at most":    {[]error{busy(time.Hour)}, []time.Duration{time.Minute}},
		"ever longer":         {slices.Repeat([]error{busy(0)}, 7), []time.Duration{50, 100, 200, 400, 800, 1000, 1000}},
		"a failure":           {[]error{broken}, []time.Duration{40 * time.Second}},
		"one after another":   {[]error{busy(0), broken, busy(0)}, []time.Duration{50, 40 * time.Second, 100}},
		"nothing to wait for": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				var at []time.Time
				faults := slices.Clone(c.faults)
				b.world.run = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
					at = append(at, time.Now())
					if len(faults) > 0 {
						err := faults[0]
						faults = faults[1:]
						return services.TaskResult{}, err
					}
					return b.echo(ctx, task, sink)
				}
				_, _, err := b.start(t.Context(), job("job-1", definition, ``, nil))
				require.NoError(t, err)
				require.Len(t, at, len(c.waits)+1)
				for i, wait := range c.waits {
					if wait <= 1000 { // milliseconds
						wait *= time.Millisecond
					}
					require.Equal(t, wait, at[i+1].Sub(at[i]))
				}
			})
		})
	}
}

// stepwise is a task that the test ends, with a warning.
func (b *bench) stepwise(next <-chan error) func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
	return func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		sink.Progress(0.25, "part")
		sink.Partial(nil)
		select {
		case err := <-next:
			if err != nil {
				return services.TaskResult{}, err
			}
		case <-ctx.Done():
			return services.TaskResult{}, ctx.Err()
		}
		result, err := b.echo(ctx, task, services.DiscardSink{})
		result.Warnings = []services.Warning{{Code: services.WarnTruncated, Message: task.ID}}
		return result, err
	}
}

// TestTheProgressOfARun says which steps run and which wait, and why.
func TestTheProgressOfARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		next := make(chan error)
		b.world.run = b.stepwise(next)
		task := job("job-1", `{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"}},
			{"id":"b","task":"generate","foreach":"${range(4)}","parallel":2,"after":["a"],"params":{"prompt":"x"}}]}`, ``, nil)
		prepared, err := b.Prepare(t.Context(), task)
		require.NoError(t, err)
		w := &watch{}
		ended := make(chan error)
		var result services.TaskResult
		go func() {
			ctx := services.WithSteps(t.Context(), func(states func() []services.StepProgress) { w.states = states })
			var err error
			result, err = prepared.Run(ctx, w)
			ended <- err
		}()
		expect := func(fraction float64, stage string) {
			t.Helper()
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			require.InDelta(t, fraction, w.last, 1e-9)
			require.Equal(t, stage, w.stage)
		}
		expect(0.125, "a")
		began := time.Now().UTC()
		require.True(t, b.isRunning("job-1"))
		next <- &services.Fault{Kind: services.KindBusy, Message: "full up", RetryAfter: time.Second}
		expect(0.125, "a waits: full up")
		time.Sleep(time.Second)
		expect(0.125, "a")
		next <- nil
		expect(0.5+0.5*0.5/4, "b 0/4")
		states := w.states()
		require.Equal(t, services.StepProgress{
			ID: "a", Status: StepSucceeded, Progress: 1, Started: began, Ended: began.Add(time.Second),
		}, states[0])
		require.Equal(t, services.StepProgress{
			ID: "b", Status: StepRunning, Progress: 0.125, Started: began.Add(time.Second), Total: 4,
		}, states[1])
		next <- nil
		expect(0.5+0.5*1.5/4, "b 1/4")
		next <- nil
		next <- nil
		expect(0.5+0.5*3.25/4, "b 3/4")
		next <- nil
		require.NoError(t, <-ended)
		require.False(t, b.isRunning("job-1"))
		require.Equal(t, []services.Warning{{Code: services.WarnTruncated, Message: "job-1/a/0/1"}}, result.Warnings, "once")
	})
}

// TestAnItemThatFailsStopsTheOthers that have not begun.
func TestAnItemThatFailsStopsTheOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world.run = func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		b.count(task)
		if strings.Contains(task.ID, "/a/1/") {
			return services.TaskResult{}, services.Faultf(services.KindTooLarge, "too much")
		}
		return services.TaskResult{}, nil
	}
	_, w, err := b.start(t.Context(), job("job-1",
		`{"steps":[{"id":"a","task":"generate","foreach":"${range(9)}","parallel":1,"params":{"prompt":"x"}}]}`, ``, nil))
	require.EqualError(t, err, "step a: item 1: too much: item 1: too much")
	require.Equal(t, services.KindTooLarge, services.KindOf(err))
	require.Zero(t, b.times("job-1/a/2"))
	require.Equal(t, StepFailed, w.states()[0].Status)
}

func TestTheStateOfTheService(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.False(t, b.Initialized())
	require.NoError(t, b.Initialize(t.Context()))
	require.True(t, b.Initialized())
	require.NoError(t, b.Shutdown(t.Context()))
	require.False(t, b.Initialized())
	d := b.Describe()
	require.Equal(t, ServiceName, d.Name)
	require.Len(t, d.Tasks, 1)
	require.Equal(t, TaskRun, d.Tasks[0].Name)
	require.True(t, json.Valid(d.Tasks[0].ParamsSchema))
	require.Empty(t, b.Status().LastError)
	require.Zero(t, b.Status().LastSuccess)
	_, _, err := b.start(t.Context(), job("job-1", `{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}]}`, ``, nil))
	require.NoError(t, err)
	require.NotZero(t, b.Status().LastSuccess)
	require.EqualValues(t, 1, b.Metrics().Tasks[services.OutcomeSuccess])

	for i := range mostPlans + 1 {
		_, err := b.plan(Definition{Description: fmt.Sprint(i), Steps: []Step{{ID: "a", Task: "x"}}})
		require.NoError(t, err)
	}
	require.Less(t, len(b.plans), mostPlans)
	one, err := b.plan(Definition{Description: "128", Steps: []Step{{ID: "a", Task: "x"}}})
	require.NoError(t, err)
	again, err := b.plan(Definition{Description: "128", Steps: []Step{{ID: "a", Task: "x"}}})
	require.NoError(t, err)
	require.Same(t, one, again)
	_, err = b.plan(Definition{})
	require.Error(t, err)
	for _, c := range []struct {
		task  services.Task
		fault string
	}{
		{services.Task{Job: "j", Params: []byte(`{}`)}, "pipeline is missing; name a pipeline, or send a definition"},
		{services.Task{Job: "j"}, "pipeline is missing"},
		{services.Task{Job: "j", Params: []byte(`[`)}, "params cannot be read"},
		{services.Task{Job: "j", Params: []byte(`{"pipeline":"x"}`)}, `pipeline does not exist, got "x"`},
		{services.Task{Job: "j", Params: []byte(`{"definition":{"steps":[]}}`)}, "steps must have at least one step"},
		{services.Task{Job: "j", Params: []byte(`{"definition":{"x":1}}`)}, "x is not a field"},
		{services.Task{Params: []byte(`{"definition":{"steps":[{"id":"a","task":"generate"}]}}`)}, "a pipeline runs as a job"},
		{job("j", `{"steps":[{"id":"a","task":"generate"}]}`, `{"x":1}`, nil), "input.x is not an input"},
		{job("j", `{"audio":"required","steps":[{"id":"a","task":"generate"}]}`, ``, nil), "file is missing"},
		{job("j", `{"steps":[{"id":"a","task":"generate"}]}`, ``, &library.Source{}), "file is not used by this pipeline"},
		{job("j", `{"steps":[{"id":"a","task":"nothing"}]}`, ``, nil), "steps.a.task \"nothing\" does not exist"},
	} {
		_, err := b.Prepare(t.Context(), c.task)
		require.ErrorContains(t, err, c.fault)
		require.Equal(t, services.KindInvalid, services.KindOf(err), c.fault)
	}
	require.Error(t, b.Restart(t.Context(), services.Task{Job: "j"}, ""))
	id := strings.Repeat("0a", 32)
	input := map[string]any{"a": []any{id, id, 1}, "b": id[1:] + "0", "c": id[1:] + "G"}
	require.ElementsMatch(t, []string{id, id[1:] + "0"}, recordings(input))
}
