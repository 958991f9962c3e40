// Package lifecycletest has the stress test for every lifecycle.Part.
package lifecycletest

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
)

// Stress starts and stops parts in every order and concurrently, each newly created by
// build. It requires that a part starts at most once and never after its stop, and that
// every Stop returns nil, including repeated ones and those of parts that were never
// started.
func Stress(t *testing.T, rounds int, build func(t *testing.T) lifecycle.Part) {
	t.Helper()
	t.Run("never started", func(t *testing.T) {
		part := build(t)
		require.NoError(t, part.Stop(context.Background()))
		require.NoError(t, part.Stop(context.Background()))
		require.ErrorIs(t, part.Start(t.Context()), lifecycle.ErrStarted)
	})
	t.Run("started once", func(t *testing.T) {
		part := build(t)
		require.NoError(t, part.Start(t.Context()))
		require.ErrorIs(t, part.Start(t.Context()), lifecycle.ErrStarted)
		require.NoError(t, part.Stop(context.Background()))
		require.NoError(t, part.Stop(context.Background()))
		require.ErrorIs(t, part.Start(t.Context()), lifecycle.ErrStarted)
	})
	t.Run("outlives the context of its start", func(t *testing.T) {
		part := build(t)
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, part.Start(ctx))
		cancel()
		require.NoError(t, part.Stop(context.Background()))
	})
	t.Run("at once", func(t *testing.T) {
		for range rounds {
			part := build(t)
			var all sync.WaitGroup
			var mu sync.Mutex
			started := 0
			for range 3 {
				all.Go(func() {
					err := part.Start(t.Context())
					if err != nil {
						assert.ErrorIs(t, err, lifecycle.ErrStarted)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					started++
				})
				all.Go(func() { assert.NoError(t, part.Stop(context.Background())) })
			}
			all.Wait()
			require.LessOrEqual(t, started, 1)
			require.NoError(t, part.Stop(context.Background()))
			require.ErrorIs(t, part.Start(t.Context()), lifecycle.ErrStarted)
		}
	})
}
