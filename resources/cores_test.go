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

// TestAServiceOfWhichLittleRanGoesFirst has a service saturated, and then a task of another.
func TestAServiceOfWhichLittleRanGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		serve(t, m, 4, stop)
		time.Sleep(10*time.Second + 500*time.Millisecond)
		for range 3 {
			require.Positive(t, running(m))
			other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
			time.Sleep(time.Second)
			synctest.Wait()
			require.Zero(t, running(m), "each has yielded since")
			late := make(chan struct{})
			go func() {
				lease, err := m.Acquire(t.Context(), request(mb))
				if err == nil {
					lease.Release()
				}
				close(late)
			}()
			synctest.Wait()
			require.Zero(t, running(m), "nor does a new task start")
			other.Release()
			synctest.Wait()
			require.Equal(t, 2, running(m), "at once")
			<-late
			time.Sleep(10 * time.Second)
		}
		close(stop)
	})
}

// TestTheFirstPlaceIsForAMoment has a task of the other service that runs on, whether it
// yields or not.
func TestTheFirstPlaceIsForAMoment(t *testing.T) {
	for _, yields := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m, stop := sharing(), make(chan struct{})
			serve(t, m, 4, stop)
			time.Sleep(60 * time.Second)
			began := time.Now()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				other, err := m.Acquire(t.Context(), services.Claim{Service: "small", Bytes: mb})
				if err != nil {
					return
				}
				defer other.Release()
				for time.Since(began) < time.Minute {
					time.Sleep(time.Second)
					if yields && other.Yield(t.Context()) != nil {
						return
					}
				}
			}()
			var first, second time.Duration
			for time.Since(began) < time.Minute {
				synctest.Wait()
				switch n := running(m); {
				case n == 0:
					first += 10 * time.Millisecond
				case time.Since(began) > 4*time.Second:
					require.Equal(t, 2, n, "its share, yields %t", yields)
					second += 10 * time.Millisecond
				}
				time.Sleep(10 * time.Millisecond)
			}
			require.Greater(t, first, time.Second)
			require.Less(t, first, precedenceSpan, "yields %t", yields)
			require.Greater(t, second, 50*time.Second)
			<-ended
			close(stop)
		})
	}
}

// TestNobodyGoesFirstAmongEquals has two services that are both saturated, or both begin.
func TestNobodyGoesFirstAmongEquals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		m.Limit("small", ServiceLimit{MaxMemory: 40 * mb, Runs: 1, Cores: 1})
		serve(t, m, 4, stop)
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		for range 60 {
			time.Sleep(time.Second)
			synctest.Wait()
			require.GreaterOrEqual(t, running(m), 2)
			require.NoError(t, other.Yield(t.Context()))
		}
		other.Release()
		close(stop)
	})
}

// TestNobodyGoesFirstBesideAServiceThatTakesAllCores has one without a share.
func TestNobodyGoesFirstBesideAServiceThatTakesAllCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 4})
		serve(t, m, 4, stop)
		time.Sleep(10 * time.Second)
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 4, running(m))
		other.Release()
		close(stop)
	})
}
