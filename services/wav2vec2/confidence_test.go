package wav2vec2

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// twoWords returns posteriors of frames that spell ON without doubt, in which NO is possible.
func twoWords() *posteriors {
	d := &ctcDecoder{tokens: []string{"<pad>", "|", "N", "O"}, blank: "<pad>", delimiter: "|", secondsPerFrame: 0.02}
	d.index()
	p := newPosteriors(d)
	for _, best := range []int{0, 3, 3, 0, 2, 2, 0} {
		logits := []float32{float32(math.Log(0.1)), float32(math.Log(0.1)), float32(math.Log(0.1)), float32(math.Log(0.1))}
		logits[best] = float32(math.Log(0.7))
		p.add(logits)
	}
	return p
}

// TestEvidenceOfAWord computes the paths of two words by hand.
func TestEvidenceOfAWord(t *testing.T) {
	t.Parallel()
	p := twoWords()
	nothing := math.Log(0.8) // of a blank frame: blank or delimiter
	best := math.Log(0.7)
	path, total := p.greedy(0, 7)
	require.Equal(t, []string{"ON"}, wordTexts(p.decoder.words(path.spans)))
	require.InDelta(t, 4*best+3*nothing, total, 1e-6)
	require.InDelta(t, 4*best+2*nothing+best, p.constrained("ON", 0, 7), 1e-6, "a blank between two letters is only a blank")
	// N and O in one frame each, of which one has the other letter, and nothing in the other two.
	require.InDelta(t, 3*nothing+2*math.Log(0.2)+best+math.Log(0.1), p.constrained("NO", 0, 7), 1e-6)
	require.True(t, math.IsInf(p.constrained("X", 0, 7), -1), "cannot be spelled")

	right := p.gather(tasks.Word{Text: "ON", Start: 0.02, End: 0.12}, 0)
	require.InDelta(t, 0, right.misfit, 0.2)
	require.Zero(t, right.edits)
	require.InDelta(t, best, right.mean, 1e-6)
	wrong := p.gather(tasks.Word{Text: "NO", Start: 0.02, End: 0.12}, 0)
	require.Greater(t, wrong.misfit, 2.0)
	require.InDelta(t, 2, wrong.edits, 0)
	require.InDelta(t, right.misfit-wrong.misfit, -p.lead(tasks.Word{Text: "ON", Start: 0.02, End: 0.12}, []string{"NO", "ON"}, 0), 1e-6)
	require.InDelta(t, -mostLead, p.lead(tasks.Word{Text: "X", Start: 0.02, End: 0.12}, []string{"NO"}, 0), 0)
}

// TestWordsThatDoNotFitAreSpelled has a decoding that found a word of the list where the
// frames spell another text.
func TestWordsThatDoNotFitAreSpelled(t *testing.T) {
	t.Parallel()
	decoded := []tasks.Word{{Text: "NO", Start: 0.02, End: 0.12}}
	m := &model{words: newLexicon([]string{"NO"})}
	s := &scoring{posteriors: twoWords(), model: m, hot: newLexicon(nil), constrained: true, decoded: -1, sent: -1}
	words, confidence := s.whole(decoded)
	require.Equal(t, []string{"ON"}, wordTexts(words))
	require.InDelta(t, 0.02, words[0].Start, 1e-9)
	require.InDelta(t, 0.12, words[0].End, 1e-9)
	require.InDelta(t, *words[0].Confidence, confidence, 1e-6)
	require.Equal(t, []string{"ON"}, wordTexts(s.part(decoded)), "a stream has the same words")
	s.hot = newLexicon([]string{"no"})
	words, _ = s.whole(decoded)
	require.Equal(t, []string{"NO"}, wordTexts(words), "the request wants it")
	s.hot, s.constrained = newLexicon(nil), false
	words, _ = s.whole(decoded)
	require.Equal(t, []string{"NO"}, wordTexts(words), "of greedy decoding")
	words, confidence = s.whole(nil)
	require.Empty(t, words)
	require.InDelta(t, 1, confidence, 0, "silence is no doubt")
}

// TestConfidenceIsALogisticRegression has hand-made evidence and weights.
func TestConfidenceIsALogisticRegression(t *testing.T) {
	t.Parallel()
	all := []evidence{
		{letters: 2, spelled: 2, misfit: 1, mean: -0.1, least: -0.2, listed: 1},
		{letters: 4, spelled: 5, misfit: 6, edits: 3, mean: -0.5, least: -2},
	}
	c := &calibration{Bias: 1, Weights: map[string]float64{"misfit": -1, "near_misfit": -2, "unlisted": -3}}
	logistic := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	require.InDelta(t, logistic(1-0.5-2*7.0/6), c.confidence(all, 0), 1e-6)
	require.InDelta(t, logistic(1-1.5-2*7.0/6-3), c.confidence(all, 1), 1e-6)
	require.InDelta(t, math.Exp(-0.1-0.5), (*calibration)(nil).confidence(all, 0), 1e-6, "without a calibration")
	require.Len(t, features(all, 0), len(featureNames))
	for _, doubtless := range []*calibration{nil, {}, {Doubted: 0.5}} {
		require.True(t, doubtless.doubted(0.49))
		require.False(t, doubtless.doubted(0.5))
	}
	require.True(t, (&calibration{Doubted: 0.6}).doubted(0.59))
}

// TestCalibrationOfAFolder has files that are invalid.
func TestCalibrationOfAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, "custom")
	require.NoError(t, os.CopyFS(folder, os.DirFS("../../models/wav2vec2-tiny")))
	for text, problem := range map[string]string{
		`{"weights":{"mood":1}}`:    `custom/confidence.json: weights`,
		`{"bias":1e300}`:            `custom/confidence.json: bias`,
		`{"replaced":2}`:            `custom/confidence.json: replaced`,
		`{"doubted":-1}`:            `custom/confidence.json: doubted`,
		`{"weights":{"mean":-1e9}}`: `custom/confidence.json: weights`,
		`[]`:                        `custom/confidence.json`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, confidenceFile), []byte(text), 0o600))
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
		task.Model = "custom"
		_, err := services.ExecuteTask(t.Context(), newService(t, dir), task, services.DiscardSink{})
		require.ErrorContains(t, err, problem, text)
	}
}

// TestDoubtIsShown compares clips of the list's words with a recording of none.
func TestDoubtIsShown(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	transcribe := func(file, params string) (*tasks.Transcription, []services.Warning) {
		task := transcribeTask(diskAudio(file))
		task.Params = json.RawMessage(params)
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err)
		return result.Value.(*tasks.Transcription), result.Warnings
	}
	for _, clip := range readClips(t) {
		answer, warnings := transcribe(filepath.Join(clipsDir, clip.File), `{}`)
		if answer.Text == clip.Spoken {
			require.Empty(t, warnings, clip.File)
		}
	}
	for _, params := range []string{`{}`, `{"decoding":"greedy"}`} {
		answer, warnings := transcribe("testdata/unlisted.wav", params)
		require.Len(t, warnings, 1)
		require.Equal(t, services.WarnLowConfidence, warnings[0].Code)
		for _, word := range answer.Words {
			require.Less(t, *word.Confidence, 0.5, word.Text)
		}
	}
}
