package resources

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// sharing returns a manager of a service with four run slots and two cores, and of one
// with a single slot.
func sharing() *Manager {
	m := newManager()
	m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 4, Cores: 2})
	return m
}

// running returns how many tasks of echo hold a run slot.
func running(m *Manager) int {
	for _, s := range m.Usage().Services {
		if s.Name == "echo" {
			return s.Running
		}
	}
	return 0
}

// serve runs tasks of echo, which yield each second until they are stopped.
func serve(t *testing.T, m *Manager, tasks int, stop <-chan struct{}) {
	t.Helper()
	for range tasks {
		go func() {
			lease, err := m.Acquire(t.Context(), request(mb))
			if err != nil {
				return
			}
			defer lease.Release()
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
				}
				if lease.Yield(t.Context()) != nil {
					return
				}
			}
		}()
	}
	synctest.Wait()
}

func TestAServiceKeepsToItsCoresBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		serve(t, m, 4, stop)
		require.Equal(t, 4, running(m), "alone it uses all")
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		require.Equal(t, 4, running(m), "until its tasks yield")
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 2, running(m))
		serve(t, m, 1, stop)
		require.Equal(t, 2, running(m), "nor does one more start")
		other.Release()
		time.Sleep(linger / 2)
		synctest.Wait()
		require.Equal(t, 2, running(m), "the next request may come at once")
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 4, running(m), "alone again")
		close(stop)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Zero(t, running(m))
		require.Zero(t, m.Usage().Waiting)
	})
}

func TestTheShareOfTheCoresIsAtMostTheRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sharing()
		now := time.Now()
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		echo := m.accounts["echo"]
		require.Equal(t, 2, m.slots(echo, now))
		require.Equal(t, 1, m.slots(m.accounts["small"], now), "it has no share")
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 4})
		require.Equal(t, 4, m.slots(echo, now), "no bound")
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 1, Cores: 2})
		require.Equal(t, 1, m.slots(echo, now), "no more than it has runs")
		other.Release()
	})
}

// TestASoleTaskNeverWaitsForOthers has tasks of both services yield beside each other.
func TestASoleTaskNeverWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, Cores: 1})
		one := acquire(t, m, request(mb))
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		for range 3 {
			require.NoError(t, one.Yield(t.Context()))
			require.NoError(t, other.Yield(t.Context()))
		}
		one.Release()
		other.Release()
	})
}
