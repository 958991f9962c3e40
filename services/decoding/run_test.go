package decoding

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// number is a field of a message with an integer, and content one with bytes.
func number(field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), value)
}

func content(field protowire.Number, parts ...[]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), all)
}

// appending is a decoder whose keys and values of a position are the inputs "key" and "value"
// of it: present = past + more.
func appending(t *testing.T, shape Shape) *onnx.Session {
	t.Helper()
	tensor := func(field protowire.Number, name string) []byte {
		var dims []byte
		for axis := range 4 {
			dims = append(dims, content(1, content(2, fmt.Appendf(nil, "%s %d", name, axis)))...)
		}
		return content(field, content(1, []byte(name)), content(2, content(1, number(1, uint64(onnx.Float32)), content(2, dims))))
	}
	const graphNode, graphInput, graphOutput = 1, 11, 12
	var graph []byte
	contract := onnx.Contract{}
	spec := func(name string) onnx.TensorSpec {
		return onnx.TensorSpec{Name: name, Type: onnx.Float32, Rank: 4}
	}
	for layer := range shape.Layers {
		for _, kind := range kinds {
			past, present, more := shape.PastName(layer, kind), shape.PresentName(layer, kind), fmt.Sprint(kind, layer)
			axis := content(5, content(1, []byte("axis")), number(3, 2), number(20, 2))
			graph = append(graph, content(graphNode, content(1, []byte(past)), content(1, []byte(more)), content(2, []byte(present)),
				content(4, []byte("Concat")), axis)...)
			graph = append(graph, tensor(graphInput, past)...)
			graph = append(graph, tensor(graphInput, more)...)
			graph = append(graph, tensor(graphOutput, present)...)
			contract.Inputs = append(contract.Inputs, spec(past), spec(more))
			contract.Outputs = append(contract.Outputs, spec(present))
		}
	}
	graph = append(graph, content(2, []byte("appending"))...)
	model := append(number(1, 8), content(8, number(2, 17))...)
	model = append(model, content(7, graph)...)
	session, err := rt.OpenSession(onnx.Graph{Name: "appending", Data: model}, contract, onnx.SessionConfig{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, session.Close()) })
	return session
}

// decode runs a cache over the positions of keys; element d of head h of row r of tensor i
// has the value 1000*key + 100*r + 10*h + d + i/10.
func decode(t *testing.T, ctx context.Context, c *Cache, session *onnx.Session, keys ...int64) error {
	t.Helper()
	inputs := make(map[string]*onnx.Tensor)
	outputs := make(map[string]*onnx.Tensor)
	for i := range c.tensors() {
		var values []float32
		for row := range c.rows {
			for head := range c.Heads {
				for _, key := range keys {
					for d := range c.Dim {
						values = append(values, element(i, row, head, key, d))
					}
				}
			}
		}
		more, err := onnx.NewTensor(values, c.rows, c.Heads, int64(len(keys)), c.Dim)
		require.NoError(t, err)
		defer more.Close()
		inputs[fmt.Sprint(kinds[i%2], i/2)] = more
	}
	return c.Run(ctx, session, keys, inputs, outputs)
}

func element(tensor int, row, head, key, d int64) float32 {
	return float32(1000*key+100*row+10*head+d) + float32(tensor)/10
}

// requireHeld checks every element of a cache whose row r was written as row sources[r].
func requireHeld(t *testing.T, c *Cache, sources []int64, keys ...int64) {
	t.Helper()
	require.EqualValues(t, len(keys), c.Len())
	require.EqualValues(t, len(sources), c.Width())
	require.Equal(t, keys, append([]int64(nil), c.keys...))
	for i, past := range c.past {
		require.Equal(t, []int64{c.rows, c.Heads, c.n, c.Dim}, past.Shape())
		memory := c.sets[c.current][i].Bytes
		at := 0
		for _, row := range sources {
			for head := range c.Heads {
				for _, key := range keys {
					for d := range c.Dim {
						value := math.Float32frombits(binary.NativeEndian.Uint32(memory[4*at:]))
						require.InDelta(t, element(i, row, head, key, d), value, 1e-3, "tensor %d, element %d", i, at)
						at++
					}
				}
			}
		}
	}
}

