// Package servicetest has the conformance suite of services, and helpers for their
// tests.
package servicetest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/schema"
)

// Suite is one service under test.
type Suite struct {
	// New returns a new, uninitialized service. The suite shuts it down.
	New func(t *testing.T) services.ModelService
	// Tasks has a small task of every kind by name. Each reports its progress while it
	// runs.
	Tasks map[string]services.Task
	// Opens returns the number of model files opened so far by services that New
	// returned. It is nil for a service without models.
	Opens func() int64
}

// Run runs the suite. It must not run in parallel with other tests, because it would
// attribute their goroutines to the service.
func Run(t *testing.T, suite Suite) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	for _, check := range []struct {
		name string
		run  func(t *testing.T, suite Suite)
	}{
		{"describes itself", describes},
		{"starts and stops", startsAndStops},
		{"refuses bad tasks", refuses},
		{"runs what it prepared", runsPrepared},
		{"ends with its context", endsWithContext},
		{"waits for its tasks", waitsForTasks},
	} {
		t.Run(check.name, func(t *testing.T) { check.run(t, suite) })
	}
	goleak.VerifyNone(t, before)
}

// fresh returns a new service, which is shut down at the end of the test.
func (s Suite) fresh(t *testing.T) services.ModelService {
	t.Helper()
	service := s.New(t)
	t.Cleanup(func() { require.NoError(t, service.Shutdown(context.Background())) })
	return service
}

// each calls do with every task in the order of their names.
func (s Suite) each(do func(name string, task services.Task)) {
	for _, name := range slices.Sorted(maps.Keys(s.Tasks)) {
		task := s.Tasks[name]
		task.Params = slices.Clone(task.Params)
		do(name, task)
	}
}

// opens returns the number of model files opened so far.
func (s Suite) opens() int64 {
	if s.Opens == nil {
		return 0
	}
	return s.Opens()
}

// finish requires that a run succeeded and removes its sound.
func finish(t *testing.T, result services.TaskResult, err error) {
	t.Helper()
	require.NoError(t, err)
	require.NotNil(t, result.Value)
	require.NoError(t, result.Audio.Remove())
}

// describes checks that Describe is complete and never changes.
func describes(t *testing.T, suite Suite) {
	service := suite.fresh(t)
	first := service.Describe()
	require.NotEmpty(t, first.Name)
	require.NotEmpty(t, first.Summary)
	require.NotEmpty(t, first.Tasks)
	require.Len(t, suite.Tasks, len(first.Tasks), "the suite has a task for every kind")
	for _, kind := range first.Tasks {
		require.Contains(t, suite.Tasks, kind.Name)
		require.NotEmpty(t, properties(t, kind), "the schema of %s", kind.Name)
		compiled, err := schema.Compile(kind.ParamsSchema)
		require.NoError(t, err, "the schema of %s", kind.Name)
		require.NoError(t, compiled.Validate(suite.Tasks[kind.Name].Params), "the schema allows the task %s", kind.Name)
	}
	require.NoError(t, service.Initialize(t.Context()))
	require.Equal(t, first, service.Describe())
	require.NoError(t, service.Shutdown(t.Context()))
	require.Equal(t, first, service.Describe())
}

// startsAndStops takes every step of a service's lifecycle twice.
func startsAndStops(t *testing.T, suite Suite) {
	service := suite.fresh(t)
	require.False(t, service.Initialized())
	require.NoError(t, service.Shutdown(t.Context()), "before the start")
	for range 2 {
		require.NoError(t, service.Initialize(t.Context()))
		require.True(t, service.Initialized())
		opened := suite.opens()
		require.NoError(t, service.Initialize(t.Context()), "a second time")
		require.Equal(t, opened, suite.opens(), "a second start does nothing")
		require.Equal(t, services.StateReady, service.Status().State)
		suite.each(func(name string, task services.Task) {
			result, err := services.ExecuteTask(t.Context(), service, task, services.DiscardSink{})
			finish(t, result, err)
		})
		require.NoError(t, service.Shutdown(t.Context()))
		require.False(t, service.Initialized())
		require.NoError(t, service.Shutdown(t.Context()), "a second time")
		require.Zero(t, service.Status().ModelsLoaded)
		require.Zero(t, service.Metrics().BytesLoaded)
	}
}

