package hardening

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestFailingWorkIsNotIdle has users who fail; no canary runs until they have left.
func TestFailingWorkIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, false)
		time.Sleep(time.Second)
		for range 4 {
			w.use(errService)
			time.Sleep(25 * time.Second)
		}
		require.Empty(t, w.takeSteps())
		time.Sleep(2 * interval)
		require.Contains(t, w.takeSteps(), "canary")
	})
}

func TestARecoveryIsFailingUntilItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newUsers(t, false)
		w.change(func() { w.reload = func() { time.Sleep(time.Second) } })
		r.Trigger("echo", "", "its run has stalled")
		health := w.guard.Health()
		require.Equal(t, services.HealthFailing, health.Status)
		require.Equal(t, "its run has stalled", health.Reason)
		time.Sleep(2 * time.Second)
		require.Equal(t, services.HealthUnproven, w.status())
		require.Contains(t, w.guard.Health().Reason, "its run has stalled")
	})
}

func TestTheBreakerIsHalfOpenForTheCanariesOfARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newUsers(t, false)
		var states []string
		w.change(func() { w.sung = func() { states = append(states, w.guard.State()) } })
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		require.Equal(t, []string{"half-open", "half-open"}, states)
		require.Equal(t, "closed", w.guard.State())
	})
}

// TestACanaryThatDoesNotRunProvesNothing has a full queue when the window is empty.
func TestACanaryThatDoesNotRunProvesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, false)
		for range 3 { // the breaker stays closed
			w.use(errService)
			w.use(nil)
		}
		require.Equal(t, services.HealthFailing, w.status())
		w.change(func() { w.canaryErr = services.Faultf(services.KindBusy, "full") })
		time.Sleep(time.Hour)
		require.Equal(t, services.HealthFailing, w.status())
		w.change(func() { w.canaryErr = nil })
		time.Sleep(2 * interval)
		require.Equal(t, services.HealthUnproven, w.status())
	})
}

// TestAModelThatIsNotLoadedNeedsNoCanary has one that was unloaded after its failures.
func TestAModelThatIsNotLoadedNeedsNoCanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, false)
		for range 3 {
			w.use(errService)
			w.use(nil)
		}
		w.change(func() { w.loaded = false })
		time.Sleep(5*time.Minute - time.Second)
		require.Equal(t, services.HealthFailing, w.status())
		time.Sleep(10 * time.Second)
		require.Equal(t, services.HealthUnproven, w.status())
		require.Empty(t, w.takeSteps())
	})
}

func TestAnUnattendedUnitThatWorksIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, true)
		w.use(nil)
		w.use(errService)
		time.Sleep(time.Hour)
		require.Empty(t, w.takeSteps())
		require.Equal(t, services.HealthHealthy, w.status())
	})
}

// TestATaskThatFailsBeforeItRunsIsAFailedTrial has it be the first after a recovery.
func TestATaskThatFailsBeforeItRunsIsAFailedTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newUsers(t, false)
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		w.takeSteps()
		w.guard.Failed(context.Background(), errService)
		require.Equal(t, "recovering: its circuit breaker opened", w.takeSteps())
		time.Sleep(interval)
		require.Contains(t, w.takeSteps(), "ready: recovered")
	})
}

func TestAResetForgetsTheOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newUsers(t, false)
		w.use(errService)
		require.Equal(t, services.HealthDegraded, w.status())
		w.guard.Reset()
		require.Equal(t, services.HealthHealthy, w.status())
		require.Zero(t, w.guard.Health().Tasks)

		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		w.guard.Reset()
		require.Contains(t, w.guard.Health().Reason, "a reset by an operator")
		w.takeSteps()
		require.True(t, w.use(errService))
		require.Equal(t, "closed", w.guard.State(), "its count starts again")
		require.Empty(t, w.takeSteps())
	})
}

// TestAnOpenBreakerIsFailingWhateverTheWindow has a window that is shorter than the
// breaker's delay.
func TestAnOpenBreakerIsFailingWhateverTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newUsers(t, true, func(c *Config) { c.Health.Window = time.Second })
		for range 5 {
			w.use(errService)
		}
		time.Sleep(10*time.Second - 1)
		require.Equal(t, services.HealthFailing, w.status())
		require.NotEmpty(t, w.problem())
		time.Sleep(6 * time.Second)
		require.Equal(t, services.HealthUnproven, w.status())
		require.Empty(t, w.problem())
	})
}
