package orchestrator

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// clerk is an admission that notes for whom a lease is asked.
type clerk struct {
	desk
	tenants []string
}

func (c *clerk) Acquire(ctx context.Context, claim services.Claim) (services.Lease, error) {
	c.tenants = append(c.tenants, claim.Tenant)
	return c.desk.Acquire(ctx, claim)
}

func TestALeaseIsAskedForOnBehalfOfTheCaller(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	registry := NewRegistry(log)
	registry.Register(&echo{run: func(context.Context, services.Sink) error { return nil }}, passGuard{})
	c := &clerk{}
	o := New(registry, c, log)
	for _, key := range []string{"key-1", ""} {
		one := task
		one.Caller = services.Caller{Key: key, All: true}
		_, err := o.Execute(t.Context(), one, services.DiscardSink{})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"key-1", ""}, c.tenants)
}
