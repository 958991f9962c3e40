package orchestrator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// slowDesk is an admission whose leases call yield.
type slowDesk struct {
	yield func()
	since time.Time
	away  bool
}

func (d *slowDesk) Acquire(context.Context, services.Claim) (services.Lease, error) {
	d.since = time.Now()
	return d, nil
}

func (d *slowDesk) Yield(context.Context) error {
	d.away = true
	d.yield()
	d.away, d.since = false, time.Now()
	return nil
}

func (d *slowDesk) Slot() (since time.Time, held bool) { return d.since, !d.away }
func (d *slowDesk) Release()                           {}

// TestARunWaitsWhileItYieldsAndWorksAfterwards checks what the watchdog sees of a run:
// while it waits for others it does not count as silent, and afterwards its silence
// begins again.
func TestARunWaitsWhileItYieldsAndWorksAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var registration *Registration
		see := func() services.Run {
			runs := registration.Runs()
			require.Len(t, runs, 1)
			return runs[0]
		}
		var before, during, after, silent services.Run
		o, _, _ := setup(&echo{run: func(ctx context.Context, _ services.Sink) error {
			time.Sleep(time.Minute)
			before = see()
			err := services.Yield(ctx)
			after = see()
			time.Sleep(time.Minute)
			silent = see()
			return err
		}}, passGuard{})
		var err error
		registration, err = o.Registry().Lookup("echo")
		require.NoError(t, err)
		o.admission = &slowDesk{yield: func() {
			time.Sleep(time.Hour)
			during = see()
		}}
		started := time.Now()
		_, err = o.Execute(t.Context(), task, services.DiscardSink{})
		require.NoError(t, err)
		require.False(t, before.Waiting)
		require.Equal(t, started, before.Progressed)
		require.True(t, during.Waiting, "it waits, and is not hung")
		require.False(t, after.Waiting)
		require.Equal(t, started.Add(time.Minute+time.Hour), after.Progressed, "its wait is no silence")
		require.False(t, silent.Waiting, "it works, and may hang")
		require.Equal(t, after.Progressed, silent.Progressed)
		require.Empty(t, registration.Runs())
	})
}
