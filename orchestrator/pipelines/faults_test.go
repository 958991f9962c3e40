package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// together is a store that other processes use too.
type together struct{ records.Store }

func (together) Exclusive() bool { return false }

const faultyPipeline = `{"audio":"required","steps":[
	{"id":"make","task":"generate","params":{"prompt":"rain"}},
	{"id":"long","task":"ask","audio":"${steps.make.audio}","params":{"question":"?"}},
	{"id":"parts","task":"caption","foreach":"${[1, 2]}","audio":{"audio_id":"${input.audio}","start":0,"end":"${item}"}}],
	"output":{"said":"${steps.long.result.text}","parts":"${steps.parts.result.map(p, p.text)}"}}`

// long answers a question with a text that is stored beside its record.
func (b *bench) long(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	result, err := b.echo(ctx, task, sink)
	if err == nil && task.Name == tasks.Ask {
		result.Value = &tasks.Answer{Text: strings.Repeat("x", inlineResult)}
	}
	return result, err
}

// TestEachCallOfTheStoreCanFailUnderARun has each call fail once, in a store of its own and in
// one with others. The run ends as it does without the fault, or with a fault after which it can
// be repeated, and then runs nothing again that was recorded.
func TestEachCallOfTheStoreCanFailUnderARun(t *testing.T) { t.Parallel(); failEachCall(t, false) }

func TestEachCallOfASharedStoreCanFailUnderARun(t *testing.T) { t.Parallel(); failEachCall(t, true) }

func failEachCall(t *testing.T, shared bool) {
	t.Helper()
	recordstest.Faults(t, func(t *testing.T, faulty *recordstest.Faulty, nth int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var store records.Store = faulty
			if shared {
				store = together{faulty}
			}
			b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
			b.world.run = b.long
			task := job("job-1", faultyPipeline, ``, b.recording(t, "wind"))
			synctest.Wait()
			fault := faulty.Arm(nth)
			output, _, err := b.start(t.Context(), task)
			faulty.Disarm()
			before := make(map[string]int)
			if err != nil {
				require.ErrorIs(t, err, fault)
				require.Equal(t, services.KindUnavailable, services.KindOf(err), "it is tried again")
				outcomes, err := b.Outcomes(t.Context(), "job-1")
				require.NoError(t, err)
				for _, o := range outcomes {
					require.Equal(t, StepSucceeded, o.Status)
					before[fmt.Sprint(o.Run, "/", o.Step, "/", indexOf(&o))] = b.times(fmt.Sprint(o.Run, "/", o.Step, "/", indexOf(&o)))
				}
				output, _, err = b.start(t.Context(), task)
				require.NoError(t, err)
			}
			for key, times := range before {
				require.Equal(t, times, b.times(key), key)
			}
			cut := func(end string) string {
				return `a edited wind{"bit_depth":"float","operations":[{"end":` + end + `,"op":"trim","start":0}]}`
			}
			require.Equal(t, map[string]any{"said": strings.Repeat("x", inlineResult), "parts": []any{cut("1"), cut("2")}}, output)
			outcomes, err := b.Outcomes(t.Context(), "job-1")
			require.NoError(t, err)
			require.Len(t, outcomes, 4)
			b.sweep(t.Context(), true)
			names, err := faulty.Objects(t.Context())
			require.NoError(t, err)
			results := slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, objectPrefix) })
			require.Len(t, results, 1, "one result is long")
			require.Empty(t, b.running)
		})
	})
}

// requests are the operations of a service with the pipeline one of ann, and a run of it.
var requests = map[string]func(b *bench) error{
	"get": func(b *bench) error { _, err := b.Get(context.Background(), ann, "one"); return err },
	"create": func(b *bench) error {
		d := simple("two")
		p, _, err := b.Create(context.Background(), ann, d)
		if err == nil && p.Definition.Name != "two" {
			panic("it is another one")
		}
		return err
	},
	"replace": func(b *bench) error {
		p, err := b.Replace(context.Background(), ann, "one", func(d Definition) (Definition, error) {
			d.Description = "new"
			return d, nil
		})
		if err == nil && (p.Version != 2 || p.Definition.Description != "new") {
			panic("it has not changed")
		}
		return err
	},
	"delete": func(b *bench) error { return b.Delete(context.Background(), ann, "one") },
	"pin": func(b *bench) error {
		raw, err := b.Pin(context.Background(), services.Task{Params: []byte(`{"pipeline":"one"}`), Caller: ann})
		if err == nil && !strings.Contains(string(raw), `"hash":"`) {
			panic("it is not pinned")
		}
		return err
	},
	"prepare": func(b *bench) error {
		_, err := b.Prepare(context.Background(), services.Task{Job: "j", Params: []byte(`{"pipeline":"one"}`), Caller: ann})
		return err
	},
	"outcomes": func(b *bench) error {
		list, err := b.Outcomes(context.Background(), "job-1")
		if err == nil && (len(list) != 1 || len(list[0].Result) < inlineResult) {
			panic("they are not whole")
		}
		return err
	},
	"restart": func(b *bench) error {
		err := b.Restart(context.Background(), services.Task{Job: "job-1", Params: []byte(`{"pipeline":"one"}`), Caller: ann}, "a")
		if err == nil && len(b.of("job-1")) > 0 {
			panic("it is remembered")
		}
		return err
	},
	"orphans": func(b *bench) error { return b.removeOrphans(context.Background()) },
}

