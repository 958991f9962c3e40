package hardening

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// newTestOutcomes returns outcomes with the default settings, and the changes of their
// status so far.
func newTestOutcomes() (o *outcomes, changes func() string) {
	var list []string
	o = newOutcomes(DefaultConfig().Health, func(from, to services.HealthStatus, _ string) {
		list = append(list, string(from)+" "+string(to))
	})
	return o, func() string { return strings.Join(list, ", ") }
}

// end records tasks: a dot is one that succeeds, an x one that fails.
func (o *outcomes) end(tasks string) (trip bool) {
	for _, task := range tasks {
		trip = o.add(o.begin(), task == 'x') || trip
	}
	return trip
}

func TestHealthFollowsFromTheRateOfFailures(t *testing.T) {
	for tasks, want := range map[string]services.HealthStatus{
		"":                       services.HealthHealthy,
		".":                      services.HealthHealthy,
		"x":                      services.HealthDegraded,
		"xxxx":                   services.HealthDegraded, // too few
		"xxxxx":                  services.HealthFailing,
		"..xxx":                  services.HealthFailing,
		"...xx":                  services.HealthDegraded,
		"x.x.x.":                 services.HealthFailing, // at the fifth
		".........x":             services.HealthDegraded,
		"..........x":            services.HealthHealthy,
		"x" + dots(9):            services.HealthDegraded,
		"x" + dots(10):           services.HealthHealthy,
		"xxxx" + dots(36):        services.HealthDegraded,
		"xxxx" + dots(37):        services.HealthHealthy,
		"xxxxx" + dots(4):        services.HealthFailing,
		"xxxxx" + dots(5):        services.HealthFailing, // half of them
		"xxxxx" + dots(6):        services.HealthDegraded,
		"xxxxx" + dots(6) + "xx": services.HealthFailing,
	} {
		synctest.Test(t, func(t *testing.T) {
			o, _ := newTestOutcomes()
			require.False(t, o.end(tasks), "the breaker decides by itself")
			health := o.view()
			require.Equal(t, want, health.Status, tasks)
			require.Equal(t, len(tasks), health.Tasks, tasks)
			require.Equal(t, strings.Count(tasks, "x"), health.Failed, tasks)
			require.Equal(t, want == services.HealthHealthy, health.Reason == "", health.Reason)
		})
	}
}

func dots(n int) string { return strings.Repeat(".", n) }

func TestOutcomesCountForTheWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutcomes()
		o.end("xx")
		time.Sleep(5*time.Minute - time.Second)
		o.end("xx")
		require.Equal(t, 4, o.view().Tasks)
		require.Equal(t, services.HealthDegraded, o.view().Status)
		time.Sleep(time.Second)
		require.Equal(t, 2, o.view().Tasks)
		o.end("xx")
		require.Equal(t, services.HealthDegraded, o.view().Status, "four within five minutes")
		time.Sleep(5 * time.Minute)
		health := o.view()
		require.Equal(t, services.HealthHealthy, health.Status)
		require.Zero(t, health.Tasks+health.Failed)
		require.Equal(t, time.Now(), health.Since, "it was seen now")
	})
}

// TestOldOutcomesDoNotCountForANewOne has nobody look at the health in between.
func TestOldOutcomesDoNotCountForANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutcomes()
		o.end("xxxx")
		time.Sleep(5 * time.Minute)
		o.end("x")
		require.Equal(t, services.HealthDegraded, o.view().Status)
	})
}

// TestSuccessesBeforeAnEmptyWindowProveNothing has two of three before.
func TestSuccessesBeforeAnEmptyWindowProveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutcomes()
		o.end("xxxxx..")
		time.Sleep(5 * time.Minute)
		o.review(true)
		o.end("..")
		require.Equal(t, services.HealthUnproven, o.view().Status)
		o.end(".")
		require.Equal(t, services.HealthHealthy, o.view().Status)
	})
}