// runsPrepared runs each task twice; the second time its model is already loaded.
func runsPrepared(t *testing.T, suite Suite) {
	service := suite.fresh(t)
	require.NoError(t, service.Initialize(t.Context()))
	var done uint64
	suite.each(func(name string, task services.Task) {
		result, err := services.ExecuteTask(t.Context(), service, task, services.DiscardSink{})
		finish(t, result, err)
		opened := suite.opens()
		work, err := service.Prepare(t.Context(), task)
		require.NoError(t, err)
		bytes, err := work.Bytes(t.Context())
		require.NoError(t, err)
		require.Positive(t, bytes)
		require.Equal(t, suite.Opens != nil, work.Model() != "", "a service with models reports the task's model")
		clear(task.Params) // parsed parameters are not read again
		watch := &watcher{service: service, opens: suite.opens}
		result, err = work.Run(t.Context(), watch)
		finish(t, result, err)
		require.Equal(t, work.Model(), result.Model)
		require.NotEmpty(t, result.Stages)
		require.True(t, watch.reported, "%s reports progress", name)
		require.Equal(t, opened, suite.opens(), "%s opens no file of a loaded model", name)
		done += 2
	})
	require.Equal(t, map[services.Outcome]uint64{services.OutcomeSuccess: done}, service.Metrics().Tasks)
	status := service.Status()
	require.Equal(t, services.StateReady, status.State)
	require.Empty(t, status.LastError)
	require.False(t, status.LastSuccess.IsZero())
	require.Equal(t, suite.Opens != nil, status.ModelsLoaded > 0)
}

// watcher calls Status and Metrics in the middle of a task, from the task's goroutine.
// A service that holds a lock during an inference deadlocks.
type watcher struct {
	services.DiscardSink
	service  services.ModelService
	opens    func() int64
	reported bool
}

// Progress implements services.Sink.
func (w *watcher) Progress(float64, string) {
	w.reported = true
	opened := w.opens()
	w.service.Status()
	w.service.Metrics()
	if w.opens() != opened {
		panic("the status opens files")
	}
}

// endsWithContext cancels each task before and during its run, then runs the same work
// again.
func endsWithContext(t *testing.T, suite Suite) {
	service := suite.fresh(t)
	require.NoError(t, service.Initialize(t.Context()))
	want := map[services.Outcome]uint64{}
	suite.each(func(name string, task services.Task) {
		work, err := service.Prepare(t.Context(), task)
		require.NoError(t, err)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = work.Run(ended, services.DiscardSink{})
		require.Equal(t, services.KindCancelled, services.KindOf(err), "%s: %v", name, err)
		ctx, cancel := context.WithCancel(t.Context())
		_, err = work.Run(ctx, onProgress(func(float64) { cancel() }))
		require.Equal(t, services.KindCancelled, services.KindOf(err), "%s: %v", name, err)
		result, err := work.Run(t.Context(), services.DiscardSink{})
		finish(t, result, err)
		want[services.OutcomeSuccess]++
		want[services.Outcome(services.KindCancelled)] += 2
	})
	require.Equal(t, want, service.Metrics().Tasks)
	require.Empty(t, service.Status().LastError, "cancellation by the caller is not a service fault")
}

// onProgress is a sink that calls a function.
type onProgress func(fraction float64)

// Progress implements services.Sink.
func (f onProgress) Progress(fraction float64, _ string) { f(fraction) }

// Partial implements services.Sink.
func (onProgress) Partial(any) {}

// waitsForTasks shuts the service down during each task, which must complete.
func waitsForTasks(t *testing.T, suite Suite) {
	service := suite.fresh(t)
	suite.each(func(name string, task services.Task) {
		require.NoError(t, service.Initialize(t.Context()))
		work, err := service.Prepare(t.Context(), task)
		require.NoError(t, err)
		var refused error
		early, stopped := false, make(chan error, 1)
		stop := sync.OnceFunc(func() {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			refused = service.Shutdown(ended)
			began := make(chan struct{})
			go func() {
				close(began)
				stopped <- service.Shutdown(t.Context())
			}()
			<-began
			for range 100 {
				runtime.Gosched() // a Shutdown that does not wait returns in the meantime
			}
			early = len(stopped) > 0
		})
		result, err := work.Run(t.Context(), onProgress(func(fraction float64) {
			if fraction > 0 {
				stop()
			}
		}))
		finish(t, result, err)
		require.ErrorIs(t, refused, context.Canceled, "%s is under way", name)
		require.False(t, early, "%s is under way", name)
		require.NoError(t, <-stopped)
		require.False(t, service.Initialized())
		require.Zero(t, service.Metrics().BytesLoaded)
	})
}

