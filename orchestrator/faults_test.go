package orchestrator

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

// faulty is a choir whose calls can fail, by name, and are recorded.
type faulty struct {
	*choir
	fail  map[string]error
	calls []string
	// during is called in each call.
	during func(call string)
}

func newFaulty(models ...string) *faulty {
	return &faulty{choir: newChoir(models...), fail: make(map[string]error), during: func(string) {}}
}

func (f *faulty) call(name string) error {
	f.calls = append(f.calls, name)
	f.during(name)
	return f.fail[name]
}

// took returns the calls since the last time.
func (f *faulty) took() (calls []string) {
	calls, f.calls = f.calls, nil
	return calls
}

func (f *faulty) Initialize(ctx context.Context) error {
	if err := f.call("start"); err != nil {
		return err
	}
	return f.choir.Initialize(ctx)
}

func (f *faulty) Shutdown(context.Context) error {
	err := f.call("stop")
	if err == nil {
		f.change(func() { f.started = false })
	}
	return err
}

func (f *faulty) LoadModel(_ context.Context, name string) error   { return f.call("load " + name) }
func (f *faulty) UnloadModel(_ context.Context, name string) error { return f.call("unload " + name) }
func (f *faulty) CanDo(model, task string) bool                    { return f.fail["do "+model+" "+task] == nil }

var errBroken = errors.New("it is broken")

// plain is the same without models.
type plain struct {
	services.ModelService
}

func registerPlain(f *faulty) (*Orchestrator, *Registration) {
	log := slog.New(slog.DiscardHandler)
	registry := NewRegistry(log)
	entry := registry.Register(plain{f}, passGuard{}, nil)
	return New(Dependencies{Registry: registry, Admission: &desk{}, Log: log}), entry
}

func TestAServiceWithoutModelsHasNoneToLoad(t *testing.T) {
	t.Parallel()
	_, entry := registerPlain(newFaulty())
	_, hold := entry.Hold("m")
	for name, err := range map[string]error{
		"load": entry.Load(t.Context(), "m"), "unload": entry.Unload(t.Context(), "m"), "hold": hold,
		"drain": entry.Drain("m", ""), "restart": entry.Restart(t.Context(), "m"),
		"open": entry.OpenBreaker("m", ""), "reset": entry.ResetBreaker("m"),
	} {
		require.EqualError(t, err, "service echo has no models", name)
		require.Equal(t, services.KindInvalid, services.KindOf(err), name)
	}
	require.NoError(t, entry.Load(t.Context(), ""))
	release, err := entry.Hold("")
	require.NoError(t, err)
	release()
	require.NoError(t, entry.Drain("", ""))
	require.True(t, entry.CanDo(services.ModelStatus{}, "say") == false, "it is drained")
	require.Equal(t, "service echo is drained by an operator", entry.TaskProblem())
	require.NoError(t, entry.Resume(""))
	require.True(t, entry.CanDo(services.ModelStatus{}, "say"))
	require.Empty(t, entry.TaskProblem())
	entry.Isolate("it broke", 0)
	require.Equal(t, "service echo is recovering", entry.TaskProblem())
}

func TestModelsAreLoadedAndUnloaded(t *testing.T) {
	t.Parallel()
	f := newFaulty("good")
	o, entry, _, _ := rehearse(f)
	require.NoError(t, entry.Load(t.Context(), "good"))
	require.Equal(t, []string{"start", "load good"}, f.took(), "the service starts first")
	require.NoError(t, entry.Load(t.Context(), "echo-tiny"))
	require.Equal(t, []string{"load echo-tiny"}, f.took())
	f.fail["load good"] = errBroken
	require.ErrorIs(t, entry.Load(t.Context(), "good"), errBroken)
	f.during = func(string) { panic("broken") }
	require.Equal(t, services.KindInternal, services.KindOf(entry.Load(t.Context(), "good")))
	f.during = func(string) {}
	f.took()

	require.NoError(t, entry.Unload(t.Context(), "good"))
	f.fail["unload good"] = errBroken
	require.ErrorIs(t, entry.Unload(t.Context(), "good"), errBroken)
	require.Equal(t, []string{"unload good", "unload good"}, f.took())

	require.Empty(t, sing(t, o, "good"))
	entry.Units()[0].Isolate("it broke", 0)
	err := entry.Load(t.Context(), "good")
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	require.ErrorContains(t, err, "model good of service echo is recovering")
	entry.Isolate("it broke too", 0)
	require.ErrorContains(t, entry.Load(t.Context(), ""), "service echo is recovering")
	require.Empty(t, f.took())
}

