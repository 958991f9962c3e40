package services_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

func TestYieldAsksTheLeaseOfTheContext(t *testing.T) {
	t.Parallel()
	require.NoError(t, services.Yield(t.Context()), "without a lease")
	require.Nil(t, services.LeaseOf(t.Context()))
	offered := 0
	outer := servicetest.Lease(func(context.Context) error { panic("not the task's own") })
	inner := servicetest.Lease(func(context.Context) error { offered++; return nil })
	ctx := services.WithLease(services.WithLease(t.Context(), outer), inner)
	require.NoError(t, services.Yield(ctx))
	require.Equal(t, 1, offered)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, services.Yield(ended), context.Canceled)
}