// TestAReviewLetsTimePass has nobody look at the health but the watchdog.
func TestAReviewLetsTimePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, changes := newTestOutcomes()
		o.end("x")
		time.Sleep(5 * time.Minute)
		o.review(false)
		require.Equal(t, "healthy degraded, degraded healthy", changes())
	})
}

func TestTheFirstReasonOfAFailureStays(t *testing.T) {
	t.Parallel()
	o, _ := newTestOutcomes()
	o.end("xxxxx")
	o.fail("its circuit breaker has opened")
	require.Equal(t, "5 of the latest 5 tasks within 5m0s have failed", o.view().Reason)
}

func TestTheLatestOutcomesCount(t *testing.T) {
	t.Parallel()
	o, _ := newTestOutcomes()
	o.end(strings.Repeat("x", 20))
	o.end(dots(mostOutcomes - 20))
	require.Equal(t, 20, o.view().Failed)
	require.Equal(t, mostOutcomes, o.view().Tasks)
	o.end(dots(10))
	require.Equal(t, 10, o.view().Failed)
	require.Equal(t, mostOutcomes, o.view().Tasks)
}

func TestAFailingModelIsNotFailingForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, changes := newTestOutcomes()
		o.end("xxxxx")
		o.review(true)
		require.Equal(t, services.HealthFailing, o.view().Status, "there are outcomes")
		time.Sleep(5 * time.Minute)
		require.Equal(t, services.HealthFailing, o.view().Status)
		o.review(false)
		require.Equal(t, services.HealthFailing, o.view().Status, "no canary has succeeded")
		o.review(true)
		require.Equal(t, services.HealthUnproven, o.view().Status)
		require.Contains(t, o.view().Reason, "no task has shown yet")
		for range 100 {
			time.Sleep(time.Hour)
			o.review(true)
		}
		require.Equal(t, services.HealthUnproven, o.view().Status, "canaries do not make it healthy")
		require.False(t, o.end(".."))
		require.Equal(t, services.HealthUnproven, o.view().Status)
		require.False(t, o.end("."))
		require.Equal(t, services.HealthHealthy, o.view().Status)
		require.False(t, o.isRefuted())
		require.Equal(t, "healthy degraded, degraded failing, failing unproven, unproven healthy", changes())
	})
}

func TestTheFirstFailureOfAnUnprovenModelOpensItsBreaker(t *testing.T) {
	for name, prepare := range map[string]func(o *outcomes){
		"an empty window": func(o *outcomes) { time.Sleep(5 * time.Minute); o.review(true) },
		"a recovery":      func(o *outcomes) { o.recovered("it broke", false) },
	} {
		synctest.Test(t, func(t *testing.T) {
			o, _ := newTestOutcomes()
			o.end("xxxxx")
			prepare(o)
			require.Equal(t, services.HealthUnproven, o.view().Status, name)
			require.Zero(t, o.view().Tasks, name)
			require.False(t, o.end(".."), name)
			require.True(t, o.end("x"), name)
			require.Equal(t, services.HealthFailing, o.view().Status, name)
			require.True(t, o.isRefuted(), name)
			require.False(t, o.end("x"), "%s: its breaker is open", name)
			o.recovered("it broke again", false)
			require.True(t, o.isRefuted(), "%s: until tasks have succeeded", name)
			o.end("...")
			require.False(t, o.isRefuted(), name)
			require.Equal(t, services.HealthHealthy, o.view().Status, name)
		})
	}
}

func TestSuccessesInARowEndFailing(t *testing.T) {
	t.Parallel()
	o, _ := newTestOutcomes()
	o.end("xxxxx" + dots(5))
	require.Equal(t, services.HealthFailing, o.view().Status, "half of them have failed")
	o.end("x" + dots(2))
	require.Equal(t, services.HealthFailing, o.view().Status, "only two in a row")
	o.end(".")
	require.Equal(t, services.HealthDegraded, o.view().Status)
}

