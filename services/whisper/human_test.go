package whisper

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// humanWords returns the words of a text in lower case.
func humanWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
}

// realWeights returns a service with the real weights of whisper-tiny.en, and the model's
// name. GRYM_WHISPER is the folder of the model, as optimum-cli exports it.
func realWeights(t *testing.T) (*Service, string) {
	t.Helper()
	folder := os.Getenv("GRYM_WHISPER")
	if _, err := os.Stat(filepath.Join(folder, "config.json")); folder == "" || err != nil {
		t.Skip("real weights are absent; set GRYM_WHISPER to the folder of an exported whisper-tiny.en")
	}
	return serve(t, filepath.Dir(folder)), filepath.Base(folder)
}

// TestHumanSpeech transcribes recordings with real weights, and compares the words with
// those of transformers. GRYM_TESTDATA is the folder that holds testdata/audio.
func TestHumanSpeech(t *testing.T) {
	t.Parallel()
	s, name := realWeights(t)
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	found := 0
	for file, want := range golden[map[string]string](t, "human.json") {
		path := filepath.Join(root, "testdata", "audio", file)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		found++
		got, _, err := s.transcribe(t.Context(), name, `{}`, &services.Artifact{Path: path, Bytes: info.Size()})
		require.NoError(t, err, file)
		require.Equal(t, humanWords(want), humanWords(got.Text), file)
		require.Equal(t, "en", got.Language)
		require.LessOrEqual(t, got.Words[len(got.Words)-1].End, got.DurationSeconds+0.1, file)
	}
	if found == 0 {
		t.Skip("recordings are absent; set GRYM_TESTDATA to the folder that holds testdata/audio")
	}
	for _, params := range []string{`{"translate":true}`, `{"language":"fr"}`} {
		_, _, err := s.transcribe(t.Context(), name, params, written(t, made(16000)))
		require.Error(t, err, params)
	}
}

// TestNoiseHasNoWords has noise, rumble, melodies and silence for real weights.
func TestNoiseHasNoWords(t *testing.T) {
	t.Parallel()
	s, name := realWeights(t)
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // nothing secret
	for i := range 10 {
		samples, low := make([]float32, 80000), 0.0
		for k := range samples {
			noise, seconds := random.NormFloat64(), float64(k)/16000
			low += 0.02 * (noise - low)
			semitones := math.Floor(3*seconds + float64(i))
			samples[k] = float32([]float64{
				0.01 * noise, 0.2 * noise, low, 0.3 * math.Sin(2*math.Pi*220*math.Pow(2, semitones/12)*seconds), 0,
			}[i%5])
		}
		got, _, err := s.transcribe(t.Context(), name, `{}`, written(t, samples))
		require.NoError(t, err)
		require.Empty(t, got.Text, "sound %d", i)
	}
}
