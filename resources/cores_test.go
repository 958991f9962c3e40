package resources

import (
	"sync/atomic"
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

// serve runs tasks of echo, which yield at each step until they are stopped.
func serve(t *testing.T, m *Manager, tasks int, step time.Duration, stop <-chan struct{}) {
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
				case <-time.After(step):
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
		serve(t, m, 4, time.Second, stop)
		require.Equal(t, 4, running(m), "alone it uses all")
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		require.Equal(t, 4, running(m), "until its tasks yield")
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 2, running(m))
		serve(t, m, 1, time.Second, stop)
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

// steps runs tasks of small, one after another, each of so many seconds, with so long a
// pause after each; it returns for how long no task of echo had a slot.
func steps(t *testing.T, m *Manager, tasks int, length, pause time.Duration) (alone time.Duration) {
	t.Helper()
	const tick = 10 * time.Millisecond
	for range tasks {
		lease := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		for range length / tick {
			synctest.Wait()
			if running(m) == 0 {
				alone += tick
			}
			time.Sleep(tick)
			require.NoError(t, lease.Yield(t.Context()))
		}
		lease.Release()
		time.Sleep(pause)
	}
	return alone
}

// TestAServiceOfWhichLittleRanGoesFirst has a service saturated, whose tasks yield each
// 0.1 s, and tasks of another.
func TestAServiceOfWhichLittleRanGoesFirst(t *testing.T) {
	for name, c := range map[string]struct {
		tasks                        int
		length, pause, least, atMost time.Duration
	}{
		"a short task":                  {1, 800 * time.Millisecond, 0, 690 * time.Millisecond, 800 * time.Millisecond},
		"a long task":                   {1, 30 * time.Second, 0, 890 * time.Millisecond, time.Second},
		"short tasks now and then":      {20, 500 * time.Millisecond, 4 * time.Second, 7900 * time.Millisecond, 10 * time.Second},
		"short tasks one after another": {60, 500 * time.Millisecond, 0, 4 * time.Second, 6 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, stop := sharing(), make(chan struct{})
			serve(t, m, 4, 100*time.Millisecond, stop)
			time.Sleep(time.Minute + 50*time.Millisecond)
			alone := steps(t, m, c.tasks, c.length, c.pause)
			t.Logf("%s: the other one stood still for %s", name, alone)
			require.GreaterOrEqual(t, alone, c.least, name)
			require.LessOrEqual(t, alone, c.atMost, name)
			close(stop)
		})
	}
}

// TestTheOthersGoOnAtOnce has tasks that have yielded to one of another service, which
// ends, or works on without a yield.
func TestTheOthersGoOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		serve(t, m, 4, 100*time.Millisecond, stop)
		time.Sleep(time.Minute)
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.Zero(t, running(m), "each has yielded since")
		late := make(chan struct{})
		go func() {
			defer close(late)
			if lease, err := m.Acquire(t.Context(), request(mb)); err == nil {
				lease.Release()
			}
		}()
		synctest.Wait()
		require.Zero(t, running(m), "nor does a new task start")
		other.Release()
		synctest.Wait()
		require.Equal(t, 2, running(m), "its share")
		<-late
		time.Sleep(time.Minute)
		other = acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(shortWork - 1)
		synctest.Wait()
		require.Zero(t, running(m))
		time.Sleep(2)
		synctest.Wait()
		require.Equal(t, 2, running(m), "it goes first no longer")
		other.Release()
		close(stop)
	})
}

// TestATaskThatHangsDoesNotGoFirst has the processor idle from the start of a task that the
// others wait for, and then has it compute.
func TestATaskThatHangsDoesNotGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		defer close(stop)
		var computing atomic.Bool
		computing.Store(true)
		var cpu time.Duration // mu of the manager guards it and last
		last := time.Now()
		m.cpu = func() (time.Duration, error) {
			if computing.Load() {
				cpu += time.Since(last)
			}
			last = time.Now()
			return cpu, nil
		}
		serve(t, m, 4, 5*time.Millisecond, stop)
		time.Sleep(30 * time.Second)
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(4 * glance)
		synctest.Wait()
		require.Zero(t, running(m), "a task that computes goes first")
		other.Release()
		time.Sleep(30 * time.Second)

		computing.Store(false)
		other = acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(glance - time.Millisecond)
		synctest.Wait()
		require.Zero(t, running(m), "it may still compute")
		time.Sleep(2 * glance)
		synctest.Wait()
		require.Equal(t, 2, running(m), "it does not")
		time.Sleep(shortWork / 2)
		synctest.Wait()
		require.Equal(t, 2, running(m), "nor is it asked again")
		other.Release()

		computing.Store(true)
		time.Sleep(30 * time.Second)
		other = acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(4 * glance)
		synctest.Wait()
		require.Zero(t, running(m), "the next one goes first again")
		other.Release()
	})
}

// TestStopEndsTheTurnOfAServiceThatGoesFirst has others wait meanwhile.
func TestStopEndsTheTurnOfAServiceThatGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		serve(t, m, 4, 100*time.Millisecond, stop)
		time.Sleep(time.Minute)
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(200 * time.Millisecond)
		began := time.Now()
		require.NoError(t, m.Stop(t.Context()))
		require.Equal(t, began, time.Now())
		synctest.Wait()
		require.Equal(t, 4, running(m), "those that had begun end")
		other.Release()
		close(stop)
	})
}

// TestNobodyGoesFirstAmongEquals has two services that are both saturated, or both begin.
func TestNobodyGoesFirstAmongEquals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := sharing(), make(chan struct{})
		m.Limit("small", ServiceLimit{MaxMemory: 40 * mb, Runs: 1, Cores: 1})
		serve(t, m, 4, time.Second, stop)
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
		serve(t, m, 4, time.Second, stop)
		time.Sleep(10 * time.Second)
		other := acquire(t, m, services.Claim{Service: "small", Bytes: mb})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 4, running(m))
		other.Release()
		close(stop)
	})
}
