package wav2vec2

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestTheMemoryOfARunIsThatOfItsLayers compares with manually computed sums in float32
// of four bytes.
func TestTheMemoryOfARunIsThatOfItsLayers(t *testing.T) {
	t.Parallel()
	base := networkConfig{
		VocabSize: 32, HiddenSize: 768, IntermediateSize: 3072, AttentionHeads: 12,
		ConvDim:    []int64{512, 512, 512, 512, 512, 512, 512},
		ConvKernel: []int64{10, 3, 3, 3, 3, 2, 2},
		ConvStride: []int64{5, 2, 2, 2, 2, 2, 2},
	}
	flat := networkConfig{ // one narrow layer, so that attention dominates
		VocabSize: 10, HiddenSize: 100, IntermediateSize: 400, AttentionHeads: 4,
		ConvDim: []int64{1}, ConvKernel: []int64{100}, ConvStride: []int64{100},
	}
	for name, c := range map[string]struct {
		folder  folder
		samples int64
		bytes   services.Bytes
	}{
		// The layers have 3199, 1599, 799, 399, 199, 99 and 49 frames. The first two
		// are held together: 512 * (3199 + 1599) values, three times. The samples and
		// 49 * 32 output values are held twice in addition.
		"one second of the base model": {folder{Network: base}, 16_000, 4*3*512*(3199+1599) + 4*2*(16_000+49*32)},
		// Fewer samples than the receptive field count as that: 79, 39, 19, 9, 4, 2 and
		// 1 frames of 400 samples.
		"a moment of the base model": {folder{Network: base}, 1, 4*3*512*(79+39) + 4*2*(400+32)},
		// The features of a frame are as wide as its hidden state.
		"features of the base model": {folder{Network: base, Head: headFeatures}, 16_000, 4*3*512*(3199+1599) + 4*2*(16_000+49*768)},
		// 100 frames: scores of 100 * 100 for four heads, twice, and 100 times eight
		// hidden and two intermediate widths.
		"attention of a flat model": {folder{Network: flat}, 10_000, 4*(2*4*100*100+100*(8*100+2*400)) + 4*2*(10_000+100*10)},
		"ten times as much of it":   {folder{Network: flat}, 100_000, 4*(2*4*1000*1000+1000*(8*100+2*400)) + 4*2*(100_000+1000*10)},
		"labels of a flat model": {
			folder{Network: flat, Head: headSequence, Labels: make([]string, 3)},
			10_000,
			4*(2*4*100*100+100*(8*100+2*400)) + 4*2*(10_000+100*3),
		},
		// A layer that is wider than the one before it.
		"samples and the first layer": {
			folder{Network: networkConfig{
				VocabSize: 1, AttentionHeads: 1, ConvDim: []int64{1}, ConvKernel: []int64{1},
				ConvStride: []int64{1000},
			}},
			1_000_001, 4*3*(1_000_001+1001) + 4*2*(1_000_001+1001),
		},
		"more than there are numbers for": {folder{Network: base}, math.MaxInt64 / 16, math.MaxInt64},
	} {
		require.Equal(t, c.bytes, c.folder.runBytes(c.samples), name)
	}
}

// TestTheMemoryOfARunGrowsWithItsLength adds one sample at a time.
func TestTheMemoryOfARunGrowsWithItsLength(t *testing.T) {
	t.Parallel()
	f := folder{Network: networkConfig{
		VocabSize: 32, HiddenSize: 64, IntermediateSize: 128, AttentionHeads: 4,
		ConvDim: []int64{8, 8}, ConvKernel: []int64{10, 3}, ConvStride: []int64{5, 2},
	}}
	last := services.Bytes(0)
	for samples := range int64(5000) {
		bytes := f.runBytes(samples)
		require.GreaterOrEqual(t, bytes, last, "%d samples", samples)
		last = bytes
	}
	require.Greater(t, last, f.runBytes(0))
}