// refuses prepares invalid tasks on a service that has not been initialized.
func refuses(t *testing.T, suite Suite) {
	service := suite.fresh(t)
	kinds := make(map[string]services.TaskKind)
	for _, kind := range service.Describe().Tasks {
		kinds[kind.Name] = kind
	}
	suite.each(func(name string, task services.Task) {
		invalid := func(field string, params string) {
			bad := task
			bad.Params = json.RawMessage(params)
			_, err := service.Prepare(t.Context(), bad)
			fault := new(services.Fault)
			require.ErrorAs(t, err, &fault, "%s: %s", name, params)
			require.Equal(t, services.KindInvalid, fault.Kind, "%s: %v", name, err)
			named := slices.ContainsFunc(fault.Fields, func(f services.FieldError) bool { return strings.HasPrefix(f.Field, field) })
			require.True(t, named, "%s: %v names no %s", name, err, field)
		}
		invalid("no_such_field", with(t, task.Params, "no_such_field", `1`))
		for field, kind := range properties(t, kinds[name]) {
			wrong := `"text"`
			if kind == "string" {
				wrong = `7`
			}
			invalid(field, with(t, task.Params, field, wrong))
		}
		invalid("params", with(t, task.Params, "", "")+` {}`)
		invalid("params", `{`)
		invalid("params", `[]`)
		suite.refusesInput(t, service, task)
	})
	task := services.Task{Service: service.Describe().Name, Name: "no-such-task"}
	_, err := service.Prepare(t.Context(), task)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	require.ErrorContains(t, err, task.Name)
	require.False(t, service.Initialized())
	require.Empty(t, service.Metrics().Tasks, "rejected tasks did not run")
}

// refusesInput prepares a task with invalid input and with an unknown model.
func (s Suite) refusesInput(t *testing.T, service services.ModelService, task services.Task) {
	t.Helper()
	bad := task
	bad.Model = "no-such-model"
	_, err := service.Prepare(t.Context(), bad)
	require.ErrorContains(t, err, bad.Model)
	require.Contains(t, []services.Kind{services.KindNotFound, services.KindInvalid}, services.KindOf(err))
	bad = task
	if task.Audio == nil {
		bad.Audio = text("RIFF")
		_, err = service.Prepare(t.Context(), bad)
		require.Equal(t, services.KindInvalid, services.KindOf(err), "it takes no recording")
		return
	}
	bad.Audio = nil
	_, err = service.Prepare(t.Context(), bad)
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	require.ErrorContains(t, err, "file is missing")
	bad.Audio = text("this is no recording, whatever its name says")
	_, err = service.Prepare(t.Context(), bad)
	require.Equal(t, services.KindUnsupported, services.KindOf(err), "%v", err)
	lost := errors.New("lost")
	bad.Audio = unreadable{lost}
	_, err = service.Prepare(t.Context(), bad)
	require.ErrorIs(t, err, lost)
	require.Equal(t, services.KindInternal, services.KindOf(err), "not the client's fault")
}

// text is a file that is not a recording.
type text string

// Open implements services.AudioSource.
func (s text) Open() (io.ReadSeekCloser, error) {
	return struct {
		io.ReadSeeker
		io.Closer
	}{strings.NewReader(string(s)), io.NopCloser(nil)}, nil
}

// Size implements services.AudioSource.
func (s text) Size() int64 { return int64(len(s)) }

// unreadable is a recording that cannot be opened.
type unreadable struct{ err error }

// Open implements services.AudioSource.
func (u unreadable) Open() (io.ReadSeekCloser, error) { return nil, u.err }

// Size implements services.AudioSource.
func (unreadable) Size() int64 { return 1 }

// properties returns the types of a task's parameters by name. A type is empty if the
// schema has none.
func properties(t *testing.T, kind services.TaskKind) map[string]string {
	t.Helper()
	var schema struct {
		Type       string                           `json:"type"`
		Additional *bool                            `json:"additionalProperties"`
		Properties map[string]struct{ Type string } `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(kind.ParamsSchema, &schema), kind.Name)
	require.Equal(t, "object", schema.Type, kind.Name)
	require.NotNil(t, schema.Additional, kind.Name)
	require.False(t, *schema.Additional, "%s rejects unknown fields", kind.Name)
	types := make(map[string]string, len(schema.Properties))
	for name, property := range schema.Properties {
		types[name] = property.Type
	}
	return types
}

// with returns parameters with one field set.
func with(t *testing.T, params json.RawMessage, field, value string) string {
	t.Helper()
	fields := make(map[string]json.RawMessage)
	if len(params) > 0 {
		require.NoError(t, json.Unmarshal(params, &fields))
	}
	if field != "" {
		fields[field] = json.RawMessage(value)
	}
	raw, err := json.Marshal(fields)
	require.NoError(t, err)
	return string(raw)
}