func TestALoadWhoseStartFails(t *testing.T) {
	t.Parallel()
	f := newFaulty("good")
	_, entry, _, _ := rehearse(f)
	f.fail["start"] = errBroken
	require.ErrorIs(t, entry.Load(t.Context(), ""), errBroken)
	require.Equal(t, services.StateUnavailable, entry.State())
	require.ErrorIs(t, entry.Load(t.Context(), "echo-tiny"), errBroken)
	require.Equal(t, []string{"start", "start"}, f.took(), "the default model is the start's")
	require.NoError(t, entry.Load(t.Context(), "good"), "another model does without")
	require.Equal(t, []string{"load good"}, f.took())
}

func TestAnUnloadedServiceStartsAgain(t *testing.T) {
	t.Parallel()
	f := newFaulty("good")
	o, entry, _, _ := rehearse(f)
	require.Empty(t, sing(t, o, "good"))
	unit := entry.Units()[0]
	unit.Degrade("slow")
	f.took()
	var meanwhile error
	f.during = func(string) { meanwhile = entry.up() }
	f.fail["stop"] = errBroken
	err := entry.Unload(t.Context(), "")
	require.Equal(t, services.KindBusy, services.KindOf(err))
	require.ErrorIs(t, err, errBroken)
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, time.Second, fault.RetryAfter)
	require.ErrorContains(t, meanwhile, "service echo is being restarted")
	require.Equal(t, services.StateReady, entry.State())
	require.NoError(t, entry.up(), "it goes on")
	require.Equal(t, services.StateDegraded, unit.State())

	delete(f.fail, "stop")
	require.NoError(t, entry.Unload(t.Context(), ""))
	require.Equal(t, []services.State{services.StateRegistered, services.StateReady}, []services.State{entry.State(), unit.State()})
	require.NoError(t, entry.up())
	f.took()
	require.Empty(t, sing(t, o, ""))
	require.Equal(t, []string{"start"}, f.took())
}

// TestEachStepOfARestartCanFail has the calls of a restart, and of a reload, fail one after
// another.
func TestEachStepOfARestartCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		restart func(entry *Registration, unit *Unit) error
		calls   []string
		says    []string // what the error says where that call fails
	}{
		{
			"the service", func(entry *Registration, _ *Unit) error { return entry.Restart(context.Background(), "") },
			[]string{"stop", "start"}, []string{"service echo could not be unloaded", "service echo could not start"},
		},
		{
			"the default model", func(entry *Registration, _ *Unit) error { return entry.Restart(context.Background(), "echo-tiny") },
			[]string{"unload echo-tiny", "start", "load echo-tiny"},
			[]string{"service echo could not be unloaded", "service echo could not start", "service echo could not be loaded"},
		},
		{
			"another model", func(_ *Registration, unit *Unit) error { return unit.Restart(context.Background(), "good") },
			[]string{"unload good", "load good"},
			[]string{"model good of service echo could not be unloaded", "model good of service echo could not be loaded"},
		},
		{
			"reload", func(entry *Registration, _ *Unit) error { return entry.Reload(context.Background()) },
			[]string{"unload echo-tiny", "start"}, []string{"service echo could not be unloaded", "service echo could not start"},
		},
		{
			"reload of another model", func(_ *Registration, unit *Unit) error { return unit.Reload(context.Background()) },
			[]string{"unload good"}, []string{"model good of service echo could not be unloaded"},
		},
	} {
		for failing := range len(c.calls) + 1 {
			f := newFaulty("good")
			o, entry, _, _ := rehearse(f)
			require.Empty(t, sing(t, o, "good"))
			f.took()
			if failing < len(c.calls) {
				f.fail[c.calls[failing]] = errBroken
			}
			err := c.restart(entry, entry.Units()[0])
			require.Equal(t, c.calls[:min(failing+1, len(c.calls))], f.took(), c.name)
			if failing == len(c.calls) {
				require.NoError(t, err, c.name)
				require.NoError(t, entry.up())
				continue
			}
			require.ErrorIs(t, err, errBroken, c.name)
			require.ErrorContains(t, err, c.says[failing], c.name)
			require.Equal(t, services.KindInternal, services.KindOf(err))
			if c.calls[failing] == "stop" {
				require.ErrorContains(t, entry.up(), "is being restarted", "it is partly shut down")
				clear(f.fail)
				require.NoError(t, c.restart(entry, nil))
			}
			require.NoError(t, entry.up(), c.name)
		}
	}
}

// TestARestartEndsWithTheServer has the server stop while a service unloads.
func TestARestartEndsWithTheServer(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]func(entry *Registration) error{
		"restart": func(entry *Registration) error { return entry.Restart(context.Background(), "") },
		"reload":  func(entry *Registration) error { return entry.Reload(context.Background()) },
	} {
		f := newFaulty()
		_, entry, _, _ := rehearse(f)
		require.NoError(t, entry.Initialize(t.Context()))
		f.during = func(string) { entry.transition(services.StateStopped, "shutdown", nil) }
		f.took()
		err := restart(entry)
		require.Equal(t, services.KindUnavailable, services.KindOf(err), name)
		require.ErrorContains(t, err, "service echo is stopped", name)
		require.Len(t, f.took(), 1, "it does not start again")
	}
	f := newFaulty()
	_, entry := registerPlain(f)
	require.NoError(t, entry.Reload(t.Context()))
	require.Equal(t, []string{"stop", "start"}, f.took(), "one without models restarts as a whole")
}

