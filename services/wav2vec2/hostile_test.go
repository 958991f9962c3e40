package wav2vec2

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// TestHostileFoldersAreRefused lists folders whose numbers, lengths and depths would
// end the process, then asks for each of them.
func TestHostileFoldersAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	folders := modeltest.Of("wav2vec2-tiny")
	require.NotEmpty(t, folders)
	for _, h := range folders {
		h.Write(t, modelsDir, dir)
	}
	problems := make(map[string]string)
	for _, m := range s.Models() {
		problems[m.Name] = m.Problem
	}
	require.Empty(t, problems["wav2vec2-tiny"])
	for _, h := range folders {
		if !h.OnLoad {
			require.Contains(t, problems[h.Name], h.Name)
			require.Contains(t, problems[h.Name], h.Says)
			require.Less(t, len(problems[h.Name]), 2048, h.Says)
		}
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
		task.Model = h.Name
		_, err := s.Estimate(t.Context(), task)
		if err == nil {
			_, err = s.ExecuteTask(t.Context(), task, services.DiscardSink{})
		}
		require.ErrorContains(t, err, h.Says)
		require.Equal(t, services.KindInvalid, services.KindOf(err), h.Says)
		require.Less(t, len(err.Error()), 2048, h.Says)
	}
}

// FuzzFiles puts any bytes in the place of one of a folder's files.
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
		_, _ = folder.readWords(files)
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
