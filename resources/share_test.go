package resources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// chore is a task of a simulation: it holds a run slot for work, and offers it to
// others after each grain. Without a grain it never does.
type chore struct {
	services.Claim
	work, grain time.Duration
}

// trace is how a chore fared, and the order in which the chores of a simulation started.
type trace struct {
	chore
	arrived, started, ended time.Time
	order                   int
	err                     error
}

// waited is how long the chore had to wait before it started.
func (r trace) waited() time.Duration { return r.started.Sub(r.arrived) }

// took is the time from its arrival to its end.
func (r trace) took() time.Duration { return r.ended.Sub(r.arrived) }

// stage is where chores run. worked is what those of a tenant have done.
type stage struct {
	manager *Manager
	mu      sync.Mutex
	started int
	worked  map[string]time.Duration
	granted func(*Lease)
}

func newStage(m *Manager) *stage { return &stage{manager: m, worked: make(map[string]time.Duration)} }

// run does one chore, on a fake clock.
func (s *stage) run(ctx context.Context, c chore) trace {
	r := trace{chore: c, arrived: time.Now()}
	lease, err := s.manager.Acquire(ctx, c.Claim)
	if err != nil {
		r.err = err
		return r
	}
	defer lease.Release()
	r.started = time.Now()
	s.mu.Lock()
	r.order = s.started
	s.started++
	s.mu.Unlock()
	if s.granted != nil {
		s.granted(lease.(*Lease))
	}
	for left := c.work; left > 0; {
		step := left
		if c.grain > 0 {
			step = min(c.grain, left)
		}
		time.Sleep(step)
		left -= step
		s.mu.Lock()
		s.worked[c.Tenant] += step
		s.mu.Unlock()
		if left == 0 {
			break
		}
		if r.err = lease.Yield(ctx); r.err != nil {
			return r
		}
	}
	r.ended = time.Now()
	return r
}

// done is the seconds of work that a tenant's chores have had.
func (s *stage) done(tenant string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worked[tenant].Seconds()
}

// feed does chores one after the other until ctx ends.
func (s *stage) feed(ctx context.Context, next func() chore) {
	for ctx.Err() == nil {
		s.run(ctx, next())
	}
}

// slots makes a manager whose service echo runs so many tasks at once.
func slots(runs int, change ...func(*Config)) *Manager {
	m := newManager(change...)
	m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: runs})
	return m
}

// TestALowTaskEndsWithinItsShare has a task of low priority compete with callers that
// bring one urgent task after the other: it waits for one ageing span, which is 60 s
// between low and high, and has its share from then on, however often it offers its slot.
func TestALowTaskEndsWithinItsShare(t *testing.T) {
	t.Parallel()
	const work = 30 * time.Second
	span := 2 * DefaultConfig().Ageing
	kinds := map[string]chore{
		"clips":  {work: 900 * time.Millisecond},
		"hours":  {work: time.Hour, grain: time.Second},
		"tokens": {work: 4 * time.Second, grain: 20 * time.Millisecond},
	}
	for kind, feeder := range kinds {
		feeder.Claim = of("", services.PriorityHigh)
		for _, grain := range []time.Duration{5 * time.Second, 500 * time.Millisecond, 20 * time.Millisecond} {
			for _, feeders := range []int{1, 3, 6} {
				runs := 1 + feeders/4
				t.Run(fmt.Sprintf("%s, %s, %d, %d", kind, grain, feeders, runs), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						s := newStage(slots(runs))
						ctx, stop := context.WithCancel(t.Context())
						var running sync.WaitGroup
						defer running.Wait()
						defer stop()
						for range feeders {
							running.Go(func() { s.feed(ctx, func() chore { return feeder }) })
						}
						time.Sleep(10 * time.Second)
						r := s.run(t.Context(), chore{Claim: services.Claim{Service: "echo", Priority: services.PriorityLow}, work: work, grain: grain})
						require.NoError(t, r.err)
						competing := feeders
						if feeders == 1 {
							competing = 2 // half of the slot is its share, and it competes too
						}
						require.LessOrEqual(t, r.took(), work*time.Duration(competing)*3/2/time.Duration(runs)+span)
						if feeders > 1 {
							// One alone leaves the slot free for a moment after each task.
							require.GreaterOrEqual(t, r.took(), span, "urgent tasks go first meanwhile")
						}
					})
				})
			}
		}
	}
}

