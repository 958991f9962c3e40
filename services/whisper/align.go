package whisper

import (
	"context"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// defaultMedian is the width of the median filter where config.json has none.
const defaultMedian = 7

// alignmentHeads returns the heads whose attention follows the sound, as layer and head:
// those of generation_config.json, or all of the second half of the layers.
func (f *folder) alignmentHeads() [][2]int64 {
	if len(f.Generation.AlignmentHeads) > 0 {
		return f.Generation.AlignmentHeads
	}
	var heads [][2]int64
	for layer := f.Network.DecoderLayers / 2; layer < f.Network.DecoderLayers; layer++ {
		for head := range f.Network.DecoderHeads {
			heads = append(heads, [2]int64{layer, head})
		}
	}
	return heads
}

// alignmentLayers returns the layers of the alignment heads, in order.
func (f *folder) alignmentLayers() []int64 {
	var layers []int64
	for _, head := range f.alignmentHeads() {
		layers = append(layers, head[0])
	}
	slices.Sort(layers)
	return slices.Compact(layers)
}

// attentionOutputs returns the outputs of a decoder with the attention of the alignment heads.
func (f *folder) attentionOutputs(decoder onnx.Signature) (names []string) {
	for _, layer := range f.alignmentLayers() {
		if _, ok := onnx.Find(decoder.Outputs, attentionName(layer)); ok {
			names = append(names, attentionName(layer))
		}
	}
	return names
}

// aligns reports whether a decoder exports all the attention that times of words need.
func (f *folder) aligns(decoder onnx.Signature) bool {
	return len(f.attentionOutputs(decoder)) == len(f.alignmentLayers())
}

// canAlign reports whether the model has times of words.
func (m *model) canAlign() bool { return m.folder.aligns(m.decoder.Signature()) }

// times returns the beginnings of the tokens of a window's text in steps of timestamps from
// the window's beginning, and at last the end of the last one. The decoder reads the text once
// more, without timestamps; the attention of the alignment heads to the sound is normalised
// over the tokens and smoothed, and a monotonic path through it assigns the steps to the
// tokens (timing.py of openai-whisper). prompt has the tokens of language and task, and steps
// is the length of the window's sound. It returns nil for a text that is too long.
func (t *transcriber) times(ctx context.Context, prompt, text []int, steps int) ([]int, error) {
	special := t.model.folder.Special
	tokens := slices.Concat(prompt, []int{special.noTimestamps}, text, []int{special.end})
	if len(tokens) > int(t.model.folder.Network.TargetPosition) || len(text) == 0 || steps < 1 {
		return nil, nil
	}
	if err := t.part.reset(); err != nil {
		return nil, err
	}
	attended := make(map[string]*onnx.Tensor)
	defer func() {
		for _, tensor := range attended {
			tensor.Close()
		}
	}()
	if _, err := t.part.run(ctx, tokens, int64(len(tokens)), attended); err != nil {
		return nil, err
	}
	matrix, err := t.model.attentionTo(attended, len(tokens), steps)
	if err != nil {
		return nil, err
	}
	return jumps(matrix[len(prompt):len(tokens)-1], steps), nil
}

// attentionTo returns the mean attention of the alignment heads, of shape [tokens, steps].
func (m *model) attentionTo(attended map[string]*onnx.Tensor, tokens, steps int) ([][]float64, error) {
	n := m.folder.Network
	frames := int(n.SourceFrames)
	matrix := make([][]float64, tokens)
	for i := range matrix {
		matrix[i] = make([]float64, steps)
	}
	heads := m.folder.alignmentHeads()
	weights, row := make([][]float64, tokens), make([]float64, steps)
	for i := range weights {
		weights[i] = make([]float64, steps)
	}
	for _, at := range heads {
		values, err := onnx.Floats(attended[attentionName(at[0])])
		if err != nil || len(values) < int(n.DecoderHeads)*tokens*frames {
			return nil, services.Internal(err, "the model returned an unusable result")
		}
		values = values[int(at[1])*tokens*frames:]
		for i := range weights {
			// The graph's softmax is over the whole window; of a shorter sound, its beginning
			// is what counts.
			sum := 0.0
			for k := range weights[i] {
				weights[i][k] = float64(values[i*frames+k])
				sum += weights[i][k]
			}
			for k := range weights[i] {
				weights[i][k] /= max(sum, math.SmallestNonzeroFloat32)
			}
		}
		standardise(weights)
		for i := range weights {
			median(row, weights[i], m.folder.Network.MedianWidth)
			for k, v := range row {
				matrix[i][k] += v / float64(len(heads))
			}
		}
	}
	return matrix, nil
}

// standardise makes the mean of each column zero and its variance one.
func standardise(rows [][]float64) {
	count := float64(len(rows))
	for k := range rows[0] {
		mean, variance := 0.0, 0.0
		for i := range rows {
			mean += rows[i][k] / count
		}
		for i := range rows {
			variance += (rows[i][k] - mean) * (rows[i][k] - mean) / count
		}
		deviation := math.Sqrt(variance)
		for i := range rows {
			rows[i][k] -= mean
			if deviation > 0 {
				rows[i][k] /= deviation
			}
		}
	}
}

// median filters values into out. At the edges the values are reflected; ones that are too
// short for that are copied.
func median(out, values []float64, width int) {
	half := width / 2
	if len(values) <= half {
		copy(out, values)
		return
	}
	window := make([]float64, 0, width)
	for i := range values {
		window = window[:0]
		for k := i - half; k <= i+half; k++ {
			at := k
			if at < 0 {
				at = -at
			}
			if at >= len(values) {
				at = 2*(len(values)-1) - at
			}
			window = append(window, values[at])
		}
		slices.Sort(window)
		out[i] = window[half]
	}
}

// Moves of dynamic time warping: to the next row and column, the next row, the next column.
const (
	moveBoth = iota
	moveRow
	moveColumn
)

// jumps returns the column at which the best monotonic path enters each row of a matrix of
// attention, of shape [rows][columns], by dynamic time warping.
func jumps(matrix [][]float64, columns int) []int {
	rows := len(matrix)
	moves := make([]uint8, (rows+1)*(columns+1))
	infinite := float32(math.Inf(1))
	before, cost := make([]float32, rows+1), make([]float32, rows+1)
	for i := 1; i <= rows; i++ {
		before[i] = infinite
	}
	for j := 1; j <= columns; j++ {
		cost[0] = infinite
		for i := 1; i <= rows; i++ {
			both, row, column := before[i-1], cost[i-1], before[i]
			move, least := uint8(moveColumn), column
			switch {
			case both < row && both < column:
				move, least = moveBoth, both
			case row < both && row < column:
				move, least = moveRow, row
			}
			cost[i] = float32(float64(least) - matrix[i-1][j-1])
			moves[i*(columns+1)+j] = move
		}
		before, cost = cost, before
	}
	enter := make([]int, rows)
	for i, j := rows, columns; i > 0 || j > 0; {
		move := moves[i*(columns+1)+j]
		if i == 0 {
			move = moveColumn
		} else if j == 0 {
			move = moveRow
		}
		if i > 0 {
			enter[i-1] = max(0, j-1)
		}
		if move != moveColumn {
			i--
		}
		if move != moveRow {
			j--
		}
	}
	return enter
}
