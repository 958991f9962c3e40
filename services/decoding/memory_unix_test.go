//go:build unix

package decoding

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestLargeMemoryIsReturned is not parallel, because another mapping could take the place.
func TestLargeMemoryIsReturned(t *testing.T) {
	small, err := Allocate(leastMapped - 1)
	require.NoError(t, err)
	require.False(t, small.mapped)
	require.Len(t, small.Bytes, leastMapped-1)
	small.Free()
	none, err := Allocate(0)
	require.NoError(t, err)
	require.Len(t, none.Bytes, 1)

	large := make([]Block, 2)
	for i := range large {
		large[i], err = Allocate(leastMapped)
		require.NoError(t, err)
		require.True(t, large[i].mapped)
		require.Len(t, large[i].Bytes, leastMapped)
		require.NoError(t, unix.Madvise(large[i].Bytes, unix.MADV_NORMAL))
	}
	freeAll(large)
	for _, one := range large {
		require.ErrorIs(t, unix.Madvise(one.Bytes, unix.MADV_NORMAL), unix.ENOMEM)
	}
}
