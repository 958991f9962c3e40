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
		require.Equal(t, Narrow, adviceFor(t, m, quiet).Action)
		for range 4 * insist {
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
		for range insist {
			adviceFor(t, m, expecting(1, 0, 3))
		}
		synctest.Wait()
		require.Equal(t, "second", <-order, "the new slot is given at once")
		lease.Release()
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
