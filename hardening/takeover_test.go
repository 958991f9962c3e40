package hardening

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAFailureAfterARestartIsNotIgnored has an operator restart a service that recovery
// has given up on; it fails again before recovery would have tried it.
func TestAFailureAfterARestartIsNotIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.reloadErr = errors.New("no file") })
		r.Trigger("echo", "", "it broke")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		require.Equal(t, services.StateUnavailable, w.State())
		w.takeSteps()
		w.change(func() { w.reloadErr = nil })
		require.NoError(t, r.Restart(context.Background(), "echo", ""))
		require.Equal(t, "recovering: restart by an operator; reload; ready: restarted by an operator", w.takeSteps())
		for range 2 {
			require.Error(t, w.guard.Do(context.Background(), always(errService)))
		}
		synctest.Wait()
		require.Equal(t, recoveredSteps, w.takeSteps())
	})
}

func TestARecoveryEndsWhenSomebodyElseRestoresTheUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.reloadErr, w.success = errors.New("no file"), time.Now().Add(time.Hour) })
		for range 2 {
			r.Trigger("echo", "", "it broke")
			time.Sleep(4 * time.Second)
			require.Equal(t, services.StateUnavailable, w.State())
			w.takeSteps()
			w.Restore("unloaded by an operator")
			r.Trigger("echo", "", "it broke again")
			synctest.Wait()
			require.Contains(t, w.takeSteps(), "recovering: it broke again; reload", "a failure is not ignored")
			w.Restore("unloaded by an operator")
			w.takeSteps()
			time.Sleep(10 * interval)
			require.Empty(t, w.takeSteps(), "nobody reloads a unit that works")
		}
	})
}

func TestARestartForgetsTheAttemptsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.success = time.Now().Add(time.Hour) })
		for range 3 {
			r.Trigger("echo", "", "it flaps")
			time.Sleep(5 * time.Second)
			require.Equal(t, services.StateReady, w.State())
		}
		require.NoError(t, r.Restart(context.Background(), "echo", ""))
		r.Trigger("echo", "", "it broke")
		require.Equal(t, services.StateRecovering, w.State())
	})
}

func TestAModelThatFailsWhileItsServiceRestartsIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newModelSetup(t)
		h.service.change(func() { h.service.reload = func() { h.fail(t) } })
		require.NoError(t, h.recovery.Restart(context.Background(), "echo", ""))
		synctest.Wait()
		require.Equal(t, recoveredSteps, h.model.takeSteps())
	})
}

// stuck has a recovery under way whose reload ends when let is closed.
func stuck(t *testing.T) (w *fakeUnit, r *Recovery, let chan struct{}) {
	t.Helper()
	w, r, _, _ = setup(t, true)
	let = make(chan struct{})
	w.change(func() {
		w.success = time.Now().Add(time.Hour) // not idle: no canaries of the monitor
		w.reload = func() { <-let }
	})
	r.Trigger("echo", "", "it broke")
	synctest.Wait()
	w.takeSteps()
	return w, r, let
}

func TestARestartWaitsForTheAttemptUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, let := stuck(t)
		result := make(chan error, 1)
		go func() { result <- r.Restart(context.Background(), "echo", "") }()
		synctest.Wait()
		require.Empty(t, result)
		close(let)
		require.NoError(t, <-result)
		require.Equal(t, "reload; canary; recovering: restart by an operator; reload; ready: restarted by an operator", w.takeSteps(),
			"the attempt that was taken over restores nothing")
		require.Equal(t, "closed", w.guard.State())
	})
}

func TestARestartThatIsBrokenOffLeavesTheRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, let := stuck(t)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.Restart(ctx, "echo", ""), context.DeadlineExceeded)
		require.True(t, w.Isolated())
		close(let)
		time.Sleep(5 * time.Second)
		require.Equal(t, services.StateReady, w.State())
	})
}

func TestRestartsOfAServiceFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		var work sync.WaitGroup
		for range 3 {
			work.Go(func() {
				if err := r.Restart(context.Background(), "echo", ""); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		one := "recovering: restart by an operator; reload; ready: restarted by an operator"
		require.Equal(t, one+"; "+one+"; "+one, w.takeSteps())
	})
}

func TestARestartAfterCloseIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		require.NoError(t, r.Stop(context.Background()))
		require.Equal(t, services.KindUnavailable, services.KindOf(r.Restart(context.Background(), "echo", "")))
		require.Equal(t, services.KindNotFound, services.KindOf(r.Restart(context.Background(), "nobody", "")))
		require.Empty(t, w.takeSteps())
	})
}

// TestWhateverComesTogetherEndsReady has failures, restarts and operators who restore the
// unit at the same time. A unit that works is ready in the end.
func TestWhateverComesTogetherEndsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.success = time.Now().Add(time.Hour) })
		for range 200 {
			var work sync.WaitGroup
			for range 6 {
				work.Go(func() {
					switch rand.IntN(5) {
					case 0:
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3))*time.Second)
						defer cancel()
						_ = r.Restart(ctx, "echo", "") // it may fail
					case 1:
						w.Restore("by an operator")
					case 2:
						w.change(func() { w.reloadErr = errors.New("no file") })
						time.Sleep(time.Duration(rand.IntN(3)) * time.Second)
						w.change(func() { w.reloadErr = nil })
					default:
						r.Trigger("echo", "", "it broke")
					}
				})
			}
			work.Wait()
		}
		time.Sleep(2*interval + time.Second)
		require.Equal(t, services.StateReady, w.State())
		require.False(t, w.Isolated())
		require.Nil(t, r.units[key{service: "echo"}].activity)
	})
}