func TestWhatAModelCanDo(t *testing.T) {
	t.Parallel()
	f := newFaulty("good")
	o, entry, _, _ := rehearse(f)
	require.Empty(t, sing(t, o, "good"))
	can := func(name string) bool { return entry.CanDo(services.ModelStatus{Name: name}, "say") }
	require.True(t, can("good"))
	require.False(t, entry.CanDo(services.ModelStatus{Name: "good", Problem: "a file is missing"}, "say"))
	f.fail["do good say"] = errBroken
	require.False(t, can("good"))
	delete(f.fail, "do good say")
	require.NoError(t, entry.Drain("good", ""))
	require.False(t, can("good"))
	require.True(t, can("echo-tiny"))
	require.NoError(t, entry.Resume("good"))
	entry.Units()[0].Isolate("", 0)
	require.False(t, can("good"))
	entry.Isolate("", 0)
	require.False(t, can("echo-tiny"))
	require.Empty(t, entry.TaskProblem(), "it has other models")
	entry.halt(true)
	require.Equal(t, "service echo is being restarted", entry.TaskProblem())
}

// faultyWork fails where its memory is asked for.
type faultyWork struct {
	servicetest.Work
	err error
}

func (w faultyWork) Bytes(context.Context) (services.Bytes, error) { return w.Needs, w.err }

// countingGuard records the faults of tasks that failed before they ran.
type countingGuard struct {
	passGuard
	failed *[]error
}

func (g countingGuard) Failed(_ context.Context, err error) { *g.failed = append(*g.failed, err) }

// scripted is a service whose preparation is a function.
type scripted struct {
	echo
	prepare func(task services.Task) (services.Work, error)
	models  []string
}

func (s *scripted) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	return s.prepare(task)
}
func (s *scripted) CanaryTask() services.Task { return services.Task{Service: "echo", Name: "say"} }
func (s *scripted) CanaryTaskFor(model string) services.Task {
	s.models = append(s.models, model)
	return s.CanaryTask()
}

func script(t *testing.T, s *scripted) (o *Orchestrator, entry *Registration, d *desk, failed *[]error) {
	t.Helper()
	o, d, _ = setup(&s.echo, passGuard{})
	entry = mustLookup(t, o.resolver, "echo")
	failed = new([]error)
	entry.Service, entry.Guard = s, countingGuard{failed: failed}
	return o, entry, d, failed
}

func TestFaultsBeforeATaskRuns(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	o, entry, d, failed := script(t, s)
	execute := func() error {
		_, err := o.Execute(t.Context(), task, services.DiscardSink{})
		return err
	}
	s.prepare = func(services.Task) (services.Work, error) {
		return faultyWork{servicetest.Work{On: "echo-tiny", Needs: 5}, errBroken}, nil
	}
	require.ErrorIs(t, execute(), errBroken)
	require.Equal(t, []error{errBroken}, *failed, "its memory is unknown")
	_, err := entry.Smallest(t.Context())
	require.ErrorIs(t, err, errBroken)

	*failed = nil
	s.prepare = func(services.Task) (services.Work, error) { return nil, errBroken }
	require.ErrorIs(t, execute(), errBroken)
	require.Equal(t, []error{errBroken}, *failed, "the service is at fault")
	_, err = entry.Smallest(t.Context())
	require.ErrorIs(t, err, errBroken)

	*failed = nil
	invalid := services.Invalidf("prompt", "is missing")
	s.prepare = func(services.Task) (services.Work, error) { return nil, invalid }
	require.ErrorIs(t, execute(), invalid)
	require.Empty(t, *failed, "the caller is at fault")
	require.ErrorIs(t, o.Check(t.Context(), task), invalid)
	require.Error(t, o.Check(t.Context(), services.Task{Service: "nobody"}))
	require.Zero(t, d.given)

	s.prepare = func(services.Task) (services.Work, error) {
		return servicetest.Work{On: "echo-tiny", Needs: 5, Do: func(context.Context, services.Sink) (services.TaskResult, error) {
			return services.TaskResult{}, nil
		}}, nil
	}
	bytes, err := entry.Smallest(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 5, bytes)
	d.err = services.Faultf(services.KindBusy, "the queue is full")
	require.ErrorIs(t, execute(), d.err)
	require.NoError(t, o.Check(t.Context(), task))
	_, none := registerPlain(newFaulty())
	bytes, err = none.Smallest(t.Context())
	require.NoError(t, err)
	require.Zero(t, bytes)
}
