package decoding

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
)

var rt *onnx.Runtime

func TestMain(m *testing.M) { modeltest.Main(m, &rt) }

// TestCachesLieOutsideTheGoHeap is not parallel because allocations of other tests
// would be counted.
func TestCachesLieOutsideTheGoHeap(t *testing.T) {
	shape := Shape{Layers: 2, Heads: 8, Dim: 64, Kind: onnx.Float32, Rows: 1}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c, err := NewCache(shape, 8192)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Equal(t, 64*services.MiB, shape.Bytes(8192))
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20), "two sets have 128 MiB")

	c.n, c.keys = 4, []int64{1, 2, 3, 4}
	c.sets[0][0].Bytes[0] = 7
	saved, err := c.Snapshot()
	require.NoError(t, err)
	c.Close()
	saved.Retain().Release()
	require.EqualValues(t, 7, saved.memory[0].Bytes[0], "another had it")
	saved.Release()
	require.Empty(t, saved.memory)
	var none *Snapshot
	none.Retain().Release()
}

func TestACacheIsRestoredAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	shape := Shape{Layers: 1, Heads: 2, Dim: 1, Kind: onnx.Float32, Rows: 1}
	c, err := NewCache(shape, 4)
	require.NoError(t, err)
	defer c.Close()
	saved := &Snapshot{Shape: shape, keys: []int64{-1, 1, 5}}
	for range 2 {
		memory := make([]byte, shape.tensorBytes(3))
		for i := range memory {
			memory[i] = byte(i / 4) // elements 0 to 5: heads of 3
		}
		saved.memory = append(saved.memory, Block{Bytes: memory})
	}
	require.NoError(t, c.Restore(saved, []int64{-1, 1, 6, 7}))
	require.EqualValues(t, 2, c.n)
	elements := func() (list []byte) {
		memory := c.sets[c.current][0].Bytes[:c.tensorBytes(c.n)]
		for i := 0; i < len(memory); i += 4 {
			list = append(list, memory[i])
		}
		return list
	}
	require.Equal(t, []byte{0, 1, 3, 4}, elements(), "the first two positions of each head")
	require.NoError(t, c.Restore(saved, []int64{-1, 1}))
	require.Equal(t, []byte{0, 3}, elements(), "the last position is always computed")
	require.NoError(t, c.Restore(saved, []int64{9, 1, 5, 6}))
	require.Zero(t, c.n)
	require.Equal(t, shape.Bytes(3)+24, saved.Size())
}
