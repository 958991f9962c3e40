package orchestrator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAClosedGateWaitsForThoseInside has a task of the model inside, another one that comes
// while the gate is closed, and one of another model.
func TestAClosedGateWaitsForThoseInside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gates
		began := time.Now()
		leave, err := g.enter(t.Context(), "mine")
		require.NoError(t, err)
		time.AfterFunc(time.Minute, leave)
		late := make(chan time.Duration, 1)
		go func() {
			time.Sleep(time.Second)
			leave, err := g.enter(t.Context(), "mine")
			if err != nil {
				t.Error(err)
				return
			}
			late <- time.Since(began)
			leave()
		}()
		open, err := g.close(t.Context(), "mine")
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(began), "the task inside has left")
		other, err := g.enter(t.Context(), "other")
		require.NoError(t, err)
		other()
		_, err = g.close(t.Context(), "mine")
		require.Equal(t, services.KindBusy, services.KindOf(err), "it is closed already")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = g.enter(ctx, "mine")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		open()
		require.Equal(t, 2*time.Minute+time.Second, <-late)
		synctest.Wait()
		require.Empty(t, g.models, "nothing is left of an open gate without tasks")
	})
}

// TestAGateOpensAgainIfATaskDoesNotEnd gives up waiting.
func TestAGateOpensAgainIfATaskDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gates
		leave, err := g.enter(t.Context(), "mine")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = g.close(ctx, "mine")
		require.ErrorContains(t, err, "tasks of model mine run too long")
		again, err := g.enter(t.Context(), "mine")
		require.NoError(t, err)
		again()
		leave()
		open, err := g.close(t.Context(), "mine")
		require.NoError(t, err)
		open()
		require.Empty(t, g.models)
	})
}
