package resources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// seeded runs a property on a fake clock with many seeds.
func seeded(t *testing.T, seeds int, property func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	t.Parallel()
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { property(t, rand.New(rand.NewPCG(uint64(seed), 3))) })
		})
	}
}

// anyChore is a task of any kind, of three tenants and two services.
func anyChore(r *rand.Rand) chore {
	c := chore{
		Claim: services.Claim{
			Service: []string{"echo", "small"}[r.IntN(2)], Model: []string{"", "tiny"}[r.IntN(2)], Tenant: []string{"", "a", "b"}[r.IntN(3)],
			Bytes: services.Bytes(r.IntN(40)) * mb, Priority: services.Priority(r.IntN(3) - 1),
		},
		work: time.Duration(1 + r.Int64N(int64(5*time.Second))),
	}
	if r.IntN(2) == 0 {
		c.grain = 20*time.Millisecond + time.Duration(r.Int64N(int64(time.Second)))
	}
	return c
}

// requireRest fails unless nothing is left of the tasks that were.
func requireRest(t *testing.T, m *Manager) {
	t.Helper()
	u := totals(m)
	require.Equal(t, Usage{Budget: u.Budget, Retained: u.Retained}, u)
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Zero(t, m.present)
	for _, a := range m.accounts {
		require.Empty(t, a.backlog)
		for _, f := range a.flows {
			require.Zero(t, f.active())
		}
	}
}

// TestAnyScheduleKeepsTheBooks has tasks of all kinds come, yield, leave and be ended by
// others at random. No byte and no slot is given twice or lost, and all who stay are
// served before the work of all could have been done one after the other.
func TestAnyScheduleKeepsTheBooks(t *testing.T) {
	seeded(t, 100, func(t *testing.T, r *rand.Rand) {
		s := newStage(slots(1+r.IntN(3), func(c *Config) { c.QueueLimit = 20 + r.IntN(1000) }))
		var mu sync.Mutex
		var wrong []string
		var tasks sync.WaitGroup
		others := rand.New(rand.NewPCG(r.Uint64(), 5))
		s.granted = func(l *Lease) {
			u := s.manager.Usage()
			mu.Lock()
			defer mu.Unlock()
			if others.IntN(10) == 0 {
				after := time.Duration(others.Int64N(int64(10 * time.Second)))
				tasks.Go(func() {
					time.Sleep(after)
					l.Release()
				})
			}
			if u.Leased > u.Budget {
				wrong = append(wrong, fmt.Sprintf("%s leased of %s", u.Leased, u.Budget))
			}
			for _, one := range u.Services {
				if one.Running > one.Runs || one.Leased > one.Limit.MaxMemory {
					wrong = append(wrong, fmt.Sprintf("%d of %d slots of %s, %s of %s", one.Running, one.Runs, one.Name, one.Leased, one.Limit.MaxMemory))
				}
			}
		}
		var total time.Duration
		var list []trace
		began := time.Now()
		for range 120 {
			c := anyChore(r)
			ctx, cancel := t.Context(), func() {}
			leaves := r.IntN(5) == 0
			if leaves {
				ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Int64N(int64(20*time.Second))))
			}
			total += c.work
			tasks.Go(func() {
				defer cancel()
				one := s.run(ctx, c)
				mu.Lock()
				defer mu.Unlock()
				if !leaves && services.KindOf(one.err) != services.KindBusy {
					list = append(list, one)
				}
			})
			time.Sleep(time.Duration(r.Int64N(int64(time.Second))))
		}
		tasks.Wait()
		require.Empty(t, wrong)
		end := began.Add(total + 2*time.Minute)
		for _, one := range list {
			require.NoError(t, one.err, "%+v", one.chore)
			require.False(t, one.ended.After(end), "%+v", one.chore)
		}
		requireRest(t, s.manager)
	})
}

