package pipelines

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

const branches = `{"audio":"required","input":{"properties":{"word":{"type":"string","default":"rain"}}},"steps":[
	{"id":"look","task":"analyze","audio":"${input.audio}"},
	{"id":"parts","task":"caption","foreach":"${windows(steps.look.result.source.duration, 10)}","parallel":2,
	 "audio":{"audio_id":"${input.audio}","start":"${item.start}","end":"${item.end}"}},
	{"id":"make","task":"generate","params":{"prompt":"${input.word}"}},
	{"id":"judge","task":"ask","audio":"${steps.make.audio}","params":{"question":"is it ${input.word}?"}},
	{"id":"unused","task":"generate","if":"${input.word == 'snow'}","params":{"prompt":"x"}},
	{"id":"after","task":"caption","audio":"${steps.unused.audio}"},
	{"id":"aware","task":"caption","audio":"${steps.unused.status == 'skipped' ? input.audio : steps.unused.audio}"}],
	"output":{"parts":"${steps.parts.result.map(p, p.text)}","sound":"${steps.make.audio}","said":"it is ${steps.judge.result.text}",
	 "unused":"${steps.unused.result}","aware":"${steps.aware.result.text}","status":"${steps.after.status}"}}`

func TestARunFollowsItsGraph(t *testing.T) {
	t.Parallel()
	b := setup(t)
	audio := b.recording(t, "wind")
	output, w, err := b.start(t.Context(), job("job-1", branches, `{}`, audio))
	require.NoError(t, err)
	made := output.(map[string]any)
	sound, _ := made["sound"].(string)
	delete(made, "sound")
	part := func(from string) any { return `a edited wind{"bit_depth":"float","operations":[{` + from + `}]}` }
	require.Equal(t, map[string]any{
		"parts": []any{part(`"end":10,"op":"trim","start":0`), part(`"end":20,"op":"trim","start":10`), part(`"end":25,"op":"trim","start":20`)},
		"said":  "it is a rain", "unused": nil, "aware": "a wind", "status": "skipped",
	}, made)
	_, err = b.lib.Source(t.Context(), sound)
	require.NoError(t, err, "the sound is stored")
	require.Equal(t, map[string]string{
		"look": "succeeded", "parts": "succeeded", "make": "succeeded", "judge": "succeeded", "unused": "skipped", "after": "skipped",
		"aware": "succeeded",
	}, w.statuses())
	require.InDelta(t, 1, w.last, 1e-9)
	states := w.states()
	require.Equal(t, 3, states[1].Done)
	require.Equal(t, 3, states[1].Total)
	outcomes, err := b.Outcomes(t.Context(), "job-1")
	require.NoError(t, err)
	require.Len(t, outcomes, 7)
	require.Empty(t, b.running)
}

// A run that is repeated runs nothing again of what is recorded, also in another process.
func TestARecordedStepDoesNotRunAgain(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	first := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
	audio := first.recording(t, "wind")
	ctx, kill := context.WithCancel(t.Context())
	first.world.run = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		if strings.Contains(task.ID, "/judge/") || strings.Contains(task.ID, "/parts/2/") {
			kill()
			<-ctx.Done()
			return services.TaskResult{}, ctx.Err()
		}
		return first.echo(ctx, task, sink)
	}
	_, _, err := first.start(ctx, job("job-1", branches, `{}`, audio))
	require.ErrorIs(t, err, context.Canceled)
	done, err := first.Outcomes(t.Context(), "job-1")
	require.NoError(t, err)
	require.NotEmpty(t, done)

	second := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
	source, err := second.lib.Source(t.Context(), audio.(idOf).ID())
	require.NoError(t, err)
	output, _, err := second.start(t.Context(), job("job-1", branches, `{}`, source))
	require.NoError(t, err)
	undisturbed, _, err := setup(t).start(t.Context(), job("job-2", branches, `{}`, setup(t).recording(t, "wind")))
	require.NoError(t, err)
	require.Equal(t, undisturbed, output)
	for _, o := range done {
		require.Zero(t, second.times(o.Run+"/"+o.Step+"/"+"0"), o.Step)
	}
	require.Equal(t, 1, second.times("job-1/judge/0"))
}

