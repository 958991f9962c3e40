package modelstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestACallerThatLeavesALoadIsNoUserOfTheModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, residency := 0, &fakeResidency{}
		p := NewPool("a", residency, loads(&n))
		loaded := make(chan func(), 1)
		go func() {
			_, done, err := p.Acquire(t.Context(), "m")
			if err != nil {
				t.Error(err)
			}
			loaded <- done
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, done, err := p.Acquire(ctx, "m")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Nil(t, done)
		first := <-loaded
		require.ErrorIs(t, residency.evict(t.Context()), services.ErrInUse, "the first caller uses it")
		first()
		first() // the second call does not release another caller's use
		_, again, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		require.ErrorIs(t, residency.evict(t.Context()), services.ErrInUse)
		again()
		require.NoError(t, residency.evict(t.Context()), "it is unused")
		require.Zero(t, residency.held)
		closing, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.NoError(t, p.Close(closing))
		require.Equal(t, 1, n)
	})
}

// touchedResidency counts calls of Touch.
type touchedResidency struct{ touched int }

func (r *touchedResidency) Hold(context.Context, string, string, services.Bytes, func(context.Context) error) services.Resident {
	return r
}
func (r *touchedResidency) Touch()   { r.touched++ }
func (r *touchedResidency) Release() {}

func TestEveryUseButACanarysIsReported(t *testing.T) {
	t.Parallel()
	n, residency := 0, &touchedResidency{}
	p := NewPool("a", residency, func(context.Context, string) (*fakeModel, services.Bytes, error) {
		n++
		return &fakeModel{}, 1, nil
	})
	for i := range 3 {
		_, done, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		require.Equal(t, i+1, residency.touched)
		done()
	}
	_, done, err := p.Acquire(services.WithCanary(t.Context()), "m")
	require.NoError(t, err)
	done()
	require.Equal(t, 3, residency.touched, "a canary does not keep a model loaded")
	require.Equal(t, 1, n)
	require.NoError(t, p.Close(t.Context()))
}
