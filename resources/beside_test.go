package resources

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAVersionBesideAnotherHasMemoryOfItsOwn loads a version of a model whose runs have left
// memory behind.
func TestAVersionBesideAnotherHasMemoryOfItsOwn(t *testing.T) {
	t.Parallel()
	m := newManager()
	claim := func(bytes services.Bytes, beside bool) services.Claim {
		return services.Claim{Service: "echo", Model: "mine", Bytes: bytes, Beside: beside}
	}
	never := func(context.Context) error { return services.ErrInUse }
	load := acquire(t, m, claim(50*mb, false))
	old := m.Hold(services.WithLease(t.Context(), load), "echo", "mine", 20*mb, never)
	load.Release()
	run := acquire(t, m, claim(30*mb, false))
	run.Release()
	require.Equal(t, 30*mb, m.Usage().Retained, "the engine keeps the memory of the run")

	_, err := m.Acquire(t.Context(), claim(51*mb, true))
	require.Equal(t, services.KindTooLarge, services.KindOf(err), "20 of weights, 30 of runs and 51 are more than 100")
	again := acquire(t, m, claim(60*mb, false))
	again.Release() // a run of the loaded model may, in the memory of the run before

	m = newManager()
	load = acquire(t, m, claim(50*mb, false))
	old = m.Hold(services.WithLease(t.Context(), load), "echo", "mine", 20*mb, never)
	load.Release()
	acquire(t, m, claim(30*mb, false)).Release()
	beside := acquire(t, m, claim(50*mb, true))
	require.Equal(t, 50*mb, m.Usage().Leased)
	next := m.Hold(services.WithLease(t.Context(), beside), "echo", "mine", 30*mb, never)
	require.Equal(t, 50*mb, m.Usage().Resident)
	require.Equal(t, 20*mb, m.Usage().Leased, "what was loaded is no longer leased")
	require.Len(t, m.Usage().Services[0].Models, 1, "it is no other model")
	beside.Release()
	old.Release()
	require.Equal(t, 30*mb, m.Usage().Resident)
	require.Zero(t, m.Usage().Leased)
	require.Zero(t, m.Usage().Retained, "neither of the old version's runs nor of the canary")
	require.Len(t, m.accounts["echo"].arenas, 1)
	next.Release()
	require.Zero(t, m.Usage().Resident)
}
