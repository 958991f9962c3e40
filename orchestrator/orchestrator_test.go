package orchestrator

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a scripted service.
type echo struct {
	mu         sync.Mutex
	starts     int
	started    bool
	startErr   error
	prepareErr error
	prepared   int
	run        func(ctx context.Context, sink services.Sink) error
}

func (e *echo) Describe() services.Description {
	return services.Description{Name: "echo", DefaultModel: "echo-tiny"}
}

func (e *echo) Initialize(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starts++
	e.started = e.startErr == nil
	return e.startErr
}

func (e *echo) Initialized() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.started
}

func (e *echo) Shutdown(context.Context) error   { return nil }
func (e *echo) Status() services.ServiceStatus   { return services.ServiceStatus{} }
func (e *echo) Metrics() services.ServiceMetrics { return services.ServiceMetrics{} }

func (e *echo) Prepare(context.Context, services.Task) (services.Work, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prepared++
	if e.prepareErr != nil {
		return nil, e.prepareErr
	}
	return servicetest.Work{On: "echo-tiny", Needs: 7, Do: func(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
		return services.TaskResult{Model: "echo-tiny", Value: "hello"}, e.run(ctx, sink)
	}}, nil
}

// passGuard lets everything through, as often as an error may pass.
type passGuard struct{ open bool }

func (g passGuard) Open() (time.Duration, bool)   { return time.Second, g.open }
func (g passGuard) State() string                 { return "closed" }
func (g passGuard) Reset()                        {}
func (g passGuard) Health() services.Health       { return services.Health{} }
func (g passGuard) Hold(string)                   {}
func (g passGuard) Failed(context.Context, error) {}
func (g passGuard) Held() (services.Hold, bool)   { return services.Hold{}, false }
func (g passGuard) Refusal() error                { return services.Faultf(services.KindUnavailable, "cut off") }
func (g passGuard) Do(ctx context.Context, fn func(context.Context) error) error {
	for {
		if err := fn(ctx); !services.IsTransient(err) {
			return err
		}
	}
}

// desk is an admission that counts.
type desk struct {
	held, given, yielded int
	bytes                services.Bytes
	err                  error
}

func (d *desk) Acquire(_ context.Context, claim services.Claim) (services.Lease, error) {
	if d.err != nil {
		return nil, d.err
	}
	d.held++
	d.given++
	d.bytes = claim.Bytes
	return &ticket{desk: d}, nil
}

type ticket struct{ desk *desk }

func (l *ticket) Yield(context.Context) error        { l.desk.yielded++; return nil }
func (l *ticket) Slot() (since time.Time, held bool) { return time.Time{}, true }
func (l *ticket) Release()                           { l.desk.held-- }

type events []services.TaskEvent

func (e *events) TaskEnded(event services.TaskEvent) { *e = append(*e, event) }

func setup(service *echo, guard Guard) (*Orchestrator, *desk, *events) {
	log := slog.New(slog.DiscardHandler)
	registry := NewRegistry(log)
	registry.Register(service, guard, nil)
	d, seen := &desk{}, &events{}
	return New(Dependencies{Registry: registry, Admission: d, Observers: []Observer{seen}, Log: log}), d, seen
}

var task = services.Task{ID: "1", Service: "echo", Name: "say"}

func TestATaskRunsAndItsLeaseEnds(t *testing.T) {
	t.Parallel()
	o, d, seen := setup(&echo{run: func(ctx context.Context, _ services.Sink) error { return services.Yield(ctx) }}, passGuard{})
	result, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, "hello", result.Value)
	require.Equal(t, desk{given: 1, yielded: 1, bytes: 7}, *d)
	require.Len(t, *seen, 1)
	event := (*seen)[0]
	require.True(t, event.Started)
	require.Equal(t, "echo-tiny", event.Model)
	require.NoError(t, event.Err)
}

// lighter is an echo whose tasks need less once it is started.
type lighter struct{ echo }

func (l *lighter) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	work, err := l.echo.Prepare(ctx, task)
	return lighterWork{work, l}, err
}

type lighterWork struct {
	services.Work
	service *lighter
}

func (w lighterWork) Bytes(context.Context) (services.Bytes, error) {
	if !w.service.Initialized() {
		return 0, errors.New("asked before the start")
	}
	return 5, nil
}

// TestTheMemoryOfATaskIsThatAfterTheStart has a start that loads what the task needs.
func TestTheMemoryOfATaskIsThatAfterTheStart(t *testing.T) {
	t.Parallel()
	service := &lighter{echo{run: func(context.Context, services.Sink) error { return nil }}}
	registry, d := NewRegistry(slog.New(slog.DiscardHandler)), &desk{}
	registry.Register(service, passGuard{}, nil)
	o := New(Dependencies{Registry: registry, Admission: d, Log: slog.New(slog.DiscardHandler)})
	_, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.NoError(t, err)
	require.EqualValues(t, 5, d.bytes)
}

// chooser is a choir that counts who asks for its default model.
type chooser struct {
	*choir
	asked int
}

func (c *chooser) ModelFor(services.Task) string { c.asked++; return "good" }

func TestTheDefaultModelOfATaskIsChosenByItsPreparationAlone(t *testing.T) {
	t.Parallel()
	service := &chooser{choir: newChoir("good")}
	registry := NewRegistry(slog.New(slog.DiscardHandler))
	registry.Register(service, passGuard{}, nil)
	o := New(Dependencies{Registry: registry, Admission: &desk{}, Log: slog.New(slog.DiscardHandler)})
	_, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.NoError(t, err)
	require.NoError(t, o.Check(t.Context(), task))
	require.Zero(t, service.asked)
	model, err := o.Resolver().Model(task)
	require.NoError(t, err)
	require.Equal(t, "good", model)
}

