package resources

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// of is a tenant's request to echo.
func of(tenant string, priority services.Priority) services.Claim {
	return services.Claim{Service: "echo", Tenant: tenant, Priority: priority}
}

// crowded has a tenant bring 205 urgent tasks at once, as long as ctx lasts.
func crowded(ctx context.Context, s *stage, tasks *sync.WaitGroup, c chore) {
	for range 205 {
		tasks.Go(func() { s.feed(ctx, func() chore { return c }) })
	}
	synctest.Wait()
}

// TestACrowdOfOneTenantHoldsNobodyElseUp has one caller bring 205 urgent tasks, and another
// a short one of normal or low priority.
func TestACrowdOfOneTenantHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	const work = 200 * time.Millisecond
	for _, runs := range []int{1, 2} {
		for _, priority := range []services.Priority{services.PriorityNormal, services.PriorityLow} {
			t.Run(fmt.Sprintf("%d, %s", runs, priority), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newStage(slots(runs))
					ctx, stop := context.WithCancel(t.Context())
					var tasks sync.WaitGroup
					defer tasks.Wait()
					defer stop()
					crowded(ctx, s, &tasks, chore{Claim: of("crowd", services.PriorityHigh), work: work})
					for i := range 40 {
						time.Sleep(time.Duration(i) * 37 * time.Millisecond)
						r := s.run(t.Context(), chore{Claim: of("other", priority), work: work})
						require.NoError(t, r.err)
						require.LessOrEqual(t, r.waited(), work, "the task at work ends, and it is the next")
					}
				})
			})
		}
	}
}

// TestTheQueueHasAPlaceForEachTenant fills the queue with one tenant's tasks.
func TestTheQueueHasAPlaceForEachTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := slots(1, func(c *Config) { c.QueueLimit = 12 })
		ctx, stop := context.WithCancel(t.Context())
		running, err := m.Acquire(ctx, of("crowd", 0))
		require.NoError(t, err)
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		join := func(tenant string, want int) (refused error) {
			for range 100 {
				result := make(chan error, 1)
				tasks.Go(func() {
					lease, err := m.Acquire(ctx, of(tenant, 0))
					if err == nil {
						lease.Release()
					}
					result <- err
				})
				synctest.Wait()
				select {
				case refused = <-result:
					want--
				default:
				}
				if refused != nil {
					break
				}
				want--
			}
			require.Equal(t, services.KindBusy, services.KindOf(refused), tenant)
			require.Equal(t, -1, want, tenant)
			return refused
		}
		require.ErrorContains(t, join("crowd", 12), "full of your own tasks: 12 tasks are waiting, which is the limit, and 12 of them are yours")
		require.ErrorContains(t, join("second", 6), "full of the tasks of 2 callers: 18 tasks are waiting")
		join("third", 4)
		join("fourth", 2) // 24 wait, twice the limit
		join("fifth", 1)  // and everybody has a place
		join("sixth", 1)
		require.Equal(t, 26, m.Usage().Waiting)
		stop()
		tasks.Wait()
		running.Release()
		require.Equal(t, Usage{Budget: 100 * mb}, totals(m))
	})
}

// TestTenantsShareSlotsByWork has tenants with tasks of very different lengths, urgent
// and not, keep two slots busy: each gets a third of them.
func TestTenantsShareSlotsByWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(2))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		for _, c := range []chore{
			{Claim: of("long", 1), work: 10 * time.Second},
			{Claim: of("short", 0), work: 200 * time.Millisecond},
			{Claim: of("windows", -1), work: 20 * time.Minute, grain: time.Second},
		} {
			for range 8 {
				tasks.Go(func() { s.feed(ctx, func() chore { return c }) })
			}
		}
		time.Sleep(30 * time.Minute)
		for _, tenant := range []string{"long", "short", "windows"} {
			require.InDelta(t, (20 * time.Minute).Seconds(), s.done(tenant), 30, tenant)
		}
	})
}

// TestNeitherAPauseNorADebtCounts has a tenant work alone for an hour, and then another
// come: from then on they share, whatever each has had.
func TestNeitherAPauseNorADebtCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		feed := func(tenant string) {
			for range 4 {
				tasks.Go(func() { s.feed(ctx, func() chore { return chore{Claim: of(tenant, 0), work: time.Second} }) })
			}
		}
		feed("early")
		time.Sleep(time.Hour + 100*time.Millisecond)
		early := s.done("early")
		feed("late")
		time.Sleep(time.Minute)
		require.InDelta(t, 30, s.done("early")-early, 1)
		require.InDelta(t, 30, s.done("late"), 1)
	})
}

