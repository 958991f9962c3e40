package wav2vec2

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// expectedToken is a token of the greedy path with the mean of its log probabilities.
type expectedToken struct {
	id   int
	logp float64
}

// greedyPath returns the tokens of the greedy path over logits, from the definition: the
// likeliest token of each frame, of which equal neighbours are one.
func greedyPath(d *ctcDecoder, logits []float32) (path []expectedToken) {
	width := len(d.tokens)
	previous, frames := -1, 0
	for ; len(logits) > 0; logits = logits[width:] {
		best, sum := 0, 0.0
		for id, v := range logits[:width] {
			sum += math.Exp(float64(v))
			if v > logits[best] {
				best = id
			}
		}
		logp := float64(logits[best]) - math.Log(sum)
		switch {
		case best == previous && best != d.blankID:
			last := &path[len(path)-1]
			last.logp = (last.logp*float64(frames) + logp) / float64(frames+1)
			frames++
		case best != d.blankID:
			path = append(path, expectedToken{best, logp})
			frames = 1
		}
		previous = best
	}
	return path
}

// TestTokensHaveTheScoresOfTheirFrames compares the scores of the letters with those of the
// logits that another implementation computed.
func TestTokensHaveTheScoresOfTheirFrames(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	require.NoError(t, s.Initialize(t.Context()))
	m, done, err := s.pool.Acquire(t.Context(), "wav2vec2-tiny")
	require.NoError(t, err)
	defer done()
	letters := 0
	for _, want := range readGolden(t) {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, want.File)))
		task.Params = []byte(`{"decoding":"greedy","window_seconds":0,"include":["logprobs"]}`)
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err)
		var path []expectedToken
		for _, token := range greedyPath(&m.decoder, want.logits) {
			if token.id != m.decoder.delimiterID {
				path = append(path, token)
			}
		}
		for _, word := range result.Value.(*tasks.Transcription).Words {
			require.Greater(t, math.Exp(word.NoSpeech), 0.0)
			require.Less(t, math.Exp(word.NoSpeech), 0.5, word.Text)
			for _, token := range word.Tokens {
				require.LessOrEqual(t, token.LogProb, 0.0)
				if token.Text == " " {
					continue
				}
				require.Equal(t, path[0].id, token.ID, want.File)
				require.InDelta(t, path[0].logp, token.LogProb, 2e-3, "%s: %s", want.File, word.Text)
				path = path[1:]
				letters++
			}
		}
		require.Empty(t, path)
	}
	require.Greater(t, letters, 300)
}

// TestTokensSpellTheText has every decoding, in one window and in several.
func TestTokensSpellTheText(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	for _, params := range []string{
		`{"decoding":"greedy","include":["logprobs"]}`, `{"decoding":"beam","include":["logprobs"]}`, `{"response_format":"verbose_json"}`,
		`{"include":["logprobs"],"stream":true,"window_seconds":1}`,
		`{"include":["logprobs"],"stream":true,"decoding":"greedy","window_seconds":1}`,
		`{"include":["logprobs"],"prompt":"zebra","keywords":["mute track"]}`,
	} {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip21.wav")))
		task.Params = json.RawMessage(params)
		var sink deltas
		result, err := services.ExecuteTask(t.Context(), s, task, &sink)
		require.NoError(t, err)
		answer := result.Value.(*tasks.Transcription)
		spelled := func(words []tasks.Word) string {
			var b strings.Builder
			for _, token := range tasks.Logprobs(words) {
				b.WriteString(token.Token)
				require.LessOrEqual(t, token.LogProb, 0.0)
				require.GreaterOrEqual(t, token.LogProb, lowestLogP)
			}
			return b.String()
		}
		require.NotEmpty(t, answer.Text)
		require.Equal(t, answer.Text, spelled(answer.Words), params)
		if strings.Contains(params, "stream") {
			require.Equal(t, unjudged(t, answer.Words), sink.words, params)
		}
	}
	task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip21.wav")))
	result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	require.NoError(t, err)
	for _, word := range result.Value.(*tasks.Transcription).Words {
		require.Empty(t, word.Tokens, "without being asked for")
		require.Zero(t, word.NoSpeech)
	}
}

// TestTokensOfAWord aligns words with frames whose probabilities are known.
func TestTokensOfAWord(t *testing.T) {
	t.Parallel()
	d := &ctcDecoder{tokens: []string{"<pad>", "|", "A", "L", "AL"}, blank: "<pad>", delimiter: "|", secondsPerFrame: 0.02}
	d.index()
	p := newPosteriors(d)
	frame := func(best int, probability float64) []float32 {
		logits := make([]float32, len(d.tokens))
		for i := range logits {
			logits[i] = float32(math.Log((1 - probability) / 4))
		}
		logits[best] = float32(math.Log(probability))
		return logits
	}
	for _, f := range [][]float32{frame(2, 0.9), frame(3, 0.8), frame(3, 0.6), frame(0, 0.9), frame(3, 0.5), frame(1, 0.7), frame(4, 0.9)} {
		p.add(f)
	}
	words := []tasks.Word{{Text: "ALL", Start: 0, End: 0.1}, {Text: "AL", Start: 0.12, End: 0.14}}
	require.Equal(t, 7, p.score(words, -1))
	logs := func(word tasks.Word) (ids []int, logs []float64) {
		for _, token := range word.Tokens {
			ids, logs = append(ids, token.ID), append(logs, token.LogProb)
		}
		return ids, logs
	}
	ids, got := logs(words[0])
	require.Equal(t, []int{2, 3, 3}, ids)
	require.InDeltaSlice(t, []float64{math.Log(0.9), (math.Log(0.8) + math.Log(0.6)) / 2, math.Log(0.5)}, got, 1e-5)
	nothing := math.Log(0.1/4*2) + math.Log(0.2/4*2) + math.Log(0.4/4*2) + math.Log(0.9+0.1/4) + math.Log(0.5/4*2)
	require.InDelta(t, nothing, words[0].NoSpeech, 1e-5)
	ids, got = logs(words[1])
	require.Equal(t, []int{1, 4}, ids, "the tokens that fit the frames best")
	require.InDeltaSlice(t, []float64{math.Log(0.7), math.Log(0.9)}, got, 1e-5)
}