// TestShortTasksGoBetweenTheWindowsOfLongOnes has short tasks come at random times while
// long ones share the slot.
func TestShortTasksGoBetweenTheWindowsOfLongOnes(t *testing.T) {
	t.Parallel()
	const window = time.Second
	for _, long := range []int{1, 3, 8} {
		t.Run(fmt.Sprint(long), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(slots(1))
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				defer running.Wait()
				defer stop()
				for range long {
					running.Go(func() {
						s.run(ctx, chore{Claim: services.Claim{Service: "echo"}, work: time.Hour, grain: window})
					})
				}
				r := rand.New(rand.NewPCG(uint64(long), 7))
				for range 50 {
					time.Sleep(time.Duration(r.Int64N(int64(20 * time.Second))))
					short := s.run(t.Context(), chore{Claim: services.Claim{Service: "echo"}, work: 300 * time.Millisecond})
					require.LessOrEqual(t, short.waited(), time.Duration(long)*window)
				}
			})
		})
	}
}

// TestALongWaitIsNoCreditAgainstShortTasks has a long task start after a crowd that came
// before it. Its share of the 100 s that it waited is 4.2 s, the sum of 1/101 to 1/2, and it
// may catch up no more than that before a short one goes between its windows.
func TestALongWaitIsNoCreditAgainstShortTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		for range 100 {
			running.Go(func() { s.run(t.Context(), chore{Claim: services.Claim{Service: "echo"}, work: time.Second}) })
		}
		synctest.Wait()
		running.Go(func() {
			s.run(ctx, chore{Claim: services.Claim{Service: "echo"}, work: time.Hour, grain: time.Second})
		})
		time.Sleep(105 * time.Second)
		short := s.run(t.Context(), chore{Claim: services.Claim{Service: "echo"}, work: time.Second})
		require.LessOrEqual(t, short.waited(), 10*time.Second)
	})
}

// TestAWaitForMemoryIsNoCreditAgainstShortTasks has a long task wait for memory while others
// that need none share the slot.
func TestAWaitForMemoryIsNoCreditAgainstShortTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1))
		file := s.manager.Hold(t.Context(), "echo", "file/one", 60*mb, func(context.Context) error { return services.ErrInUse })
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer func() { require.NoError(t, s.manager.Stop(context.Background())) }()
		defer running.Wait()
		defer stop()
		for range 2 {
			running.Go(func() { s.feed(ctx, func() chore { return chore{Claim: request(0), work: time.Second} }) })
		}
		time.Sleep(time.Second / 2)
		running.Go(func() { s.run(ctx, chore{Claim: request(60 * mb), work: time.Hour, grain: time.Second}) })
		time.Sleep(100 * time.Second)
		file.Release()
		for range 20 {
			short := s.run(t.Context(), chore{Claim: request(0), work: time.Second})
			require.LessOrEqual(t, short.waited(), 5*time.Second)
		}
	})
}

// TestTheHeadStartOfAnUrgentTaskIsTheAgeing has an urgent task share a slot with four callers
// that are not: it is one ageing step ahead of what its share would be, 6 s of work, and
// no more.
func TestTheHeadStartOfAnUrgentTaskIsTheAgeing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		for range 4 {
			running.Go(func() { s.feed(ctx, func() chore { return chore{Claim: of("", 0), work: time.Second} }) })
		}
		var urgent time.Duration
		running.Go(func() {
			lease, err := s.manager.Acquire(ctx, of("", services.PriorityHigh))
			if err != nil {
				return
			}
			defer lease.Release()
			for lease.Yield(ctx) == nil {
				time.Sleep(time.Second)
				s.mu.Lock()
				urgent += time.Second
				s.mu.Unlock()
			}
		})
		time.Sleep(5 * time.Minute)
		s.mu.Lock()
		got := urgent.Seconds()
		s.mu.Unlock()
		require.InDelta(t, 300/5+30/5, got, 3)
	})
}
