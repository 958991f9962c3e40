package hardening

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestAStepOfAServiceIsInItsMetrics(t *testing.T) {
	t.Parallel()
	m := NewStateMetrics(prometheus.NewRegistry())
	m.Watch("echo", "")
	for _, step := range []services.Transition{
		{Service: "echo", From: services.StateRegistered, To: services.StateReady},
		{Service: "echo", From: services.StateReady, To: services.StateDegraded},
	} {
		m.Transition(step)
	}
	for state, want := range map[services.State]float64{
		services.StateRegistered: 0, services.StateReady: 0, services.StateDegraded: 1,
	} {
		require.InDelta(t, want, testutil.ToFloat64(m.state.WithLabelValues("echo", "", string(state))), 0, state)
	}
	require.InDelta(t, 1, testutil.ToFloat64(m.steps.WithLabelValues("echo", "", "ready")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(m.steps.WithLabelValues("echo", "", "degraded")), 0)
}

func TestRetriesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, false)
		attempts := 0
		require.NoError(t, w.guard.Do(context.Background(), func(context.Context) error {
			if attempts++; attempts <= 2 {
				return &services.Fault{Kind: services.KindInternal, Transient: true}
			}
			return nil
		}))
		require.InDelta(t, 2, testutil.ToFloat64(w.guard.metrics.retries.WithLabelValues("echo", "")), 0)
	})
}

// TestAResetBeginsTheCountOfAttemptsAnew has a model whose tasks had failed after its
// recovery.
func TestAResetBeginsTheCountOfAttemptsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newUsers(t, false)
		for range 6 { // the breaker opens, and the first task after the recovery fails
			w.use(errService)
			synctest.Wait()
		}
		refuted := r.total.WithLabelValues("echo", "", "refuted")
		require.InDelta(t, 1, testutil.ToFloat64(refuted), 0)
		w.guard.Reset()
		time.Sleep(2 * interval)
		r.Trigger("echo", "", "its run has stalled")
		synctest.Wait()
		require.InDelta(t, 1, testutil.ToFloat64(refuted), 0, "no task has failed since the reset")
	})
}

// TestTheEndOfARecoveryIsAwaited has one that does not end in time.
func TestTheEndOfARecoveryIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.reload = func() { time.Sleep(time.Minute) } })
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		bounded, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.Stop(bounded), context.DeadlineExceeded)
		require.NoError(t, r.Stop(t.Context()))
	})
}

// TestARestartDoesNotWaitForAnotherForEver has two at once.
func TestARestartDoesNotWaitForAnotherForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.reload = func() { time.Sleep(time.Minute) } })
		first := make(chan error, 1)
		go func() { first <- r.Restart(t.Context(), "echo", "") }()
		synctest.Wait()
		bounded, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.Restart(bounded, "echo", ""), context.DeadlineExceeded)
		require.NoError(t, <-first)
	})
}