// TestAnotherTenantGoesBetweenTheWindows has a tenant's urgent task of many windows hold the
// slot, while another brings short ones of low priority.
func TestAnotherTenantGoesBetweenTheWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		tasks.Go(func() {
			s.run(ctx, chore{Claim: of("long", services.PriorityHigh), work: time.Hour, grain: time.Second})
		})
		for i := range 20 {
			time.Sleep(time.Duration(i) * 370 * time.Millisecond)
			r := s.run(t.Context(), chore{Claim: of("short", services.PriorityLow), work: 300 * time.Millisecond})
			require.LessOrEqual(t, r.waited(), time.Second)
		}
	})
}

// TestAnHourAloneIsNoDebt has a tenant use a slot for an hour in one piece, once before the
// service has nothing to do and once while another slot is free.
func TestAnHourAloneIsNoDebt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		feed := func(tenant string) {
			tasks.Go(func() { s.feed(ctx, func() chore { return chore{Claim: of(tenant, 0), work: time.Second} }) })
		}
		s.run(ctx, chore{Claim: of("early", 0), work: time.Hour})
		early := s.done("early")
		for range 4 {
			feed("early")
			feed("late")
		}
		time.Sleep(time.Minute)
		require.InDelta(t, 30, s.done("early")-early, 1)
		require.InDelta(t, 30, s.done("late"), 1)
	})
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(2))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		tasks.Go(func() { s.run(ctx, chore{Claim: of("early", 0), work: time.Hour}) })
		time.Sleep(time.Hour - time.Second)
		for range 4 {
			for _, tenant := range []string{"early", "late"} {
				tasks.Go(func() { s.feed(ctx, func() chore { return chore{Claim: of(tenant, 0), work: time.Second} }) })
			}
		}
		time.Sleep(2 * time.Minute)
		require.InDelta(t, 120, s.done("early")-3600, 5)
		require.InDelta(t, 120, s.done("late"), 5)
	})
}

// TestATenantWithOneTaskOfFourSlotsOwesNothing has one tenant use three slots of four, as the
// other has no more than one task at a time: a third tenant finds both with the same rights.
func TestATenantWithOneTaskOfFourSlotsOwesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(4))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		feed := func(tenant string) {
			for range 20 {
				tasks.Go(func() { s.feed(ctx, func() chore { return chore{Claim: of(tenant, 0), work: time.Second} }) })
			}
		}
		tasks.Go(func() { s.run(ctx, chore{Claim: of("one", 0), work: 2 * time.Hour, grain: time.Second}) })
		feed("many")
		time.Sleep(time.Hour + time.Millisecond)
		many := s.done("many")
		require.InDelta(t, 3600, s.done("one"), 2)
		require.InDelta(t, 3*3600, many, 2)
		feed("third")
		time.Sleep(time.Minute)
		require.InDelta(t, 90, s.done("many")-many, 6)
		require.InDelta(t, 90, s.done("third"), 6)
	})
}

// TestACrowdThatWantsMemoryHoldsNoOtherServiceUp has a crowd take all the memory, one task after
// the other, and another tenant ask for some of it in another service.
func TestACrowdThatWantsMemoryHoldsNoOtherServiceUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(4))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		crowd := of("crowd", services.PriorityHigh)
		crowd.Bytes = 90 * mb
		crowded(ctx, s, &tasks, chore{Claim: crowd, work: 200 * time.Millisecond})
		for i := range 20 {
			time.Sleep(time.Duration(i) * 37 * time.Millisecond)
			r := s.run(t.Context(), chore{Claim: services.Claim{Service: "small", Bytes: 20 * mb, Tenant: "other"}, work: 200 * time.Millisecond})
			require.NoError(t, r.err)
			require.LessOrEqual(t, r.waited(), 400*time.Millisecond)
		}
	})
}

// TestTenantsThatWentAreForgotten has a thousand tenants come one after the other.
func TestTenantsThatWentAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(2))
		var tasks sync.WaitGroup
		defer tasks.Wait()
		tasks.Go(func() { s.run(t.Context(), chore{Claim: of("stays", 0), work: time.Hour}) })
		for i := range 1000 {
			require.NoError(t, s.run(t.Context(), chore{Claim: of(fmt.Sprint(i), 0), work: time.Second}).err)
		}
		s.manager.mu.Lock()
		defer s.manager.mu.Unlock()
		require.LessOrEqual(t, len(s.manager.tenants), mostIdleFlows+1)
		require.LessOrEqual(t, len(s.manager.accounts["echo"].tenants), mostIdleFlows+1)
	})
}
