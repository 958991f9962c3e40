package resources

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestWeightsArePartsOfTheSlots has a tenant with three parts, one with a half and one with
// one keep two slots busy.
func TestWeightsArePartsOfTheSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(2, func(c *Config) { c.Weights = []string{"three=3", "half=0.5"} }))
		ctx, stop := context.WithCancel(t.Context())
		var tasks sync.WaitGroup
		defer tasks.Wait()
		defer stop()
		for i, tenant := range []string{"three", "half", "one"} {
			for range 8 {
				c := chore{Claim: of(tenant, services.Priority(i-1)), work: time.Duration(i+1) * time.Second}
				tasks.Go(func() { s.feed(ctx, func() chore { return c }) })
			}
		}
		time.Sleep(30 * time.Minute)
		part := 3600 / 4.5
		require.InDelta(t, 3*part, s.done("three"), 60)
		require.InDelta(t, part/2, s.done("half"), 30)
		require.InDelta(t, part, s.done("one"), 30)
	})
}

// TestAHeavyTenantIsExpectedSooner compares the estimates for two tenants with as many waiting
// tasks.
func TestAHeavyTenantIsExpectedSooner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(slots(1, func(c *Config) { c.Weights = []string{"heavy=4"} }))
		var tasks sync.WaitGroup
		defer tasks.Wait()
		for _, tenant := range []string{"heavy", "light"} {
			s.run(t.Context(), chore{Claim: of(tenant, 0), work: time.Second})
		}
		for range 20 {
			for _, tenant := range []string{"heavy", "light"} {
				tasks.Go(func() { s.run(t.Context(), chore{Claim: of(tenant, 0), work: time.Second}) })
			}
		}
		synctest.Wait()
		pause := func(tenant string) float64 {
			m := s.manager
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.turnIn(m.accounts["echo"].tenants[tenant], 0, time.Now()).Seconds()
		}
		require.InDelta(t, 20*5./4, pause("heavy"), 3)
		require.InDelta(t, 40, pause("light"), 3, "after everything")
	})
}

func TestAMeterIsThatOfTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := slots(1)
		var meter services.Meter
		running := acquire(t, m, of("a", 0))
		done := make(chan services.Lease, 1)
		go func() {
			lease, err := m.Acquire(services.WithMeter(t.Context(), &meter), of("b", 0))
			if err == nil {
				done <- lease
			}
		}()
		time.Sleep(5 * time.Second)
		require.Zero(t, meter.Worked(time.Now()), "it waits")
		running.Release()
		lease := <-done
		time.Sleep(2 * time.Second)
		require.Equal(t, 2*time.Second, meter.Worked(time.Now()))
		lease.Release()
		time.Sleep(time.Second)
		require.Equal(t, 2*time.Second, meter.Worked(time.Now()))
	})
}
