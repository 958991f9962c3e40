package gama

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestHostileFoldersAreRefused lists and uses folders whose numbers, lengths or nesting
// would crash the process.
func TestHostileFoldersAreRefused(t *testing.T) {
	dir := t.TempDir()
	catalog := modelstore.NewCatalog(os.DirFS(modelsDir), dir)
	s := New(DefaultConfig(), catalog, rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, newShelf())
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	modeltest.RequireRefused(t, s, "gama-tiny", modelsDir, dir, func(model string) services.Task {
		return services.Task{
			ID: "1", Service: Name, Name: tasks.Ask, Model: model, Caller: everybody,
			Params: json.RawMessage(`{"question":"What?"}`), Audio: audiofile.Tone(16000, time.Second),
		}
	})
}

// FuzzFiles replaces one of a folder's files with arbitrary bytes.
func FuzzFiles(f *testing.F) {
	small := modeltest.SmallFiles(f, filepath.Join(modelsDir, "gama-tiny"))
	names := []string{"config.json", "preprocessor_config.json", "generation_config.json", "tokenizer.json", "tokenizer.model"}
	modeltest.Fuzz(f, "gama-tiny", small, names, nil, func(t *testing.T, files modelstore.Folder) {
		folder, err := readFolder(files)
		if err != nil {
			return
		}
		folder.Text.Decode(folder.Text.Encode("What is that?"))
		_ = folder.decoderContract()
		require.Positive(t, folder.runBytes(1<<20, tasks.AskParams{ContextID: "new"}))
		if e, err := newExtractor(folder.Preprocessor, folder.Network.AudioPart.MaxFrames); err == nil {
			require.Positive(t, e.longest)
		}
		choices := decoding.NewSampler(folder.sampling(tasks.AskParams{}), []int64{-1, 5, 6, 5})
		for range 3 {
			choices.Choose(make([]float32, 16))
		}
	})
}