func TestACacheGrowsWithEachRun(t *testing.T) {
	t.Parallel()
	for _, shape := range []Shape{
		{Layers: 2, Heads: 3, Dim: 2, Kind: onnx.Float32},
		{Layers: 1, Heads: 1, Dim: 4, Kind: onnx.Float32, Side: "decoder", Rows: 3},
	} {
		session := appending(t, shape)
		c, err := NewCache(shape, 5)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, decode(t, t.Context(), c, session, 1, 2))
		require.NoError(t, decode(t, t.Context(), c, session, 3))
		requireHeld(t, c, []int64{0}, 1, 2, 3)

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, decode(t, ended, c, session, 4), context.Canceled)
		requireHeld(t, c, []int64{0}, 1, 2, 3)

		err = decode(t, t.Context(), c, session, 4, 5, 6)
		require.ErrorContains(t, err, "cache of 5 positions asked for 6")
		require.Equal(t, services.KindInternal, services.KindOf(err))
		require.NoError(t, decode(t, t.Context(), c, session, 4, 5))
		requireHeld(t, c, []int64{0}, 1, 2, 3, 4, 5)

		saved, err := c.Snapshot()
		require.NoError(t, err)
		require.Equal(t, 5, saved.Len())
		require.Same(t, saved, saved.Retain())
		saved.Release()
		require.NoError(t, c.Reset())
		require.Zero(t, c.Len())
		require.NoError(t, c.Restore(saved, []int64{1, 2, 3, 9, 9}))
		requireHeld(t, c, []int64{0}, 1, 2, 3)
		require.NoError(t, decode(t, t.Context(), c, session, 7))
		requireHeld(t, c, []int64{0}, 1, 2, 3, 7)

		require.NoError(t, c.Reset())
		require.NoError(t, c.Restore(nil, []int64{1, 2}))
		require.Zero(t, c.Len())
		other := &Snapshot{Shape: saved.Shape, keys: saved.keys, memory: saved.memory}
		other.Shape.Layers++
		require.NoError(t, c.Restore(other, []int64{1, 2}))
		require.Zero(t, c.Len(), "of another shape")
		require.NoError(t, c.Restore(saved, []int64{1, 2, 3, 4, 5, 6, 7, 8}))
		requireHeld(t, c, []int64{0}, 1, 2, 3, 4, 5)
		saved.Release()
	}
}

func TestRowsGrowSideBySide(t *testing.T) {
	t.Parallel()
	shape := Shape{Layers: 1, Heads: 2, Dim: 2, Kind: onnx.Float32, Rows: 3}
	session := appending(t, shape)
	c, err := NewCache(shape, 4)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, decode(t, t.Context(), c, session, 1))
	require.NoError(t, c.Select([]int{0, 0, 0}))
	requireHeld(t, c, []int64{0, 0, 0}, 1)
	require.NoError(t, c.Reset())
	require.NoError(t, decode(t, t.Context(), c, session, 1))
	require.ErrorContains(t, c.Select([]int{-1}), "cache of 1 rows asked for row -1")
	require.ErrorContains(t, c.Select([]int{1}), "cache of 1 rows asked for row 1")
	require.ErrorContains(t, c.Select([]int{0, 0, 0, 0}), "cache of 3 rows asked for 4")
	require.ErrorContains(t, c.Select(nil), "cache of 3 rows asked for 0")
	requireHeld(t, c, []int64{0}, 1)
}

func TestNamesOfACache(t *testing.T) {
	t.Parallel()
	pasts, presents := Shape{Layers: 2}.Names()
	require.Equal(t, []string{"past_key_values.0.key", "past_key_values.0.value", "past_key_values.1.key", "past_key_values.1.value"}, pasts)
	require.Equal(t, []string{"present.0.key", "present.0.value", "present.1.key", "present.1.value"}, presents)
	pasts, presents = Shape{Layers: 1, Side: "encoder"}.Names()
	require.Equal(t, []string{"past_key_values.0.encoder.key", "past_key_values.0.encoder.value"}, pasts)
	require.Equal(t, []string{"present.0.encoder.key", "present.0.encoder.value"}, presents)
}

// A cache that is closed has released its tensors: the engine refuses them.
func TestAClosedCacheHoldsNothing(t *testing.T) {
	t.Parallel()
	shape := Shape{Layers: 1, Heads: 1, Dim: 1, Kind: onnx.Float32}
	session := appending(t, shape)
	c, err := NewCache(shape, 4)
	require.NoError(t, err)
	run := func(past []*onnx.Tensor) error {
		inputs := make(map[string]*onnx.Tensor)
		for i, name := range c.pasts {
			more, err := onnx.NewTensor([]float32{1}, 1, 1, 1, 1)
			require.NoError(t, err)
			defer more.Close()
			inputs[name], inputs[fmt.Sprint(kinds[i], 0)] = past[i], more
		}
		outputs, err := session.Run(t.Context(), inputs)
		for _, out := range outputs {
			out.Close()
		}
		return err
	}
	for name, end := range map[string]func() error{
		"a run":      func() error { return decode(t, t.Context(), c, session, 1) },
		"a reset":    c.Reset,
		"a snapshot": func() error { return c.Restore(&Snapshot{Shape: c.Shape, memory: c.sets[0]}, []int64{1}) },
	} {
		past := c.past
		require.NoError(t, run(past), name)
		require.NoError(t, end(), name)
		require.ErrorContains(t, run(past), "is missing", name)
	}
	past := c.past
	require.NoError(t, run(past))
	c.Close()
	require.ErrorContains(t, run(past), "is missing")
	require.Empty(t, c.past)
	require.Empty(t, c.sets[0])
	require.Empty(t, c.sets[1])
	c.Close()
}

func TestMemoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := Allocate(1 << 61)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	require.ErrorContains(t, err, "not enough memory")
	_, err = NewCache(Shape{Layers: 1, Heads: 1, Dim: 1, Kind: onnx.Float32, Rows: 1 << 58}, 1)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
}
