package hardening

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// fakeUnit is a unit that records what happens to it.
type fakeUnit struct {
	model string
	guard *Guard

	mu        sync.Mutex
	state     services.State
	steps     []string
	reloadErr error // of the reload
	reload    func()
	canaryErr error // of the canary
	sung      func()
	runs      []services.Run
	success   time.Time
	loaded    bool
	// isolated refuses tasks, for as long as remains said.
	isolated bool
	remains  time.Duration
}

func newFakeUnit() *fakeUnit { return &fakeUnit{state: services.StateReady, loaded: true} }

func (w *fakeUnit) set(state services.State, isolated bool, cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.isolated = state, isolated
	w.steps = append(w.steps, string(state)+": "+cause)
}

func (w *fakeUnit) Name() string  { return "echo" }
func (w *fakeUnit) Model() string { return w.model }
func (w *fakeUnit) State() services.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

func (w *fakeUnit) Status() services.ServiceStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	status := services.ServiceStatus{State: w.state, LastSuccess: w.success}
	if w.loaded {
		status.ModelsLoaded = 1
	}
	return status
}

func (w *fakeUnit) Runs() []services.Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := append([]services.Run(nil), w.runs...)
	for i := range runs {
		runs[i].ID = runs[i].Task
	}
	return runs
}

func (w *fakeUnit) StopRun(task string, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, "stop "+task)
	for i := range w.runs {
		w.runs[i].Stopped = w.runs[i].Task == task
	}
}

func (w *fakeUnit) Isolate(cause string, retryAfter time.Duration) {
	w.change(func() { w.remains = retryAfter })
	w.set(services.StateRecovering, true, cause)
}
func (w *fakeUnit) Restore(cause string) { w.set(services.StateReady, false, cause) }
func (w *fakeUnit) Degrade(cause string) { w.set(services.StateDegraded, false, cause) }
func (w *fakeUnit) GiveUp(cause string, retryAfter time.Duration) {
	w.change(func() { w.remains = retryAfter })
	w.set(services.StateUnavailable, true, cause)
}
func (w *fakeUnit) Fail(cause string) { w.set(services.StateUnavailable, false, cause) }

func (w *fakeUnit) Isolated() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isolated
}

func (w *fakeUnit) Restart(ctx context.Context, _ string) error { return w.Reload(ctx) }

func (w *fakeUnit) Reload(context.Context) error {
	w.mu.Lock()
	reload := w.reload
	w.mu.Unlock()
	if reload != nil {
		reload()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, "reload")
	return w.reloadErr
}

func (w *fakeUnit) Canary(ctx context.Context) error {
	w.mu.Lock()
	w.steps = append(w.steps, "canary")
	err, sung := w.canaryErr, w.sung
	w.mu.Unlock()
	if sung != nil {
		sung()
	}
	if w.guard == nil {
		return err
	}
	return w.guard.Do(services.WithCanary(ctx), always(err))
}

func (w *fakeUnit) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// takeSteps returns what has happened since the last call.
func (w *fakeUnit) takeSteps() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	steps := strings.Join(w.steps, "; ")
	w.steps = nil
	return steps
}

const interval = 30 * time.Second

// recoveredSteps are those of a unit whose breaker opened and that works.
const recoveredSteps = "recovering: its circuit breaker opened; reload; canary; canary; ready: recovered: its circuit breaker opened"

// setup is a recovery manager and a monitor with one unit.
func setup(t *testing.T, recoverable bool, process ...ProcessCheck) (*fakeUnit, *Recovery, *Monitor, *prometheus.Registry) {
	t.Helper()
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	cfg := DefaultConfig()
	cfg.Breaker.Failures = 2
	w := newFakeUnit()
	r := NewRecovery(DefaultRecoveryConfig(), interval, cfg.Breaker.Trials, reg, log)
	w.guard = NewGuard("echo", 1, cfg, r.BreakerChanged, NewGuardMetrics(reg), log)
	m := NewMonitor(MonitorConfig{Enabled: true, CheckInterval: interval, StallTimeout: 2 * time.Minute}, r, process, reg, log)
	r.Watch(w, w.guard, recoverable)
	m.Watch(w)
	require.NoError(t, m.Start(context.Background()))
	t.Cleanup(func() {
		require.NoError(t, m.Stop(context.Background()))
		require.NoError(t, r.Stop(context.Background()))
	})
	return w, r, m, reg
}