// failing is an echo that something is found wrong with while it starts.
type failing struct {
	echo
	found func()
}

func (f *failing) Initialize(ctx context.Context) error {
	f.found()
	return f.echo.Initialize(ctx)
}

func TestAServiceCutOffDuringItsStartRefusesTheTask(t *testing.T) {
	t.Parallel()
	service := &failing{echo: echo{run: func(context.Context, services.Sink) error { panic("must not run") }}}
	registry, d := NewRegistry(slog.New(slog.DiscardHandler)), &desk{}
	entry := registry.Register(service, passGuard{}, nil)
	service.found = func() { entry.Isolate("it hangs", time.Second) }
	o := New(Dependencies{Registry: registry, Admission: d, Log: slog.New(slog.DiscardHandler)})
	_, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	require.Zero(t, d.given)
}

// TestATaskIsPreparedOnce counts preparations for every caller.
func TestATaskIsPreparedOnce(t *testing.T) {
	t.Parallel()
	passing := &services.Fault{Kind: services.KindInternal, Transient: true}
	attempts := 0
	service := &echo{run: func(context.Context, services.Sink) error {
		if attempts++; attempts < 3 {
			return passing
		}
		return nil
	}}
	o, _, _ := setup(service, passGuard{})
	_, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, 3, attempts)
	require.Equal(t, 1, service.prepared, "also where the attempt is repeated")
	require.NoError(t, o.Check(t.Context(), task))
	require.Equal(t, 2, service.prepared)
	require.Equal(t, 3, attempts, "a check runs nothing")
	sung := newChoir()
	o, _, _, _ = rehearse(sung)
	require.NoError(t, o.Canary(t.Context(), "echo", ""))
	require.Equal(t, []string{"echo-tiny"}, sung.sang)
}

func TestRefusalsCostNoLease(t *testing.T) {
	t.Parallel()
	never := func(context.Context, services.Sink) error { panic("must not run") }
	for name, c := range map[string]struct {
		service *echo
		guard   passGuard
		task    services.Task
		desk    error
		kind    services.Kind
	}{
		"unknown service": {&echo{run: never}, passGuard{}, services.Task{Service: "nobody"}, nil, services.KindNotFound},
		"breaker open":    {&echo{run: never}, passGuard{open: true}, task, nil, services.KindUnavailable},
		"broken and open": {
			&echo{run: never, prepareErr: errors.New("a file is missing")}, passGuard{open: true}, task, nil,
			services.KindUnavailable,
		},
		"bad input": {&echo{run: never, prepareErr: services.Invalidf("file", "is bad")}, passGuard{}, task, nil, services.KindInvalid},
		"bad input, open": {
			&echo{run: never, prepareErr: services.Invalidf("file", "is bad")}, passGuard{open: true}, task, nil,
			services.KindInvalid,
		},
		"broken": {&echo{run: never, prepareErr: errors.New("a file is missing")}, passGuard{}, task, nil, services.KindInternal},
		"named and open": {
			&echo{run: never, prepareErr: services.Invalidf("file", "is not read")}, passGuard{open: true},
			services.Task{Service: "echo", Model: "echo-tiny"}, nil, services.KindUnavailable,
		},
		"does not start": {&echo{run: never, startErr: errors.New("no model")}, passGuard{}, task, nil, services.KindUnavailable},
		"no room":        {&echo{run: never}, passGuard{}, task, services.Faultf(services.KindBusy, "full"), services.KindBusy},
		"deadline is over": {
			&echo{run: func(ctx context.Context, _ services.Sink) error { return ctx.Err() }}, passGuard{},
			services.Task{Service: "echo", Deadline: time.Now()}, nil, services.KindTimeout,
		},
		"the service fails": {
			&echo{run: func(context.Context, services.Sink) error { return errors.New("broken") }}, passGuard{}, task,
			nil, services.KindInternal,
		},
	} {
		o, d, seen := setup(c.service, c.guard)
		d.err = c.desk
		_, err := o.Execute(t.Context(), c.task, services.DiscardSink{})
		require.Equal(t, c.kind, services.KindOf(err), name)
		require.Zero(t, d.held, name)
		require.Len(t, *seen, 1, name)
		require.False(t, services.KindOf(err) == services.KindInvalid && c.service.started, "bad input starts nothing")
		if name == "unknown service" {
			require.Empty(t, (*seen)[0].Service, "a made-up name must not become a label")
		}
	}
}

func TestAnAnswerThatIsPartlyOutIsNotRetried(t *testing.T) {
	t.Parallel()
	attempts := 0
	passing := &services.Fault{Kind: services.KindInternal, Transient: true}
	o, _, _ := setup(&echo{run: func(_ context.Context, sink services.Sink) error {
		attempts++
		if attempts == 2 {
			sink.Partial("half")
		}
		return passing
	}}, passGuard{})
	_, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.Equal(t, services.KindInternal, services.KindOf(err))
	require.Equal(t, 2, attempts)
}

func TestAServiceStartsOnceAndAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	service := &echo{startErr: errors.New("no model"), run: func(context.Context, services.Sink) error { return nil }}
	o, _, _ := setup(service, passGuard{})
	entry, err := o.Registry().Lookup("echo")
	require.NoError(t, err)
	require.Error(t, entry.Initialize(t.Context()))
	status := entry.Status()
	require.Equal(t, services.StateUnavailable, status.State)
	require.Contains(t, status.LastError, "no model")
	service.mu.Lock()
	service.startErr = nil
	service.mu.Unlock()
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			if err := entry.Initialize(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	require.Equal(t, 2, service.starts)
	require.Equal(t, services.StateReady, entry.Status().State)
	require.Empty(t, o.Registry().Shutdown(t.Context()))
	require.Equal(t, services.StateStopped, entry.State())
}
