package whisper

import (
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

// TestHumanSpeech transcribes recordings with the real weights of whisper-tiny.en, and
// compares the words with those of transformers. GRYM_WHISPER is the folder of the model, as
// optimum-cli exports it; GRYM_TESTDATA is the one that holds testdata/audio.
func TestHumanSpeech(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("GRYM_WHISPER")
	if _, err := os.Stat(filepath.Join(folder, "config.json")); folder == "" || err != nil {
		t.Skip("real weights are absent; set GRYM_WHISPER to the folder of an exported whisper-tiny.en")
	}
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	s := serve(t, filepath.Dir(folder))
	name, found := filepath.Base(folder), 0
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