// TestEqualTasksStayInOrder has equal tasks of a tenant that do not yield come at random, among
// those of other tenants: each tenant's start in the order in which they came.
func TestEqualTasksStayInOrder(t *testing.T) {
	seeded(t, 30, func(t *testing.T, r *rand.Rand) {
		s := newStage(slots(1 + r.IntN(3)))
		var tasks sync.WaitGroup
		var mu sync.Mutex
		list := make(map[string]map[int]trace)
		for i := range 150 {
			tenant := []string{"", "a", "b"}[r.IntN(3)]
			c := chore{Claim: of(tenant, services.PriorityHigh), work: time.Duration(r.Int64N(int64(2 * time.Second)))}
			tasks.Go(func() {
				one := s.run(t.Context(), c)
				mu.Lock()
				defer mu.Unlock()
				if list[tenant] == nil {
					list[tenant] = make(map[int]trace)
				}
				list[tenant][i] = one
			})
			synctest.Wait()
			if r.IntN(2) == 0 {
				time.Sleep(time.Duration(r.Int64N(int64(time.Second))))
			}
		}
		tasks.Wait()
		for _, of := range list {
			last := -1
			for i := range 150 {
				one, ok := of[i]
				if !ok {
					continue
				}
				require.NoError(t, one.err)
				require.Greater(t, one.order, last)
				last = one.order
			}
		}
	})
}

// TestTenantsStayWithinTheBound has tenants with endless random tasks share random slots.
// At any time no two have had works that differ by more than start-time fair queueing
// allows: for each slot the longest piece of work of either.
func TestTenantsStayWithinTheBound(t *testing.T) {
	seeded(t, 30, func(t *testing.T, r *rand.Rand) {
		runs := 1 + r.IntN(3)
		s := newStage(slots(runs))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		longest := make(map[string]float64)
		for i := range 2 + r.IntN(4) {
			tenant := fmt.Sprint(i)
			most := time.Second + time.Duration(r.Int64N(int64(20*time.Second)))
			longest[tenant] = most.Seconds()
			seed := r.Uint64()
			for j := range runs + 1 + r.IntN(5) {
				tasks.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(j)))
					s.feed(ctx, func() chore {
						c := chore{Claim: of(tenant, services.Priority(r.IntN(3)-1)), work: time.Duration(1 + r.Int64N(int64(most)))}
						if r.IntN(2) == 0 {
							c.grain = max(c.work/time.Duration(1+r.IntN(20)), 1)
						}
						return c
					})
				})
			}
		}
		for range 60 {
			time.Sleep(time.Duration(r.Int64N(int64(20 * time.Second))))
			for one := range longest {
				for other := range longest {
					bound := float64(runs+1) * (longest[one] + longest[other])
					require.LessOrEqual(t, s.done(one)-s.done(other), bound, "%s and %s", one, other)
				}
			}
		}
	})
}

// TestTasksOfATenantShareEvenly has endless tasks of one tenant, of any priority and any
// grain, share the slots: once the ageing is over, their works grow alike.
func TestTasksOfATenantShareEvenly(t *testing.T) {
	seeded(t, 30, func(t *testing.T, r *rand.Rand) {
		runs := 1 + r.IntN(2)
		s := newStage(slots(runs))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		n := runs + 1 + r.IntN(5)
		var mu sync.Mutex
		worked := make([]time.Duration, n)
		for i := range n {
			lease := make(chan services.Lease, 1)
			priority := services.Priority(r.IntN(3) - 1)
			grain := (time.Second + time.Duration(r.Int64N(int64(4*time.Second)))) / time.Duration([]int{1, 10, 40}[r.IntN(3)])
			tasks.Go(func() {
				l, err := s.manager.Acquire(ctx, of("", priority))
				if err != nil {
					return
				}
				defer l.Release()
				lease <- l
				for l.Yield(ctx) == nil {
					time.Sleep(grain)
					mu.Lock()
					worked[i] += grain
					mu.Unlock()
				}
			})
		}
		time.Sleep(5 * time.Minute)
		mu.Lock()
		before := slices.Clone(worked)
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for i := range n {
			require.InDelta(t, 600*float64(runs)/float64(n), (worked[i] - before[i]).Seconds(), 15)
		}
	})
}