func TestAnOpenBreakerLeadsToARecoveredService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _, reg := setup(t, true)
		ctx := context.Background()
		for range 2 {
			require.Error(t, w.guard.Do(ctx, always(errService)))
		}
		synctest.Wait()
		require.Equal(t, recoveredSteps, w.takeSteps())
		require.Equal(t, "closed", w.guard.State())
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP grym_recoveries_total Attempts to bring a failed service, or a model of it, back, by outcome; refuted is a success after which tasks failed.
# TYPE grym_recoveries_total counter
grym_recoveries_total{model="",outcome="failure",service="echo"} 0
grym_recoveries_total{model="",outcome="refuted",service="echo"} 0
grym_recoveries_total{model="",outcome="success",service="echo"} 1
`), "grym_recoveries_total"))
	})
}

func TestAttemptsAreBoundedThenTheServiceIsTriedEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.reloadErr = errors.New("no file") })
		r.Trigger("echo", "", "it broke")
		r.Trigger("echo", "", "it broke again: nothing happens, one recovery is under way")
		synctest.Wait()
		require.Equal(t, "recovering: it broke; reload; recovering: it broke; attempt 1 to recover it failed: no file", w.takeSteps())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Contains(t, w.takeSteps(), "attempt 2")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "reload; unavailable: it broke; 3 attempts to recover it failed, the last one: no file", w.takeSteps())
		time.Sleep(interval)
		synctest.Wait()
		require.Contains(t, w.takeSteps(), "4 attempts")

		w.change(func() { w.reloadErr, w.canaryErr = nil, errService })
		time.Sleep(interval)
		synctest.Wait()
		require.Contains(t, w.takeSteps(), "the last one: canary: it failed")
		w.change(func() { w.canaryErr = nil })
		time.Sleep(interval)
		synctest.Wait()
		require.Equal(t, "reload; canary; canary; ready: recovered: it broke", w.takeSteps())
	})
}

func TestAttemptsInARowAreThoseWithoutAnIntervalOfHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, true)
		w.change(func() { w.success = time.Now().Add(time.Hour) }) // not idle: no canaries of the monitor
		for range 3 {
			r.Trigger("echo", "", "it flaps")
			time.Sleep(5 * time.Second)
			require.Equal(t, services.StateReady, w.State())
		}
		w.change(func() { w.reloadErr = errors.New("no file") })
		r.Trigger("echo", "", "it flaps")
		require.Equal(t, services.StateUnavailable, w.State(), "the attempts before count: it was never well for long")
		w.change(func() { w.reloadErr = nil })
		time.Sleep(2*interval + time.Second)
		w.change(func() { w.reloadErr = errors.New("no file") })
		r.Trigger("echo", "", "it broke")
		synctest.Wait()
		require.Equal(t, services.StateRecovering, w.State(), "well for an interval: the count starts again")
	})
}

func TestWhatIsNotRecoverableIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, _, _ := setup(t, false)
		r.Trigger("echo", "", "it broke")
		for range 2 {
			require.Error(t, w.guard.Do(context.Background(), always(errService)))
		}
		synctest.Wait()
		require.Equal(t, "degraded: its circuit breaker is open", w.takeSteps())
		time.Sleep(10 * time.Second)
		for range 2 {
			require.NoError(t, w.guard.Do(context.Background(), always(nil)))
		}
		require.Equal(t, "ready: its circuit breaker closed", w.takeSteps())
	})
}

func TestAHungRunIsSeenWithinAnIntervalAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, m, _ := setup(t, true)
		time.Sleep(interval / 3) // the hang begins between two looks
		w.change(func() { w.runs = []services.Run{{Task: "7", Name: "say", Progressed: time.Now()}} })
		time.Sleep(interval / 2)
		require.Equal(t, services.StateReady, w.State(), "a run may be silent for a while")
		time.Sleep(interval / 2)
		require.Equal(t, services.StateDegraded, w.State(), "silent for an interval")
		require.Contains(t, m.Checks("echo", "")[0].Detail, "no sign of life")
		w.takeSteps()
		time.Sleep(2*interval + 29*time.Second)
		require.False(t, w.Runs()[0].Stopped)
		time.Sleep(5 * time.Second)
		require.True(t, w.Runs()[0].Stopped, "silent for longer than the stall timeout")
		require.Contains(t, w.takeSteps(), "recovering: task 7 (say) showed no sign of life")
		time.Sleep(interval)
		checks := m.Checks("echo", "")
		require.False(t, checks[0].OK)
		require.Contains(t, checks[0].Detail, "was told to stop and has not")
	})
}

func TestARunThatGaveItsSlotAwayDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _, _ := setup(t, true)
		w.change(func() { w.runs = []services.Run{{Task: "7", Progressed: time.Now(), Waiting: true}} })
		time.Sleep(time.Hour)
		require.Equal(t, services.StateReady, w.State())
		require.Empty(t, w.takeSteps(), "it is not idle: no canary")
	})
}

func TestAnIdleServiceIsProvedByACanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := true
		w, _, m, _ := setup(t, true, ProcessCheck{Name: "disk", Ask: func() (bool, string) { return full, "figures" }})
		time.Sleep(interval + time.Second)
		require.Equal(t, "canary", w.takeSteps())
		require.Equal(t, "disk", m.Checks("", "")[0].Name)
		w.change(func() { w.success = time.Now() })
		time.Sleep(interval - 2*time.Second)
		require.Empty(t, w.takeSteps(), "not idle")
		w.change(func() { w.loaded = false })
		time.Sleep(2 * interval)
		require.Empty(t, w.takeSteps(), "nothing is loaded: a canary would load it")
		w.change(func() { w.loaded, w.canaryErr = true, services.Faultf(services.KindBusy, "full") })
		time.Sleep(interval)
		require.Equal(t, services.StateReady, w.State(), "a full queue says nothing of the service")
		w.takeSteps()
		w.change(func() { w.canaryErr = errService })
		time.Sleep(interval)
		require.Contains(t, w.takeSteps(), "recovering: its canary inference failed")
		w.change(func() { w.canaryErr = nil })
		time.Sleep(2 * interval)
		require.Equal(t, services.StateReady, w.State())
	})
}
