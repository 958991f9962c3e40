package resources

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// wide makes a manager whose service may run one task at once, and up to three
// where demand asks for it.
func wide() *Manager {
	m := newManager()
	m.Tune(Config{QueueLimit: 10, Ageing: time.Second, Dynamic: On}, Budget{Bytes: 100 * mb})
	m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 1, MaxRuns: 3})
	return m
}

// expecting is an outlook of two cores.
func expecting(idle, perSecond, waiting float64) Outlook {
	return Outlook{IdleCores: idle, Cores: 2, Services: map[string]ServiceOutlook{"echo": {PerSecond: perSecond, Waiting: waiting}}}
}

// adviceFor returns the echo service's advice.
func adviceFor(t *testing.T, m *Manager, o Outlook) RunAdvice {
	t.Helper()
	for _, one := range m.Adapt(o).Services {
		if one.Service == "echo" {
			return one
		}
	}
	t.Fatal("no advice")
	return RunAdvice{}
}

func TestRunsFollowDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		lease := acquire(t, m, request(10*mb))
		time.Sleep(2 * time.Second)
		lease.Release()
		// Two seconds each, one a second: two slots are busy, and a fifth more is kept.
		busy := expecting(1, 1, 0)
		for range insist - 1 {
			advice := adviceFor(t, m, busy)
			require.Equal(t, Widen, advice.Action)
			require.InDelta(t, 2, advice.Demand, 1e-9)
			require.Equal(t, 3, advice.Wanted)
			require.Equal(t, 1, advice.Runs, "not at the first sight")
		}
		adviceFor(t, m, busy)
		require.Equal(t, 2, adviceFor(t, m, busy).Runs)
		first, second := acquire(t, m, request(10*mb)), acquire(t, m, request(10*mb))
		require.Equal(t, 2, m.Usage().Running, "and so many do run")
		time.Sleep(2 * time.Second)
		first.Release()
		second.Release()
		for range 2 * insist {
			adviceFor(t, m, busy)
		}
		require.Equal(t, 3, adviceFor(t, m, busy).Runs, "not beyond what is allowed")

		quiet := expecting(2, 0.01, 0)
		require.Contains(t, adviceFor(t, m, quiet).Reason, "it is as wide")
		began := 0
		for advice := adviceFor(t, m, quiet); advice.Action != Narrow; advice = adviceFor(t, m, quiet) {
			require.Equal(t, 3, advice.Runs)
			began++
		}
		require.Positive(t, began, "what was asked for of late counts")
		for range leastHold - 1 {
			advice := adviceFor(t, m, quiet)
			require.Equal(t, 3, advice.Runs, "it shrinks late")
			require.Equal(t, Narrow, advice.Action)
		}
		require.Equal(t, 2, adviceFor(t, m, quiet).Runs)
		for range 5 * leastHold {
			adviceFor(t, m, quiet)
		}
		require.Equal(t, 1, adviceFor(t, m, quiet).Runs)
	})
}

func TestARunThatWouldNotHelpIsNotAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		lease := acquire(t, m, request(60*mb))
		time.Sleep(2 * time.Second)
		lease.Release()
		advice := adviceFor(t, m, expecting(0.1, 1, 0))
		require.Equal(t, Stay, advice.Action)
		require.Contains(t, advice.Reason, "no idle core")
		lease = acquire(t, m, request(60*mb))
		advice = adviceFor(t, m, expecting(1, 1, 0))
		require.Equal(t, Stay, advice.Action)
		require.Contains(t, advice.Reason, "another run takes 60.0 MiB, and 40.0 MiB could be had")
		lease.Release()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2})
		require.Equal(t, "its runs are set", adviceFor(t, m, expecting(1, 9, 9)).Reason)
	})
}

func TestABacklogWidens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		lease := acquire(t, m, request(mb))
		order := make(chan string, 1)
		queued(t, m, order, "second", request(mb))
		for range backlogAfter + insist - 2 {
			adviceFor(t, m, expecting(1, 0, 1))
			require.Empty(t, order, "not for a moment's backlog")
		}
		adviceFor(t, m, expecting(1, 0, 1))
		synctest.Wait()
		require.Equal(t, "second", <-order, "the new slot is given at once")
		lease.Release()
	})
}

func TestACrowdWidensSoon(t *testing.T) {
	for name, c := range map[string]struct {
		waiting  int
		expected float64
	}{"that waits": {3, 0}, "that is expected": {1, 2.1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := wide()
				lease := acquire(t, m, request(mb))
				order := make(chan string, c.waiting)
				for range c.waiting {
					queued(t, m, order, "one of them", request(mb))
				}
				for range crowdedAfter + insist - 2 {
					adviceFor(t, m, expecting(1, 0, c.expected))
					require.Equal(t, 1, m.Runs("echo"))
				}
				adviceFor(t, m, expecting(1, 0, c.expected))
				require.Equal(t, 2, m.Runs("echo"))
				lease.Release()
				for range c.waiting {
					<-order
				}
			})
		})
	}
}

