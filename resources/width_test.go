package resources

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// twoSeconds has a task of the echo service hold a slot for two seconds.
func twoSeconds(t *testing.T, m *Manager) {
	t.Helper()
	lease := acquire(t, m, request(mb))
	time.Sleep(2 * time.Second)
	lease.Release()
}

func TestAnInterruptionBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		twoSeconds(t, m)
		for range insist - 1 {
			require.Equal(t, Widen, adviceFor(t, m, expecting(1, 1, 0)).Action)
		}
		require.Equal(t, Stay, adviceFor(t, m, expecting(0.19, 1, 0)).Action, "no core is idle for a moment")
		for range insist {
			require.Equal(t, 1, m.Runs("echo"))
			require.Equal(t, Widen, adviceFor(t, m, expecting(0.2, 1, 0)).Action, "a tenth of two cores is enough")
		}
		require.Equal(t, 2, m.Runs("echo"))
	})
}

func TestAWidthShrinksOnlyIfMostOfASlotIsUnused(t *testing.T) {
	for name, c := range map[string]struct {
		perSecond float64
		narrows   bool
		says      string
	}{
		"half of the other slot": {0.25, true, "only 0.50 slots are asked for, in 60 of the 60 samples"},
		"a little more":          {0.26, false, "only 0.52 slots are asked for, but 0.52 were of late"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := wide()
				m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 1, MaxRuns: 2})
				twoSeconds(t, m)
				m.accounts["echo"].demand.width = 2
				for range leastHold - 1 {
					require.Equal(t, 2, adviceFor(t, m, expecting(1, c.perSecond, 0)).Runs)
				}
				require.Contains(t, adviceFor(t, m, expecting(1, c.perSecond, 0)).Reason, c.says)
				require.Equal(t, c.narrows, m.Runs("echo") == 1)
				for range 5 * leastHold {
					require.NotEqual(t, Widen, adviceFor(t, m, expecting(1, c.perSecond, 0)).Action)
				}
			})
		})
	}
}

func TestAWaitingTaskKeepsTheWidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 1, MaxRuns: 2})
		m.accounts["echo"].demand.width = 2
		for range leastHold - 1 {
			require.Equal(t, Narrow, adviceFor(t, m, expecting(1, 0, 0)).Action)
		}
		first, second := acquire(t, m, request(mb)), acquire(t, m, request(mb))
		order := make(chan string, 1)
		queued(t, m, order, "third", request(mb))
		require.NotEqual(t, Narrow, adviceFor(t, m, expecting(1, 0, 0)).Action)
		first.Release()
		synctest.Wait()
		require.Equal(t, "third", <-order)
		second.Release()
		for range leastHold - 1 {
			adviceFor(t, m, expecting(1, 0, 0))
			require.Equal(t, 2, m.Runs("echo"), "the samples count from the start again")
		}
		adviceFor(t, m, expecting(1, 0, 0))
		require.Equal(t, 1, m.Runs("echo"))
	})
}

func TestTwoTasksForEachSlotAreNoCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		for range 5 * crowdedAfter {
			require.Equal(t, Stay, adviceFor(t, m, expecting(1, 0, 9)).Action, "nothing waits, whatever is expected")
		}
		lease := acquire(t, m, request(mb))
		ends := make(chan struct{})
		var tasks sync.WaitGroup
		wait := func(n int) { // n tasks that hold their slots
			for range n {
				tasks.Go(func() {
					if lease, err := m.Acquire(t.Context(), request(mb)); err == nil {
						<-ends
						lease.Release()
					}
				})
			}
			synctest.Wait()
		}
		wait(2)
		for range crowdedAfter + insist {
			require.Equal(t, Stay, adviceFor(t, m, expecting(1, 0, 2)).Action)
		}
		wait(7)
		until := func(runs int) (samples int) {
			for m.Runs("echo") < runs {
				adviceFor(t, m, expecting(1, 0, 0))
				samples++
				require.Less(t, samples, 100)
			}
			return samples
		}
		require.Equal(t, crowdedAfter+insist-1, until(2))
		require.Equal(t, crowdedAfter+insist-1, until(3), "each step needs a crowd of its own")
		lease.Release()
		close(ends)
		tasks.Wait()
	})
}