var ann = services.Caller{Key: "ann"}

// simple returns a definition with one step.
func simple(name string) Definition {
	return Definition{Name: name, Steps: []Step{{ID: "a", Task: tasks.Generate, Params: json.RawMessage(`{"prompt":"x"}`)}}}
}

// TestEachCallOfARequestCanFail has each call of the store fail once. The request returns the
// fault, and succeeds when it is repeated; an object that cannot be deleted is left to a sweep.
func TestEachCallOfARequestCanFail(t *testing.T) {
	t.Parallel()
	for name, do := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
				t.Helper()
				synctest.Test(t, func(t *testing.T) {
					b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
					synctest.Wait() // the first sweep is over
					_, _, err := b.Create(t.Context(), ann, simple("one"))
					require.NoError(t, err)
					_, err = b.record(t.Context(), Outcome{Run: "job-1", Step: "a", Status: StepFailed, Ended: time.Now()},
						[]byte(`"`+strings.Repeat("x", inlineResult)+`"`))
					require.NoError(t, err)
					require.NoError(t, records.PutObject(t.Context(), store.Store, "step-job-9.a-x", strings.NewReader("x")))
					synctest.Wait()
					fault := store.Arm(nth)
					err = do(b)
					store.Disarm()
					if nth > 0 && !(name == "restart" && strings.HasPrefix(store.Calls()[nth-1], "remove ")) {
						require.ErrorIs(t, err, fault)
						err = do(b)
					}
					require.NoError(t, err)
					synctest.Wait()
					require.NoError(t, b.removeOrphans(t.Context()))
					names, err := store.Objects(t.Context())
					require.NoError(t, err)
					require.Len(t, names, len(b.of("job-1")))
				})
			})
		})
	}
}

// TestWhatAFullDiskRefuses has a store without room.
func TestWhatAFullDiskRefuses(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
	full := services.Faultf(services.KindFull, "full")
	store.SetRoom(full)
	_, _, err := b.Create(t.Context(), ann, simple("one"))
	require.ErrorIs(t, err, full)
	_, err = b.record(t.Context(), Outcome{Run: "job-1", Step: "a"}, make([]byte, inlineResult+1))
	require.ErrorIs(t, err, full)
	_, err = b.record(t.Context(), Outcome{Run: "job-1", Step: "a"}, []byte(`"`+strings.Repeat("x", inlineResult-2)+`"`))
	require.NoError(t, err, "a short result goes into the record")
}

// TestTwoProcessesEndAStep and only what the first one wrote counts.
func TestTwoProcessesEndAStep(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	cfg := Config{MaxRuns: 1, Definitions: "{}"}
	first, second := onStore(t, together{store}, cfg), onStore(t, together{store}, cfg)
	_, err := first.record(t.Context(), Outcome{Run: "job-1", Step: "a", Model: "first"}, []byte(`1`))
	require.NoError(t, err)
	got, err := second.record(t.Context(), Outcome{Run: "job-1", Step: "a", Model: "second"}, make([]byte, inlineResult+1))
	require.NoError(t, err)
	require.Equal(t, "first", got.Model)
	names, err := store.Objects(t.Context())
	require.NoError(t, err)
	require.Empty(t, names, "the second one's result is deleted")
}

// TestTheEndOfAStepIsWrittenAfterAStop in one attempt, although its run has ended.
func TestTheEndOfAStepIsWrittenAfterAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &recordstest.Faulty{Store: recordstest.NewMemory()}
		b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		fault := store.Arm(1)
		_, err := b.record(ctx, Outcome{Run: "job-1", Step: "a"}, nil)
		require.ErrorIs(t, err, fault)
		store.Disarm()
		_, err = b.record(ctx, Outcome{Run: "job-1", Step: "a"}, nil)
		require.NoError(t, err)
		require.Len(t, b.of("job-1"), 1)
	})
}

