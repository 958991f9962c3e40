package resources

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mb = services.MiB

// newManager shares out 100 MiB; echo may take all of it in two runs, and
// small 40 MiB in one.
func newManager(change ...func(*Config)) *Manager {
	cfg := DefaultConfig()
	for _, f := range change {
		f(&cfg)
	}
	return managerOf(cfg, Dependencies{})
}

// managerOf is newManager with settings, and a probe and sources.
func managerOf(cfg Config, deps Dependencies) *Manager {
	deps.Metrics, deps.Log = prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	m := NewManager(cfg, Budget{Bytes: 100 * mb}, deps)
	m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2})
	m.Limit("small", ServiceLimit{MaxMemory: 40 * mb, Runs: 1})
	return m
}

// totals is the usage without its parts.
func totals(m *Manager) Usage {
	u := m.Usage()
	u.Services = nil
	return u
}

func request(bytes services.Bytes) services.Claim {
	return services.Claim{Service: "echo", Bytes: bytes}
}

func acquire(t *testing.T, m *Manager, claim services.Claim) *Lease {
	t.Helper()
	lease, err := m.Acquire(t.Context(), claim)
	require.NoError(t, err)
	return lease.(*Lease)
}

// queued acquires in the background and sends the name once it has the lease.
func queued(t *testing.T, m *Manager, order chan<- string, name string, claim services.Claim) {
	t.Helper()
	go func() {
		lease, err := m.Acquire(t.Context(), claim)
		if err != nil {
			order <- name + ": " + err.Error()
			return
		}
		order <- name
		lease.Release()
	}()
	synctest.Wait()
}

func TestTurnsGoByPriorityAndAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		running := acquire(t, m, services.Claim{Service: "small"})
		order := make(chan string, 4)
		queued(t, m, order, "low", services.Claim{Service: "small", Priority: services.PriorityLow})
		queued(t, m, order, "normal", services.Claim{Service: "small"})
		queued(t, m, order, "high", services.Claim{Service: "small", Priority: services.PriorityHigh})
		// The low task has waited long enough to go before a normal one that comes now.
		time.Sleep(31 * time.Second)
		queued(t, m, order, "late", services.Claim{Service: "small"})
		running.Release()
		require.Equal(t, []string{"high", "normal", "low", "late"}, []string{<-order, <-order, <-order, <-order})
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(func(c *Config) { c.QueueLimit = 1 })
		_, err := m.Acquire(t.Context(), request(101*mb))
		require.Equal(t, services.KindTooLarge, services.KindOf(err))
		require.ErrorContains(t, err, "needs 105906176 bytes")
		_, err = m.Acquire(t.Context(), services.Claim{Service: "small", Bytes: 41 * mb})
		require.Equal(t, services.KindTooLarge, services.KindOf(err), "a service's own limit counts")
		_, err = m.Acquire(t.Context(), services.Claim{Service: "nobody"})
		require.Equal(t, services.KindNotFound, services.KindOf(err))

		running := acquire(t, m, services.Claim{Service: "small"})
		_, err = m.Acquire(t.Context(), services.Claim{Service: "small", Deadline: time.Now()})
		require.Equal(t, services.KindBusy, services.KindOf(err), "its deadline is over")
		order := make(chan string, 1)
		queued(t, m, order, "waiting", services.Claim{Service: "small"})
		_, err = m.Acquire(t.Context(), services.Claim{Service: "small"})
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, services.KindBusy, fault.Kind)
		require.Positive(t, fault.RetryAfter)
		running.Release()
		<-order
		require.NoError(t, m.Stop(context.Background()))
		_, err = m.Acquire(t.Context(), request(1))
		require.Equal(t, services.KindUnavailable, services.KindOf(err))
	})
}

func TestALargeTaskIsNotStarvedBySmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		running := acquire(t, m, request(60*mb))
		order := make(chan string, 3)
		queued(t, m, order, "large", request(80*mb))
		queued(t, m, order, "little", request(1*mb)) // would fit now, but came later
		require.Empty(t, order)
		running.Release()
		require.ElementsMatch(t, []string{"large", "little"}, []string{<-order, <-order})
	})
}

func TestWhoLeavesTheQueueLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		running := acquire(t, m, request(90*mb))
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := m.Acquire(ctx, request(50*mb)); left <- err }()
		synctest.Wait()
		require.Equal(t, 1, m.Usage().Waiting)
		leave()
		require.ErrorIs(t, <-left, context.Canceled)
		running.Release()
		running.Release()
		require.Equal(t, Usage{Budget: 100 * mb}, totals(m))
	})
}

func TestWhoLeavesTheQueueLetsThoseBehindThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		running := acquire(t, m, request(60*mb))
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := m.Acquire(ctx, request(80*mb)); left <- err }()
		synctest.Wait()
		order := make(chan string, 1)
		queued(t, m, order, "little", request(1*mb))
		require.Empty(t, order, "held back by the large one")
		leave()
		require.ErrorIs(t, <-left, context.Canceled)
		require.Equal(t, "little", <-order)
		running.Release()
	})
}

func TestAModelTakesItsBytesFromTheLeaseThatLoadedIt(t *testing.T) {
	t.Parallel()
	m := newManager()
	lease := acquire(t, m, request(50*mb))
	resident := m.Hold(services.WithLease(t.Context(), lease), "echo", "model", 30*mb, nil)
	require.Equal(t, Usage{Budget: 100 * mb, Leased: 20 * mb, Resident: 30 * mb, Running: 1}, totals(m))
	lease.Release()
	require.Equal(t, 30*mb, m.Usage().Resident)
	resident.Release()
	resident.Release()
	require.Equal(t, Usage{Budget: 100 * mb}, totals(m))
}

func TestTheModelUsedLongestAgoIsEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		var mu sync.Mutex
		var evicted []string
		residents := make(map[string]services.Resident)
		hold := func(name string, busy bool) {
			residents[name] = m.Hold(t.Context(), "echo", name, 30*mb, func(context.Context) error {
				if busy {
					return services.ErrInUse
				}
				mu.Lock()
				evicted = append(evicted, name)
				mu.Unlock()
				residents[name].Release()
				return nil
			})
			time.Sleep(time.Second)
		}
		hold("busy", true)
		hold("old", false)
		hold("new", false)
		residents["old"].Touch() // so that new is now the one used longest ago
		lease := acquire(t, m, request(40*mb))
		require.NoError(t, m.Stop(context.Background()))
		require.Equal(t, []string{"new"}, evicted)
		lease.Release()
	})
}

func TestYieldLetsAnEarlierTurnRunAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		long := acquire(t, m, services.Claim{Service: "small", Bytes: 10 * mb})
		require.NoError(t, long.Yield(t.Context()), "nobody waits")
		order := make(chan string, 2)
		time.Sleep(time.Second)
		queued(t, m, order, "short", services.Claim{Service: "small", Bytes: 10 * mb})
		time.Sleep(time.Second)
		require.NoError(t, long.Yield(t.Context()))
		require.Equal(t, "short", <-order)
		require.Equal(t, Usage{Budget: 100 * mb, Leased: 10 * mb, Running: 1}, totals(m))

		queued(t, m, order, "low", services.Claim{Service: "small", Priority: services.PriorityLow})
		require.NoError(t, long.Yield(t.Context()), "a less urgent task does not interrupt")
		require.Empty(t, order)
		long.Release()
		require.Equal(t, "low", <-order)
	})
}

func TestSwitchedOffMemoryIsOnlyCounted(t *testing.T) {
	t.Parallel()
	m := newManager(func(c *Config) { c.Enabled = false })
	first, second := acquire(t, m, request(500*mb)), acquire(t, m, request(500*mb))
	require.Equal(t, 1000*mb, m.Usage().Leased)
	first.Release()
	second.Release()
}

// TestTheBooksBalance has many tasks come, leave and load models at random.
func TestTheBooksBalance(t *testing.T) {
	t.Parallel()
	m := newManager()
	var tasks sync.WaitGroup
	for i := range 200 {
		tasks.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(20))*time.Millisecond)
			defer cancel()
			lease, err := m.Acquire(ctx, services.Claim{
				Service: []string{"echo", "small"}[r.IntN(2)], Bytes: services.Bytes(r.IntN(40)) * mb,
				Priority: services.Priority(r.IntN(3) - 1),
			})
			if err != nil {
				if services.KindOf(err) != services.KindTimeout && services.KindOf(err) != services.KindBusy {
					t.Error(err)
				}
				return
			}
			defer lease.Release()
			if u := m.Usage(); u.Leased > u.Budget {
				t.Errorf("%s leased of %s", u.Leased, u.Budget)
			}
			_ = lease.Yield(ctx)
		})
	}
	tasks.Wait()
	require.Equal(t, Usage{Budget: 100 * mb}, totals(m))
}

type fixedProbe struct{ machine, cgroup services.Bytes }

func (p fixedProbe) Machine() (services.Bytes, error) { return p.machine, nil }

func (p fixedProbe) CgroupLimit() (services.Bytes, error) {
	if p.cgroup == 0 {
		return 0, errors.New("none")
	}
	return p.cgroup, nil
}

func TestTheBudgetIsTheSmallest(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	for _, c := range []struct {
		probe fixedProbe
		want  Budget
	}{
		{fixedProbe{machine: 64 * services.GiB}, Budget{4_000_000_000, "maxMemory", 64 * services.GiB}},
		{fixedProbe{machine: 2 * services.GiB}, Budget{2*services.GiB - 512*mb, "machine", 2 * services.GiB}},
		{fixedProbe{machine: 64 * services.GiB, cgroup: 700 * mb}, Budget{525 * mb, "cgroup", 700 * mb}},
	} {
		require.Equal(t, c.want, FindBudget(cfg, c.probe))
	}
}

func TestLimitsOfControlGroups(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  services.Bytes
	}{
		"version 2, the parent is smaller": {
			map[string]string{"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/b/memory.max": "900", "sys/fs/cgroup/a/memory.max": "800"},
			800,
		},
		"version 2, no limit":         {map[string]string{"proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/memory.max": "max"}, 0},
		"version 2, seen from inside": {map[string]string{"proc/self/cgroup": "0::/docker/x", "sys/fs/cgroup/memory.max": "700"}, 700},
		"version 1": {
			map[string]string{
				"proc/self/cgroup": "5:cpu:/x\n4:memory:/y", "sys/fs/cgroup/memory/y/memory.limit_in_bytes": "600",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
			},
			600,
		},
		"nonsense": {map[string]string{"proc/self/cgroup": "x\n::\n0::/../..", "sys/fs/cgroup/memory.max": "-5"}, 0},
		"none":     {nil, 0},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o750))
			require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text+"\n"), 0o600))
		}
		got, err := memprobe.Probe{Root: root}.CgroupLimit()
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.want == 0, errors.Is(err, memprobe.ErrUnknown), name)
	}
}

func TestManagerStartsAndStops(t *testing.T) {
	lifecycletest.Stress(t, 20, func(*testing.T) lifecycle.Part { return newManager() })
}
