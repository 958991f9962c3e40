package orchestrator

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// fullDesk is an admission at which every task waits until its context ends.
type fullDesk struct{ arrived chan struct{} }

func (d fullDesk) Acquire(ctx context.Context, _ services.Claim) (services.Lease, error) {
	d.arrived <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// lateDesk grants a lease although the task was cancelled while it waited.
type lateDesk struct {
	fullDesk
	desk
}

func (d *lateDesk) Acquire(ctx context.Context, claim services.Claim) (services.Lease, error) {
	_, _ = d.fullDesk.Acquire(ctx, claim)
	return d.desk.Acquire(ctx, claim)
}

// TestADrainRefusesWhatWaits drains a service while a task waits for its lease, and while
// the lease comes at the same time.
func TestADrainRefusesWhatWaits(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	late := &lateDesk{fullDesk: fullDesk{arrived}}
	for name, admission := range map[string]Admission{"waits": fullDesk{arrived}, "granted late": late} {
		o, _, seen := setup(&echo{run: func(context.Context, services.Sink) error { return nil }}, passGuard{})
		o.admission = admission
		entry, err := o.registry.Lookup("echo")
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			_, err := o.Execute(t.Context(), task, services.DiscardSink{})
			ended <- err
		}()
		<-arrived
		require.Equal(t, ActivityWaiting, o.Tasks(services.Caller{All: true})[0].State)
		require.NoError(t, entry.Drain("", "upgrade"))
		err = <-ended
		require.Equal(t, services.KindUnavailable, services.KindOf(err), name)
		require.ErrorContains(t, err, "service echo is drained by an operator: upgrade")
		require.False(t, (*seen)[0].Started, name)
		require.Empty(t, o.Tasks(services.Caller{All: true}))
	}
	require.Zero(t, late.held, "the lease was released")
}

// TestADrainLetsRunningTasksEnd drains a service from inside a task.
func TestADrainLetsRunningTasksEnd(t *testing.T) {
	t.Parallel()
	var o *Orchestrator
	service := &echo{}
	o, _, _ = setup(service, passGuard{})
	entry, err := o.registry.Lookup("echo")
	require.NoError(t, err)
	service.run = func(ctx context.Context, _ services.Sink) error {
		require.NoError(t, entry.Drain("", ""))
		require.Equal(t, 1, entry.Drains()[0].Running)
		require.True(t, o.Held(task))
		_, err := o.Execute(ctx, task, services.DiscardSink{})
		require.ErrorContains(t, err, "service echo is drained by an operator")
		return ctx.Err()
	}
	_, err = o.Execute(t.Context(), task, services.DiscardSink{})
	require.NoError(t, err)
	require.Zero(t, entry.Drains()[0].Running)
	prepared := service.prepared
	_, err = o.Execute(t.Context(), task, services.DiscardSink{})
	require.Error(t, err)
	require.Equal(t, prepared, service.prepared, "it is refused before it is read")
	require.NoError(t, entry.Resume(""))
	require.NoError(t, entry.Resume(""))
	require.False(t, o.Held(task))
}

// TestADrainThatCannotBeSavedIsInForce has the data folder's disk full.
func TestADrainThatCannotBeSavedIsInForce(t *testing.T) {
	t.Parallel()
	o, _, _ := setup(&echo{run: func(context.Context, services.Sink) error { return nil }}, passGuard{})
	entry, err := o.registry.Lookup("echo")
	require.NoError(t, err)
	broken := errors.New("broken")
	for cause, kind := range map[error]services.Kind{
		broken: services.KindInternal, services.Faultf(services.KindFull, "the disk is full"): services.KindFull,
	} {
		o.registry.KeepDrains(nil, func([]Drain) error { return cause })
		err = entry.Drain("", "upgrade")
		require.Equal(t, kind, services.KindOf(err))
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, "service echo is drained, but this could not be saved")
		_, err = o.Execute(t.Context(), task, services.DiscardSink{})
		require.ErrorContains(t, err, "upgrade")
	}
}

// TestOneOfTwoTasksWithTheSameIDIsStopped stops a run whose client chose the id of another.
func TestOneOfTwoTasksWithTheSameIDIsStopped(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	o, _, _ := setup(&echo{run: func(ctx context.Context, _ services.Sink) error {
		began <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	}}, passGuard{})
	o.admission = &slowDesk{}
	first, stop := context.WithCancel(t.Context())
	ends := make(chan error)
	for range 2 {
		go func() {
			_, err := o.Execute(first, task, services.DiscardSink{})
			ends <- err
		}()
		<-began
	}
	entry, err := o.registry.Lookup("echo")
	require.NoError(t, err)
	runs := entry.Runs()
	require.Len(t, runs, 2)
	require.Equal(t, runs[0].Task, runs[1].Task)
	require.NotEqual(t, runs[0].ID, runs[1].ID)
	hung := errors.New("hung")
	entry.StopRun(runs[0].ID, hung)
	require.ErrorIs(t, <-ends, hung)
	require.Len(t, entry.Runs(), 1)
	stop()
	require.ErrorIs(t, <-ends, context.Canceled)
}