// TestTheStepsOfADeletedJobGo once they are old enough that its job would be known.
func TestTheStepsOfADeletedJobGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &recordstest.Faulty{Store: recordstest.NewMemory()}
		b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
		put := func(name string) {
			require.NoError(t, records.PutObject(t.Context(), store.Store, name, strings.NewReader("x")))
		}
		for _, run := range []string{"old", "there", "new"} {
			if run == "new" {
				time.Sleep(settling)
			}
			_, err := b.record(t.Context(), Outcome{Run: run, Step: "a", Ended: time.Now()}, make([]byte, inlineResult+1))
			require.NoError(t, err)
		}
		b.mu.Lock()
		b.running["runs"] = &run{}
		b.mu.Unlock()
		put("step-runs.a-x")
		put("step-gone.a-x")
		put("audio-x")
		b.gone = map[string]bool{"old": true, "new": true}
		runs := func() (list []string) {
			for _, id := range []string{"old", "there", "new"} {
				if len(b.of(id)) > 0 {
					list = append(list, id)
				}
			}
			return list
		}
		b.sweep(t.Context(), false)
		require.Equal(t, []string{"old", "there", "new"}, runs(), "at the limit")
		time.Sleep(time.Second)
		store.Arm(1)
		b.sweep(t.Context(), false)
		require.Equal(t, []string{"old", "there", "new"}, runs())
		store.Disarm()
		b.sweep(t.Context(), false)
		require.Equal(t, []string{"there", "new"}, runs())
		names, err := store.Objects(t.Context())
		require.NoError(t, err)
		require.Len(t, names, 5)
		b.sweep(t.Context(), true)
		names, err = store.Objects(t.Context())
		require.NoError(t, err)
		require.Len(t, names, 4)
		require.NotContains(t, names, "step-gone.a-x")
		require.Contains(t, names, "step-runs.a-x", "its record may be about to be written")
		b.mu.Lock()
		delete(b.running, "runs")
		b.mu.Unlock()
		b.sweep(t.Context(), true)
		names, err = store.Objects(t.Context())
		require.NoError(t, err)
		require.NotContains(t, names, "step-runs.a-x")
		require.Contains(t, names, "audio-x")
	})
}

// TestConflictsOfADeletion has a pipeline that another process changes meanwhile.
func TestConflictsOfADeletion(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	conflicts := 2
	store.Before = func(operation, _ string) error {
		if operation == "delete" && conflicts > 0 {
			conflicts--
			return fmt.Errorf("changed: %w", records.ErrConflict)
		}
		return nil
	}
	b := onStore(t, store, Config{MaxRuns: 1, Definitions: "{}"})
	_, _, err := b.Create(t.Context(), ann, simple("one"))
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), ann, "one"))
	require.Zero(t, conflicts)
	conflicts = 2
	_, err = b.record(t.Context(), Outcome{Run: "r", Step: "a"}, nil)
	require.NoError(t, err)
	require.NoError(t, b.forget(t.Context(), "r", func(Outcome) bool { return false }))
	require.Len(t, b.of("r"), 1)
	require.NoError(t, b.forget(t.Context(), "r", func(Outcome) bool { return true }))
	require.Empty(t, b.of("r"))
	require.Empty(t, b.byRun)
	stop := errors.New("stop")
	_, _, err = b.Create(t.Context(), ann, simple("two"))
	require.NoError(t, err)
	_, err = b.Replace(t.Context(), ann, "two", func(Definition) (Definition, error) { return Definition{}, stop })
	require.ErrorIs(t, err, stop)
	_, err = b.Replace(t.Context(), ann, "two", func(d Definition) (Definition, error) { d.Name = "three"; return d, nil })
	require.ErrorContains(t, err, `name must be two, as in the path, got "three"`)
	p, err := b.Replace(t.Context(), ann, "two", func(d Definition) (Definition, error) { d.Name, d.Description = "", "x"; return d, nil })
	require.NoError(t, err)
	require.Equal(t, "two", p.Definition.Name)
	for _, name := range []string{"none", "NONE", ""} {
		_, err = b.Get(t.Context(), ann, name)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.ErrorContains(t, err, fmt.Sprintf("pipeline %q does not exist", name))
		_, err = b.Replace(t.Context(), ann, name, nil)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.Equal(t, services.KindNotFound, services.KindOf(b.Delete(t.Context(), ann, name)))
	}
}
