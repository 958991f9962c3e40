package whisper

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestSearchesAreTheReferences compares texts with those of openai-whisper, twice on the same
// window.
func TestSearchesAreTheReferences(t *testing.T) {
	t.Parallel()
	file := golden[attentionGolden](t, "attention.json")
	require.NotEmpty(t, file.Searches)
	for _, c := range file.Searches {
		params := tasks.TranscribeParams{Language: "de", BeamWidth: c.Width, Patience: c.Patience, LengthPenalty: c.Penalty}
		tr := listening(t, c.Samples, params)
		for range 2 {
			a, err := tr.decoder.search(t.Context(), tr.part, tr.prompt())
			require.NoError(t, err)
			require.Equal(t, c.Tokens, piece{tokens: a.tokens}.ids(), "%+v", c)
			require.InDelta(t, c.Average, a.average, 1e-4)
			require.InDelta(t, c.NoSpeech, a.noSpeech, 1e-4)
		}
	}
}

// TestASearchOfOneIsGreedy has the same text as without a search.
func TestASearchOfOneIsGreedy(t *testing.T) {
	t.Parallel()
	tr := listening(t, 20000, tasks.TranscribeParams{Language: "de"})
	want, err := tr.decoder.attempt(t.Context(), tr.part, tr.prompt(), 0)
	require.NoError(t, err)
	tr.decoder.beams = beams{width: 1, most: 1}
	got, err := tr.decoder.search(t.Context(), tr.part, tr.prompt())
	require.NoError(t, err)
	require.Equal(t, piece{tokens: want.tokens}.ids(), piece{tokens: got.tokens}.ids())
	require.InDelta(t, want.average, got.average, 1e-6)
}

// TestSettingsOfASearch has when there is one.
func TestSettingsOfASearch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		params      tasks.TranscribeParams
		width, most int
	}{
		{tasks.TranscribeParams{}, 0, 0},
		{tasks.TranscribeParams{BeamWidth: 1}, 0, 0},
		{tasks.TranscribeParams{Decoding: tasks.DecodingGreedy, BeamWidth: 4}, 0, 0},
		{tasks.TranscribeParams{BeamWidth: 4}, 4, 4},
		{tasks.TranscribeParams{Decoding: tasks.DecodingBeam}, 5, 5},
		{tasks.TranscribeParams{Decoding: tasks.DecodingBeam, Patience: 0.1}, 5, 1},
		{tasks.TranscribeParams{Decoding: tasks.DecodingBeam, BeamWidth: 3, Patience: 1.5}, 3, 4},
	} {
		b := beamsOf(c.params)
		require.Equal(t, []int{c.width, c.most}, []int{b.width, b.most}, "%+v", c.params)
	}
	_, _, err := serve(t, testdata).transcribe(t.Context(), "random", `{"beam_width":17}`, written(t, made(16000)))
	require.ErrorContains(t, err, "beam_width must be at most 16 for a Whisper model, got 17")
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, services.KindInvalid, fault.Kind)
}

// TestTextsOfDifferentLengths are compared by their probability and length.
func TestTextsOfDifferentLengths(t *testing.T) {
	t.Parallel()
	half, none := 0.5, 0.0
	h := hypothesis{tokens: tokensOf(1, 2, 3, 4), sum: -6}
	require.InDelta(t, -1.5, beams{}.score(h), 1e-9)
	require.InDelta(t, -4.898979, beams{penalty: &half}.score(h), 1e-6)
	require.InDelta(t, -6, beams{penalty: &none}.score(h), 1e-9)
	require.InDelta(t, -6, beams{}.score(hypothesis{sum: -6}), 1e-9, "nothing but an end")
}

// TestTheLikeliestAreThoseOfASort has equal logits and excluded tokens.
func TestTheLikeliestAreThoseOfASort(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // nothing secret
	for range 200 {
		logits := make([]float32, 1+random.IntN(40))
		var want []int
		for i := range logits {
			if logits[i] = float32(random.IntN(8)); random.IntN(4) == 0 {
				logits[i] = decoding.Never
				continue
			}
			want = append(want, i)
		}
		slices.SortStableFunc(want, func(a, b int) int { return int(logits[b] - logits[a]) })
		for _, count := range []int{1, 3, 6, 50} {
			require.Equal(t, append([]int{}, want[:min(count, len(want))]...), likeliest(logits, count))
		}
	}
}
