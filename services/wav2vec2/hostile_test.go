package wav2vec2

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// TestHostileFoldersAreRefused lists and uses folders whose numbers, lengths or nesting
// would crash the process.
func TestHostileFoldersAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	modeltest.RequireRefused(t, s, "wav2vec2-tiny", modelsDir, dir, func(model string) services.Task {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
		task.Model = model
		return task
	})
}

// FuzzFiles replaces one of a folder's files with arbitrary bytes.
func FuzzFiles(f *testing.F) {
	small := modeltest.SmallFiles(f, filepath.Join(modelsDir, "wav2vec2-tiny"))
	names := []string{"config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json", "words.txt"}
	seeds := map[string][]byte{"words.txt": []byte("ONE\nTWO 2\n")}
	modeltest.Fuzz(f, "wav2vec2-tiny", small, names, seeds, func(t *testing.T, files modelstore.Folder) {
		folder, err := readFolder(files)
		if err != nil {
			return
		}
		if folder.Head == headCTC {
			folder.decoder()
		}
		_, _ = folder.wordList(files)
		_ = folder.contract()
		rate := int64(folder.Preprocessor.SamplingRate)
		for _, samples := range []int64{0, rate, 30 * rate} {
			require.Positive(t, folder.runBytes(samples))
		}
		for _, seconds := range []float64{1, 30} {
			length, stride := windowSamples(seconds, int(rate), int(folder.Network.hop()))
			require.Greater(t, length, 2*stride)
		}
	})
}