func TestWhatAFailureMeans(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct {
		statuses map[string]string
		output   any
		err      string
	}{
		OnErrorFail:     {map[string]string{"a": "failed", "b": "waiting", "c": "waiting"}, nil, "step a: it broke"},
		OnErrorSkip:     {map[string]string{"a": "skipped", "b": "skipped", "c": "succeeded"}, "skipped", ""},
		OnErrorContinue: {map[string]string{"a": "failed", "b": "succeeded", "c": "succeeded"}, "failed", ""},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.world.run = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
				if strings.Contains(task.ID, "/a/") {
					b.count(task)
					return services.TaskResult{}, services.Faultf(services.KindUnsupported, "it broke")
				}
				return b.echo(ctx, task, sink)
			}
			definition := `{"audio":"required","steps":[{"id":"a","task":"caption","audio":"${input.audio}","on_error":"` + how + `"},
				{"id":"b","task":"caption","audio":"${input.audio}","after":["a"]},
				{"id":"c","task":"caption","audio":"${input.audio}","if":"${steps.a.status != ''}"}],"output":"${steps.a.status}"}`
			task := job("job-1", definition, `{}`, b.recording(t, "x"))
			output, w, err := b.start(t.Context(), task)
			require.Equal(t, want.statuses, w.statuses())
			require.Equal(t, want.output, output)
			if want.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want.err)
			var fault *services.Fault
			require.ErrorAs(t, err, &fault)
			require.True(t, fault.Final)
			require.Equal(t, services.KindUnsupported, fault.Kind)
			// The failure is on record: it fails again without running, until it is restarted.
			_, _, err = b.start(t.Context(), task)
			require.ErrorContains(t, err, want.err)
			require.Equal(t, 1, b.times("job-1/a/0"))
			b.world.run = b.echo
			require.NoError(t, b.Restart(t.Context(), task, ""))
			_, _, err = b.start(t.Context(), task)
			require.NoError(t, err)
		})
	}
}

func TestItemsThatFail(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]any{
		OnErrorSkip: []any{"a 0", "a 2"}, OnErrorContinue: []any{"a 0", nil, "a 2"},
	} {
		b := setup(t)
		b.world.run = func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
			b.count(task)
			if strings.Contains(task.ID, "/a/1/") {
				return services.TaskResult{}, services.Faultf(services.KindTooLarge, "too much")
			}
			return services.TaskResult{Value: map[string]any{"text": "a " + strings.Split(task.ID, "/")[2]}}, nil
		}
		output, _, err := b.start(t.Context(), job("job-1", `{"steps":[{"id":"a","task":"generate","foreach":"${range(3)}","on_error":"`+how+`",
			"params":{"prompt":"x"}}],"output":"${steps.a.result.map(r, r == null ? null : dyn(r)['text'])}"}`, ``, nil))
		require.NoError(t, err)
		require.Equal(t, want, output, how)
	}
}

func TestAFaultOfTheServiceIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		began := time.Now()
		kinds := []services.Kind{services.KindBusy, services.KindInternal, services.KindUnavailable, services.KindTimeout}
		b.world.run = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
			if len(kinds) > 0 {
				kind := kinds[0]
				kinds = kinds[1:]
				return services.TaskResult{}, &services.Fault{Kind: kind, Message: "no", RetryAfter: 7 * time.Second}
			}
			return b.echo(ctx, task, sink)
		}
		definition := `{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"},"retry":{"attempts":3,"delay":"2s"}}]}`
		_, _, err := b.start(t.Context(), job("job-1", definition, ``, nil))
		require.NoError(t, err)
		require.Equal(t, 7*time.Second+2*time.Second+7*time.Second+4*time.Second, time.Since(began))
		outcomes, err := b.Outcomes(t.Context(), "job-1")
		require.NoError(t, err)
		require.Equal(t, 3, outcomes[0].Attempts, "refusals do not count")

		kinds = slices.Repeat([]services.Kind{services.KindInternal}, 5)
		_, _, err = b.start(t.Context(), job("job-2", definition, ``, nil))
		require.Equal(t, services.KindInternal, services.KindOf(err))
		require.Len(t, kinds, 2)
	})
}

func TestAStepHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.world.run = func(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
			b.count(task)
			<-ctx.Done()
			return services.TaskResult{}, ctx.Err()
		}
		_, _, err := b.start(t.Context(), job("job-1",
			`{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"},"timeout":"5s","retry":{"attempts":2}}]}`, ``, nil))
		require.Equal(t, services.KindTimeout, services.KindOf(err))
		require.Equal(t, 2, b.times("job-1/a/0"))
	})
}

// Items run at most as many at once as the step says, and branches beside each other.
func TestItemsRunSideBySide(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	running, most := 0, 0
	full := make(chan struct{})
	open := sync.OnceFunc(func() { close(full) })
	b.world.run = func(_ context.Context, _ services.Task, _ services.Sink) (services.TaskResult, error) {
		mu.Lock()
		running++
		if most = max(most, running); running == 3 {
			open()
		}
		mu.Unlock()
		<-full
		mu.Lock()
		defer mu.Unlock()
		running--
		return services.TaskResult{Value: map[string]any{}}, nil
	}
	_, _, err := b.start(t.Context(), job("job-1",
		`{"steps":[{"id":"a","task":"generate","foreach":"${range(20)}","parallel":3,"params":{"prompt":"x"}}]}`, ``, nil))
	require.NoError(t, err)
	require.Equal(t, 3, most)
}

// A store that fails for a moment does not end a run; one that stays away has it tried again.
func TestARunOutlivesTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		failures := 3
		store.Before = func(operation, key string) error {
			if strings.HasPrefix(key, "step.") && failures > 0 {
				failures--
				return &services.Fault{Kind: services.KindUnavailable, Message: "away", Err: errors.New(operation)}
			}
			return nil
		}
		b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
		_, _, err := b.start(t.Context(), job("job-1", `{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}]}`, ``, nil))
		require.NoError(t, err)
		require.Equal(t, 1, b.times("job-1/a/0"))
		require.Zero(t, failures)
	})
}

// A large result is stored beside the record, and goes with the job.
func TestWhatARunMadeGoesWithItsJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	large := strings.Repeat("x", inlineResult)
	b.world.run = func(_ context.Context, _ services.Task, _ services.Sink) (services.TaskResult, error) {
		return services.TaskResult{Value: map[string]any{"text": large}, Audio: b.sound("y")}, nil
	}
	output, _, err := b.start(t.Context(), job("job-1", `{"steps":[{"id":"a","task":"generate","params":{"prompt":"x"}}],
		"output":"${dyn(steps.a.result)['text']}"}`, ``, nil))
	require.NoError(t, err)
	require.Equal(t, large, output)
	names, err := b.Database.Store().Objects(t.Context())
	require.NoError(t, err)
	require.Len(t, names, 2)
	var needed []string
	b.needs(func(_, id, by string) { needed = append(needed, id+by) })
	require.Len(t, needed, 1)

	b.gone["job-1"] = true
	b.sweep(t.Context(), true)
	require.Len(t, b.of("job-1"), 1, "its job may be new")
	for _, o := range b.of("job-1") {
		require.NoError(t, b.forget(t.Context(), o.Run, func(Outcome) bool { return true }))
	}
	require.Empty(t, b.of("job-1"))
	needed = nil
	b.needs(func(_, id, by string) { needed = append(needed, id+by) })
	require.Empty(t, needed)
	names, err = b.Database.Store().Objects(t.Context())
	require.NoError(t, err)
	require.Len(t, names, 1, "the sound expires by itself: %v", names)
}

func TestARestartFromAStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	task := job("job-1", branches, `{}`, b.recording(t, "wind"))
	_, _, err := b.start(t.Context(), task)
	require.NoError(t, err)
	require.ErrorContains(t, b.Restart(t.Context(), task, "x"), "from_step names no step of the pipeline")
	require.NoError(t, b.Restart(t.Context(), task, "make"))
	_, _, err = b.start(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, 2, b.times("job-1/make/0"))
	require.Equal(t, 2, b.times("job-1/judge/0"))
	require.Equal(t, 1, b.times("job-1/look/0"))
	require.Equal(t, 1, b.times("job-1/parts/2"))
}