// TestARegretMakesTheNextNarrowingLater has the demand come back as soon as the service has
// shrunk, three times, and then stay away for long.
func TestARegretMakesTheNextNarrowingLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 1, MaxRuns: 2})
		lease := acquire(t, m, request(mb))
		time.Sleep(2 * time.Second)
		lease.Release()
		// until is how many samples of an outlook it takes to have so many runs.
		until := func(runs int, o Outlook) (samples int) {
			for m.Runs("echo") != runs {
				adviceFor(t, m, o)
				samples++
				require.Less(t, samples, 10_000)
			}
			return samples
		}
		busy, quiet := expecting(1, 1, 0), expecting(2, 0, 0)
		until(2, busy)
		first := until(1, quiet)
		until(2, busy)
		second := until(1, quiet)
		until(2, busy)
		third := until(1, quiet)
		require.InDelta(t, first+leastHold, second, 10)
		require.InDelta(t, second+2*leastHold, third, 10)
		for range 8 * 4 * leastHold {
			adviceFor(t, m, quiet)
		}
		until(2, busy)
		require.InDelta(t, first, until(1, quiet), 20, "long ago is forgotten")
	})
}

func TestSwitchedOffItOnlyAdvises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		lease := acquire(t, m, request(mb))
		time.Sleep(2 * time.Second)
		lease.Release()
		for range insist {
			adviceFor(t, m, expecting(1, 1, 0))
		}
		require.Equal(t, 2, m.Usage().Services[0].Runs)
		m.Tune(Config{QueueLimit: 10, Ageing: time.Second, Dynamic: Off}, Budget{Bytes: 100 * mb})
		for range 2 * insist {
			advice := adviceFor(t, m, expecting(1, 1, 0))
			require.Equal(t, Widen, advice.Action)
			require.Equal(t, 1, advice.Runs)
		}
	})
}

func TestServicesThatHoldMemoryOthersWaitForAreNarrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, MaxRuns: 3})
		m.Limit("small", ServiceLimit{MaxMemory: 100 * mb, Runs: 1})
		first, second := acquire(t, m, request(45*mb)), acquire(t, m, request(45*mb))
		order := make(chan string, 1)
		queued(t, m, order, "small", services.Claim{Service: "small", Bytes: 50 * mb})
		require.Contains(t, adviceFor(t, m, expecting(1, 0, 0)).Reason, "others wait for memory")
		for range insist {
			adviceFor(t, m, expecting(1, 0, 0))
		}
		require.Equal(t, 1, adviceFor(t, m, expecting(1, 0, 0)).Runs)
		first.Release()
		require.Equal(t, "small", <-order)
		second.Release()
	})
}

// TestTheModelThatIsAskedForOftenStays unloads the one that is asked for less,
// though it was used last.
func TestTheModelThatIsAskedForOftenStays(t *testing.T) {
	for name, c := range map[string]struct {
		dynamic Switch
		evicted string
	}{"by demand": {On, "rare"}, "by age alone": {Off, "often"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newManager()
				m.Tune(Config{QueueLimit: 10, Ageing: time.Second, Dynamic: c.dynamic}, Budget{Bytes: 100 * mb})
				var evicted []string
				use := func(model string) {
					acquire(t, m, services.Claim{Service: "echo", Model: model, Bytes: mb}).Release()
				}
				held := make(map[string]services.Resident)
				for _, model := range []string{"often", "rare"} {
					held[model] = m.Hold(t.Context(), "echo", model, 30*mb, func(context.Context) error {
						evicted = append(evicted, model)
						held[model].Release()
						return nil
					})
				}
				for range 20 {
					use("often")
					held["often"].Touch()
					time.Sleep(time.Second)
				}
				use("rare")
				held["rare"].Touch()
				m.Limit("small", ServiceLimit{MaxMemory: 100 * mb, Runs: 1})
				acquire(t, m, services.Claim{Service: "small", Bytes: 60 * mb}).Release()
				require.NoError(t, m.Stop(context.Background()))
				require.Equal(t, []string{c.evicted}, evicted)
			})
		})
	}
}

func TestUnwantedModelsGoBeforeMemoryIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		var resident services.Resident
		resident = load(t, m, func(context.Context) error { resident.Release(); return nil })
		soon := expecting(1, 0, 0)
		soon.Resident = 95 * mb
		require.Equal(t, Keep, m.Adapt(soon).Models[0].Action, "it was just used")
		time.Sleep(time.Hour)
		require.Equal(t, Keep, m.Adapt(expecting(1, 0, 0)).Models[0].Action, "there is room")
		require.Equal(t, Unload, m.Adapt(soon).Models[0].Action)
		require.NoError(t, m.Stop(context.Background()))
		require.Empty(t, m.Inventory())
	})
}
