package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
)

func TestEveryIntervalUntilTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		calls, started := 0, time.Now()
		lifecycle.Every(ctx, 10*time.Second, func() { calls++ })
		require.Equal(t, 3, calls)
		require.Equal(t, 35*time.Second, time.Since(started))
	})
}
