package patterns

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// teachWith runs a tasks.Teach under an idempotency key.
func (b *bench) teachWith(key string, params tasks.TeachParams) (services.TaskResult, error) {
	raw, err := json.Marshal(params)
	require.NoError(b.t, err)
	return services.ExecuteTask(b.t.Context(), b.Service, services.Task{
		ID: "t", Service: Name, Name: tasks.Teach, Params: raw, Caller: caller, Key: key,
	}, services.DiscardSink{})
}

func idOf(t *testing.T, result services.TaskResult) string {
	t.Helper()
	made, ok := result.Value.(*tasks.Pattern)
	require.True(t, ok, "%T", result.Value)
	return made.ID
}

// TestNamesAreUniqueInACluster has processes that do not see each other's records before
// they have written their own.
func TestNamesAreUniqueInACluster(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	processes := []*bench{b, newBenchOn(t, b.store, b.shelf), newBenchOn(t, b.store, b.shelf)}
	examples := b.spans(seeded(62), doorbell, 1)
	other := b.teach(7, "other", siren)
	var all sync.WaitGroup
	var made atomic.Int64
	for _, one := range processes {
		all.Go(func() {
			if _, err := one.run(tasks.Teach, tasks.TeachParams{Name: "bell", Examples: examples}, nil); err == nil {
				made.Add(1)
			}
		})
		all.Go(func() {
			if _, err := one.ChangePattern(t.Context(), caller, other.ID, tasks.PatternChange{Name: new("bell")}); err == nil {
				made.Add(1)
			}
		})
	}
	all.Wait()
	require.GreaterOrEqual(t, made.Load(), int64(1))
	named := func() int {
		return len(b.patterns.Select(9, func(p pattern) bool { return p.Name == "bell" }))
	}
	require.Eventually(t, func() bool { return named() > 0 }, second, tick)
	for _, one := range processes {
		_, err := one.run(tasks.Teach, tasks.TeachParams{Name: "bell", Examples: examples}, nil)
		require.ErrorContains(t, err, "names must differ")
	}
	require.Equal(t, 1, named())
}

// TestClaimsOfNamesEnd renames, deletes, and finds a claim that a crash has left.
func TestClaimsOfNamesEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bell := b.teach(1, "bell", doorbell)
	_, err := b.ChangePattern(t.Context(), caller, bell.ID, tasks.PatternChange{Name: new("chime")})
	require.NoError(t, err)
	_, err = b.ChangePattern(t.Context(), caller, bell.ID, tasks.PatternChange{Name: new("gong"), Metadata: map[string]string{"": "x"}})
	require.ErrorContains(t, err, "metadata")
	for _, name := range []string{"bell", "gong"} {
		require.NoError(t, b.claimName(t.Context(), caller.Key, name, "pat_else"), "the name is free again")
		err := b.claimName(t.Context(), caller.Key, name, "pat_third")
		require.ErrorContains(t, err, "names must differ", "a pattern may be about to be written")
	}
	require.ErrorContains(t, b.claimName(t.Context(), caller.Key, "chime", "pat_else"), "names must differ")
	require.NoError(t, b.claimName(t.Context(), "another owner", "chime", "pat_else"))
	b.db.Clock = records.NewClock(func() time.Time { return time.Now().Add(2 * orphanAge) }, func() time.Duration { return 0 })
	require.NoError(t, b.claimName(t.Context(), caller.Key, "bell", "pat_third"), "a crash left the claim")
	require.ErrorContains(t, b.claimName(t.Context(), caller.Key, "chime", "pat_else"), "names must differ", "a pattern has it")
	b.sweep(t.Context(), false)
	left := b.names.Select(9, func(claim) bool { return true })
	require.Len(t, left, 1)
	require.Equal(t, "chime", left[0].Name)
	require.NoError(t, b.DeletePattern(t.Context(), caller, bell.ID))
	require.Empty(t, b.names.Select(9, func(claim) bool { return true }))
}

// TestAKeyMakesOnePattern repeats requests.
func TestAKeyMakesOnePattern(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	params := tasks.TeachParams{Name: "bell", Examples: b.spans(seeded(63), doorbell, 2)}
	first, err := b.teachWith("k", params)
	require.NoError(t, err)
	require.False(t, first.Repeated)
	require.True(t, validID(idOf(t, first)))
	again, err := b.teachWith("k", params)
	require.NoError(t, err)
	require.True(t, again.Repeated)
	require.Equal(t, idOf(t, first), idOf(t, again))
	other := params
	other.Name = "gong"
	_, err = b.teachWith("k", other)
	require.ErrorIs(t, err, services.ErrKeyReused)
	second, err := b.teachWith("l", other)
	require.NoError(t, err)
	require.NotEqual(t, idOf(t, first), idOf(t, second))
	require.NoError(t, b.DeletePattern(t.Context(), caller, "bell"))
	third, err := b.teachWith("k", params)
	require.NoError(t, err)
	require.False(t, third.Repeated, "the key is free again")

	twin := newBenchOn(t, b.store, b.shelf)
	params.Name = "chime"
	var all sync.WaitGroup
	results := make([]services.TaskResult, 6)
	for i := range results {
		all.Go(func() {
			var err error
			results[i], err = []*bench{b, twin}[i%2].teachWith("m", params)
			require.NoError(t, err)
		})
	}
	all.Wait()
	fresh := 0
	for _, one := range results {
		require.Equal(t, idOf(t, results[0]), idOf(t, one))
		if !one.Repeated {
			fresh++
		}
	}
	require.Equal(t, 1, fresh)
}
