package clap

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestHostileFoldersAreRefused lists and uses folders whose numbers, lengths or nesting
// would crash the process.
func TestHostileFoldersAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := newService(t, dir)
	modeltest.RequireRefused(t, s, "clap-tiny", modelsDir, dir, func(model string) services.Task {
		return services.Task{ID: "1", Service: Name, Name: tasks.Embed, Model: model, Audio: audiofile.Tone(16000, time.Second)}
	})
}

// FuzzFiles replaces one of a folder's files with arbitrary bytes.
func FuzzFiles(f *testing.F) {
	small := modeltest.SmallFiles(f, filepath.Join(modelsDir, "clap-tiny"))
	names := []string{"config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"}
	modeltest.Fuzz(f, "clap-tiny", small, names, nil, func(t *testing.T, files modelstore.Folder) {
		folder, err := readFolder(files)
		if err != nil {
			return
		}
		if tokens, err := readTokenizer(files); err == nil {
			m := model{folder: folder, tokens: tokens}
			ids, _ := m.encode("What is that?")
			require.LessOrEqual(t, len(ids), folder.maxTokens)
		}
		_ = folder.contracts(files)
		rate := int64(folder.Preprocessor.SampleRateHz)
		for _, samples := range []int64{0, rate, 30 * rate} {
			require.Positive(t, folder.runBytes(samples, 1000))
		}
		require.Positive(t, folder.longest())
		if e, err := newExtractor(files.Name, folder); err == nil {
			require.NotEmpty(t, e.clip(make([]float32, 100)))
		}
	})
}
