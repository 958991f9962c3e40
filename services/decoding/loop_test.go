package decoding

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/onnx"
)

// TestTheLoopEnds at an end token, at the most tokens, at an error and when ctx ends.
func TestTheLoopEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		most    int
		end     int
		fail    int
		cancel  int
		written []int
		steps   []int
		err     error
	}{
		"an end":        {most: 9, end: 3, written: []int{1, 2, 3}, steps: []int{1, 2}},
		"the most":      {most: 2, written: []int{1, 2}, steps: []int{1}},
		"nothing":       {},
		"an error":      {most: 9, fail: 2, written: []int{1, 2}, steps: []int{1, 2}, err: broken},
		"cancellation":  {most: 9, cancel: 2, written: []int{1, 2}, steps: []int{1}, err: context.Canceled},
		"the first one": {most: 9, end: 1, written: []int{1}},
	} {
		var written, steps []int
		ctx, cancel := context.WithCancel(t.Context())
		err := Loop{
			Most:   c.most,
			Choose: func(logits []float32) int { return int(logits[0]) },
			Take: func(id int) bool {
				if written = append(written, id); id == c.cancel {
					cancel()
				}
				return id != c.end
			},
			Step: func(_ context.Context, id int) ([]float32, error) {
				if steps = append(steps, id); id == c.fail {
					return nil, broken
				}
				return []float32{float32(id + 1)}, nil
			},
		}.Run(ctx, []float32{1})
		cancel()
		require.ErrorIs(t, err, c.err, name)
		require.Equal(t, c.written, written, name)
		require.Equal(t, c.steps, steps, name)
	}
}

func TestTheBest(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1, Best([]float32{Never, 2, 2, 1}), "of equals the first")
	require.InDelta(t, 3.4076059, LogSum([]float32{1, 2, 3, Never}), 1e-6)
	require.InDelta(t, 1000.6931, LogSum([]float32{1000, 1000}), 1e-4, "without an overflow")
	require.True(t, math.IsInf(LogSum([]float32{Never, Never}), -1))
	for x := 0.0; x > -690; x -= 0.37 {
		require.InEpsilon(t, math.Exp(x), exp(x), 1e-6, "%v", x)
	}
	require.Zero(t, exp(-1e9))
}

// TestRowsAreSelected has rows that are copied, dropped and put into another order.
func TestRowsAreSelected(t *testing.T) {
	t.Parallel()
	shape := Shape{Layers: 1, Heads: 2, Dim: 1, Kind: onnx.Float32, Rows: 3}
	c, err := NewCache(shape, 4)
	require.NoError(t, err)
	defer c.Close()
	c.n, c.rows = 2, 3
	fill := func(rows string) {
		for i := range c.sets[c.current] {
			for at := range c.sets[c.current][i].Bytes {
				c.sets[c.current][i].Bytes[at] = 0
			}
			for row, letter := range rows {
				for at := range shape.tensorBytes(2) {
					c.sets[c.current][i].Bytes[int64(row)*shape.tensorBytes(2)+at] = byte(letter)
				}
			}
		}
	}
	rows := func() (list string) {
		require.EqualValues(t, c.rows, c.past[0].Shape()[0])
		for row := range c.rows {
			list += string(c.sets[c.current][1].Bytes[row*shape.tensorBytes(2)])
		}
		return list
	}
	fill("abc")
	for _, step := range []struct {
		sources []int
		want    string
	}{{[]int{0, 2, 2}, "acc"}, {[]int{1, 0}, "ca"}, {[]int{1}, "a"}, {[]int{0, 0, 0}, "aaa"}, {[]int{0, 1, 2}, "aaa"}} {
		require.NoError(t, c.Select(step.sources))
		require.Equal(t, step.want, rows(), fmt.Sprint(step.sources))
	}
	require.Error(t, c.Select([]int{0, 0, 0, 0}))
	require.Error(t, c.Select([]int{3}))
	require.Error(t, c.Select(nil))
	require.NoError(t, c.Reset())
	require.EqualValues(t, 1, c.Width())
	require.Zero(t, c.Len())
}
