package wav2vec2

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// baseDecoder has the vocabulary of wav2vec2-base-960h.
func baseDecoder() *ctcDecoder {
	tokens := strings.Fields("<pad> <s> </s> <unk> | E T A O N I H S R D L U M W C F G Y P B V K ' X J Q Z")
	return &ctcDecoder{tokens: tokens, unknown: "<unk>", blank: "<pad>", delimiter: "|", secondsPerFrame: 0.02}
}

// TestPublishedDecodes has cases from the published tests of the format's tokenizer.
func TestPublishedDecodes(t *testing.T) {
	t.Parallel()
	d := baseDecoder()
	for text, ids := range map[string][]int{
		"HE LLO<unk>":  {11, 5, 5, 5, 5, 5, 4, 4, 15, 15, 15, 0, 15, 8, 98},
		"HELLO<unk>":   {11, 5, 15, 0, 15, 8, 98},
		"BYE BYE<unk>": {24, 22, 5, 4, 24, 22, 5, 77},
		"":             {0, 0, 4, 4, 0},
	} {
		got, _ := d.decodeIDs(ids)
		require.Equal(t, text, got)
	}
	spans := d.merge([]int{11, 5, 5, 5, 5, 5, 4, 4, 15, 15, 15, 0, 15, 8, 98})
	starts, ends := []int{}, []int{}
	for _, s := range spans {
		starts, ends = append(starts, s.start), append(ends, s.end)
	}
	require.Equal(t, []int{0, 1, 6, 8, 12, 13, 14}, starts)
	require.Equal(t, []int{1, 6, 8, 11, 13, 14, 15}, ends)
	_, words := d.decodeIDs([]int{11, 5, 5, 5, 5, 5, 4, 4, 15, 15, 15, 0, 15, 8, 98})
	require.Len(t, words, 2)
	require.Equal(t, "LLO<unk>", words[1].Text)
	require.InDelta(t, 0.16, words[1].Start, 1e-9)
	require.InDelta(t, 0.30, words[1].End, 1e-9)
}

func TestLowerCaseAndSpacesBeforePunctuation(t *testing.T) {
	t.Parallel()
	d := baseDecoder()
	d.lower, d.cleanUp = true, true
	text, words := d.decodeIDs([]int{7, 4, 27, 4, 12}) // A ' S
	require.Equal(t, "a's", text)
	require.Equal(t, "a", words[0].Text)
	require.Empty(t, mustWords(d, nil))
}

func mustWords(d *ctcDecoder, ids []int) []string {
	_, words := d.decodeIDs(ids)
	texts := make([]string, 0, len(words))
	for _, w := range words {
		texts = append(texts, w.Text)
	}
	return texts
}

// TestRealPrediction decodes a published prediction of 383 frames and compares with the
// times of the format's tokenizer, from the tests of transformers.
func TestRealPrediction(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/ctc_common_voice_en_100038.json")
	require.NoError(t, err)
	var want struct {
		IDs    []int     `json:"pred_ids"`
		Chars  []string  `json:"char_time_stamps_text"`
		CharAt []float64 `json:"char_time_stamps_start"`
		Text   string    `json:"text"`
		Words  []string  `json:"word_time_stamps_text"`
		Starts []float64 `json:"word_time_stamps_start"`
		Ends   []float64 `json:"word_time_stamps_end"`
	}
	require.NoError(t, json.Unmarshal(data, &want))
	d := baseDecoder()
	text, words := d.decodeIDs(want.IDs)
	require.Equal(t, want.Text, text)
	require.Len(t, words, len(want.Words))
	for i, w := range words {
		require.Equal(t, want.Words[i], w.Text)
		require.InDelta(t, want.Starts[i], w.Start, 0.005)
		require.InDelta(t, want.Ends[i], w.End, 0.005)
	}
	spans := d.merge(want.IDs)
	require.Len(t, spans, len(want.Chars))
	for i, s := range spans {
		require.Equal(t, want.Chars[i], s.text)
		require.InDelta(t, want.CharAt[i], float64(s.start)*0.02, 0.005)
	}
}

// TestFrameCounts has manually computed values for the chain of convolutions.
func TestFrameCounts(t *testing.T) {
	t.Parallel()
	n := networkConfig{ConvKernel: []int64{10, 3, 3, 3, 3, 2, 2}, ConvStride: []int64{5, 2, 2, 2, 2, 2, 2}}
	for samples, frames := range map[int64]int64{
		399: 0, 400: 1, 719: 1, 720: 2, 16000: 49, 32000: 99, 74400: 232, 80000: 249, 93680: 292, 160000: 499, 213360: 666, 480000: 1499,
	} {
		require.Equal(t, frames, n.frames(samples), samples)
	}
	require.Equal(t, int64(320), n.hop())
	require.Equal(t, int64(400), n.receptiveField())
}
