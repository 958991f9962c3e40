package whisper

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// attentionGolden is attention.json, which openai-whisper has computed.
type attentionGolden struct {
	Times []struct {
		Samples int   `json:"samples"`
		Text    []int `json:"text"`
		Times   []int `json:"times"`
	} `json:"times"`
	Searches []struct {
		Samples  int      `json:"samples"`
		Width    int      `json:"beam_size"`
		Patience float64  `json:"patience"`
		Penalty  *float64 `json:"length_penalty"`
		Tokens   []int    `json:"tokens"`
		Average  float64  `json:"average"`
		NoSpeech float64  `json:"no_speech"`
	} `json:"searches"`
}

// listening returns a transcriber of the folder attention that has heard a sound.
func listening(t *testing.T, samples int, params tasks.TranscribeParams) *transcriber {
	t.Helper()
	m := loaded(t, "attention")
	w := &work{params: params, beams: beamsOf(params)}
	tr := newTranscriber(w, m, new(recording), services.DiscardSink{}, services.NewStageClock(t.Context()))
	tr.decoder.written = func() {}
	var err error
	tr.part, err = m.newRun(w.beams.rows())
	require.NoError(t, err)
	t.Cleanup(tr.part.Close)
	hidden, err := m.encode(t.Context(), m.extractor.features(made(samples), m.folder.frames()))
	require.NoError(t, err)
	require.NoError(t, tr.part.hear(hidden))
	return tr
}

// TestTimesAreTheReferences compares the times of tokens with those of openai-whisper.
func TestTimesAreTheReferences(t *testing.T) {
	t.Parallel()
	file := golden[attentionGolden](t, "attention.json")
	require.NotEmpty(t, file.Times)
	for _, c := range file.Times {
		tr := listening(t, c.Samples, tasks.TranscribeParams{Language: "de"})
		require.True(t, tr.model.canAlign())
		times, err := tr.times(t.Context(), tr.task(), c.Text, c.Samples/320)
		require.NoError(t, err)
		require.Equal(t, c.Times, times, "%d samples", c.Samples)
	}
	tr := listening(t, 4000, tasks.TranscribeParams{Language: "de"})
	for _, text := range [][]int{nil, make([]int, 40)} {
		times, err := tr.times(t.Context(), tr.task(), text, 12)
		require.NoError(t, err)
		require.Nil(t, times, "%d tokens", len(text))
	}
}

// TestMedian has the edges of the filter.
func TestMedian(t *testing.T) {
	t.Parallel()
	out := make([]float64, 5)
	median(out, []float64{9, 1, 5, 3, 7}, 3)
	require.Equal(t, []float64{1, 5, 3, 5, 3}, out, "reflected without the edge itself")
	median(out[:2], []float64{4, 2}, 5)
	require.Equal(t, []float64{4, 2}, out[:2], "too short")
	median(out, []float64{9, 1, 5, 3, 7}, 1)
	require.Equal(t, []float64{9, 1, 5, 3, 7}, out)
}

// TestAlignedWords has the rules of openai-whisper about punctuation, pauses and the times of
// segments.
func TestAlignedWords(t *testing.T) {
	t.Parallel()
	text := vocabulary{0: " a", 1: " b", 2: ".", 3: " c", 4: "d"}
	config := &folder{Preprocessor: preprocessorConfig{SamplingRate: 16000, HopLength: 160}}
	type times [][2]float64
	for name, c := range map[string]struct {
		pieces []piece
		times  []int
		spoken float64
		want   times
	}{
		"a mark does not prolong its word": {
			[]piece{{0, 100, tokensOf(0, 2, 1)}}, []int{0, 20, 60, 80}, 10, times{{10, 10.4}, {11.2, 11.6}},
		},
		"a word after a sentence begins late": {
			[]piece{{0, 200, tokensOf(0, 2, 1, 3)}}, []int{0, 20, 40, 140, 160}, 10, times{{10, 10.4}, {12, 12.8}, {12.8, 13.2}},
		},
		"a first word after a pause": {
			[]piece{{70, 200, tokensOf(0, 1, 3, 4)}}, []int{0, 100, 120, 130, 140}, 10, times{{11.2, 12}, {12, 12.4}, {12.4, 12.8}},
		},
		"a last word before a pause": {
			[]piece{{0, 50, tokensOf(0, 1)}}, []int{0, 20, 120}, 10, times{{10, 10.4}, {10.4, 11.1}},
		},
		"two segments": {
			[]piece{{0, 40, tokensOf(0, 1)}, {40, 70, tokensOf(3, 4)}}, []int{0, 20, 40, 60, 70}, 10,
			times{{10, 10.4}, {10.4, 10.8}, {10.8, 11.4}},
		},
	} {
		tr := &transcriber{model: &model{text: text, folder: config}, spoken: c.spoken}
		got := times{}
		for _, list := range tr.alignedWords(c.pieces, c.times, answer{noSpeech: 0.5}, 10) {
			for _, w := range list {
				got = append(got, [2]float64{w.Start, w.End})
			}
		}
		require.Equal(t, c.want, got, name)
	}
}

// TestEstimatedTimesAreSaid has the warning where word times are asked for and the folder has
// no attention.
func TestEstimatedTimesAreSaid(t *testing.T) {
	t.Parallel()
	s := serve(t, testdata)
	sound := written(t, made(40000))
	for params, want := range map[string][]string{
		`{"language":"de"}`: nil,
		`{"language":"de","timestamp_granularities":["segment"]}`:                               nil,
		`{"language":"de","response_format":"verbose_json","timestamp_granularities":["word"]}`: {"timestamp_granularities"},
		`{"decoding":"greedy","beam_width":4,"patience":2,"length_penalty":0}`:                  {"beam_width", "patience", "length_penalty"},
		`{"beam_width":2,"patience":2,"length_penalty":0}`:                                      nil,
	} {
		for _, model := range []string{"random", "attention"} {
			_, result, err := s.transcribe(t.Context(), model, params, sound)
			require.NoError(t, err)
			var fields []string
			for _, w := range result.Warnings {
				if w.Code != services.WarnEstimatedTimes || model == "random" {
					fields = append(fields, w.Field)
				}
			}
			if model == "attention" && len(want) == 1 {
				require.Empty(t, result.Warnings, params)
				continue
			}
			require.Equal(t, want, fields, "%s %s", model, params)
		}
	}
}
