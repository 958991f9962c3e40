package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
)

// recorded is a part that records its calls in a list.
type recorded struct {
	name   string
	events *[]string
	fail   error
}

func (r recorded) Start(context.Context) error {
	*r.events = append(*r.events, "start "+r.name)
	return r.fail
}

func (r recorded) Stop(context.Context) error {
	*r.events = append(*r.events, "stop "+r.name)
	return r.fail
}

func TestPartsStopInTheOppositeOrder(t *testing.T) {
	var events []string
	var list lifecycle.List
	for _, name := range []string{"a", "b", "c"} {
		list.Add(name, 0, recorded{name, &events, nil})
	}
	require.NoError(t, list.Start(t.Context()))
	require.NoError(t, list.Stop(t.Context()))
	require.Equal(t, []string{"start a", "start b", "start c", "stop c", "stop b", "stop a"}, events)
}

// TestAFailedStartReleasesEverything has a part whose start fails: the parts before it were
// started, those after it only hold resources.
func TestAFailedStartReleasesEverything(t *testing.T) {
	var events []string
	broken := errors.New("broken")
	var list lifecycle.List
	list.Add("a", 0, recorded{"a", &events, nil})
	list.Add("b", 0, recorded{"b", &events, broken})
	list.Add("c", 0, recorded{"c", &events, nil})
	err := list.Start(t.Context())
	require.ErrorIs(t, err, broken)
	require.EqualError(t, err, "start b: broken")
	err = list.Stop(t.Context())
	require.EqualError(t, err, "stop b: broken")
	require.Equal(t, []string{"start a", "start b", "stop c", "stop b", "stop a"}, events)
}

// TestEachPartHasItsGraceTime lets the context end before the parts are stopped.
func TestEachPartHasItsGraceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var left []time.Duration
		waits := lifecycle.Funcs{OnStop: func(ctx context.Context) error {
			at := time.Now()
			<-ctx.Done()
			left = append(left, time.Since(at))
			return ctx.Err()
		}}
		var list lifecycle.List
		list.Add("last", 10*time.Second, waits)
		list.Add("second", 0, waits)
		list.Add("first", 0, waits)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Error(t, list.Stop(ctx))
		require.Equal(t, []time.Duration{time.Minute, 0, 10 * time.Second}, left)
		require.Equal(t, 70*time.Second, time.Since(began))
	})
}

// TestStress runs the stress test on a group and on a list of groups.
func TestStress(t *testing.T) {
	t.Run("group", func(t *testing.T) {
		lifecycletest.Stress(t, 100, func(*testing.T) lifecycle.Part { return new(running) })
	})
	t.Run("list", func(t *testing.T) {
		lifecycletest.Stress(t, 100, func(*testing.T) lifecycle.Part {
			list := new(lifecycle.List)
			list.Add("one", time.Second, new(running))
			list.Add("two", time.Second, new(running))
			return list
		})
	})
}

// running is a part with a goroutine that runs until Stop.
type running struct{ lifecycle.Group }

func (r *running) Start(ctx context.Context) error {
	return r.Group.Start(ctx, func(ctx context.Context) { <-ctx.Done() })
}
