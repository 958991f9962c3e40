package hardening

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestNeutralOutcomesNeitherCloseNorBlockAHalfOpenBreaker(t *testing.T) {
	t.Parallel()
	g := newGuard(1, func(c *Config) { c.Breaker.Trials = 2 })
	g.Trip()
	g.HalfOpen()
	for range 10 {
		require.Error(t, g.Do(t.Context(), always(services.Invalidf("x", "is bad"))))
	}
	require.Equal(t, "half-open", g.State())
	require.NoError(t, g.Do(t.Context(), always(nil)))
	require.Equal(t, "half-open", g.State())
	require.NoError(t, g.Do(t.Context(), always(nil)))
	require.Equal(t, "closed", g.State())
}

func TestAHalfOpenBreakerLetsOnlySoManyTrialsIn(t *testing.T) {
	t.Parallel()
	g := newGuard(3, func(c *Config) { c.Breaker.Trials = 1 })
	g.Trip()
	g.HalfOpen()
	err := g.Do(t.Context(), func(context.Context) error {
		require.Equal(t, services.KindUnavailable, services.KindOf(g.Do(t.Context(), always(nil))))
		return errService
	})
	require.ErrorIs(t, err, errService)
	require.Equal(t, "open", g.State(), "one failed trial opens it again")
}

func TestARateOfFailuresOpensTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Breaker.Failures, cfg.Breaker.FailureRate, cfg.Breaker.MinCalls, cfg.Breaker.Period = 5, 0.5, 20, time.Minute
		var states []string
		changed := func(_, _, state string) { states = append(states, state) }
		g := NewGuard("echo", 1, cfg, changed, NewGuardMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		call := func(n int) {
			for i := range n {
				if i%2 == 0 {
					require.Error(t, g.Do(t.Context(), always(errService)))
				} else {
					require.NoError(t, g.Do(t.Context(), always(nil)))
				}
			}
		}
		call(18)
		require.Equal(t, "closed", g.State(), "too few calls")
		time.Sleep(2 * time.Minute)
		call(18)
		require.Equal(t, "closed", g.State(), "the first ones are over")
		call(3)
		require.Equal(t, "open", g.State())
		require.Equal(t, []string{"open"}, states)
		g.Reset()
		require.Equal(t, "closed", g.State())
		call(18)
		require.Equal(t, "closed", g.State(), "the count starts again")
	})
}

func TestAWatchdogsStopCountsAgainstTheService(t *testing.T) {
	t.Parallel()
	g := newGuard(1, func(c *Config) { c.Breaker.Failures = 1 })
	ctx, stop := context.WithCancelCause(t.Context())
	hung := services.Faultf(services.KindTimeout, "no progress")
	err := g.Do(ctx, func(ctx context.Context) error {
		stop(hung)
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorIs(t, err, hung)
	require.Equal(t, "open", g.State())
}