func TestAnOperatorsResetLeavesTheBreakerAlone(t *testing.T) {
	t.Parallel()
	o, _ := newTestOutcomes()
	o.end("xxxx")
	o.forget("a reset")
	require.Equal(t, services.HealthHealthy, o.view().Status)
	o.end("xxxxx")
	o.forget("a reset")
	require.Equal(t, services.HealthUnproven, o.view().Status)
	require.Contains(t, o.view().Reason, "a reset")
	require.False(t, o.end("x"), "the count of the breaker starts again")
	require.Equal(t, services.HealthFailing, o.view().Status)
	o.recovered("it broke", false)
	o.forget("a reset")
	require.False(t, o.end("x"))
	require.False(t, o.isRefuted())
}

func TestATaskThatBeganBeforeTheRecoveryDoesNotCount(t *testing.T) {
	t.Parallel()
	for name, renew := range map[string]func(o *outcomes){
		"recovered": func(o *outcomes) { o.recovered("it broke", false) }, "reset": func(o *outcomes) { o.forget("a reset") },
	} {
		o, _ := newTestOutcomes()
		o.end("xxxxx")
		era := o.begin()
		renew(o)
		require.False(t, o.add(era, true), name)
		require.Equal(t, services.HealthUnproven, o.view().Status, name)
		for range 5 {
			require.False(t, o.add(era, false), name)
		}
		require.Equal(t, services.HealthUnproven, o.view().Status, name)
	}
}

func TestTrialsThatCloseTheBreakerCount(t *testing.T) {
	t.Parallel()
	o, _ := newTestOutcomes()
	o.closed()
	require.Equal(t, services.HealthHealthy, o.view().Status)
	o.end("xxxxx..")
	o.closed()
	require.Equal(t, services.HealthUnproven, o.view().Status)
	require.Zero(t, o.view().Tasks)
	require.False(t, o.end("."), "the third in a row")
	require.Equal(t, services.HealthHealthy, o.view().Status)
	o.end("xxxxx...")
	o.closed()
	require.Equal(t, services.HealthHealthy, o.view().Status)
}

func TestIdleIsWithoutTasksOfAnyOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutcomes()
		require.True(t, o.idle(time.Hour))
		for _, tasks := range []string{"x", "."} {
			o.end(tasks)
			time.Sleep(time.Minute - 1)
			require.False(t, o.idle(time.Minute))
			time.Sleep(1)
			require.True(t, o.idle(time.Minute))
		}
		o.recovered("it broke", false)
		require.True(t, o.idle(time.Minute))
		o.end("x")
		o.recovered("it broke", false)
		require.False(t, o.idle(time.Minute), "whatever became of the outcome")
	})
}

// TestARecoveryAfterManyIsATrial has a recovery after which the model stays failing until
// tasks have succeeded in a row, or the window is empty.
func TestARecoveryAfterManyIsATrial(t *testing.T) {
	for tasks, want := range map[string]struct {
		status services.HealthStatus
		trip   bool
		left   int
	}{
		"":    {services.HealthFailing, false, 6},
		"..":  {services.HealthFailing, false, 8},
		"..x": {services.HealthFailing, true, 9},
		"xx":  {services.HealthFailing, true, 8},
		"...": {services.HealthHealthy, false, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			o, _ := newTestOutcomes()
			o.end("xxxxx")
			o.recovered("it broke", true)
			require.Equal(t, services.HealthUnproven, o.view().Status, "no task has failed after a recovery")
			require.True(t, o.end("xxxxxx"))
			o.recovered("it broke", true)
			o.closed()
			o.review(true)
			require.Equal(t, want.trip, o.end(tasks), tasks)
			health := o.view()
			require.Equal(t, want.status, health.Status, tasks)
			require.Equal(t, want.left, health.Tasks, tasks)
			if health.Status == services.HealthFailing {
				time.Sleep(5 * time.Minute)
				o.review(true)
				require.Equal(t, services.HealthUnproven, o.view().Status, tasks)
				require.True(t, o.end("x"), tasks)
			}
		})
	}
}
