package audioldm

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
	s, dir := newService(t)
	modeltest.RequireRefused(t, s, "audioldm-tiny", filepath.Join("..", "..", "models"), dir, func(model string) services.Task {
		task := task(`{"prompt":"rain","num_inference_steps":2,"audio_length_in_s":0.5}`)
		task.Model = model
		return task
	})
}

// FuzzFiles replaces one of a folder's files with arbitrary bytes.
func FuzzFiles(f *testing.F) {
	small := modeltest.SmallFiles(f, filepath.Join("..", "..", "models", "audioldm-tiny"))
	names := []string{
		"scheduler/scheduler_config.json", "text_encoder/config.json", "unet/config.json", "vae_decoder/config.json", "vocoder/config.json",
		"tokenizer/tokenizer_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer.json",
	}
	modeltest.Fuzz(f, "audioldm-tiny", small, names, nil, func(t *testing.T, files modelstore.Folder) {
		if tokens, err := readTokenizer(files); err == nil {
			tokens.Decode(tokens.Encode("a dog barks"))
		}
		folder, err := readFolder(files)
		if err != nil {
			return
		}
		prints := make(map[string]footprint)
		for _, part := range parts {
			prints[part] = footprint{weights: 1 << 62, attends: true}
		}
		for _, seconds := range []float64{leastSeconds, 600} {
			d := folder.demand(prints, plan{prompt: "x", seconds: seconds, steps: 2, guidance: 2, count: maxWaveforms})
			require.Positive(t, d.runs)
			require.Positive(t, d.load)
			require.Positive(t, d.staged)
		}
		for _, steps := range []int{1, 2, min(maxSteps, folder.scheduler.TrainSteps-1)} {
			for _, s := range []scheduler{newDDIM(folder.scheduler, steps, 1, newGenerator(1)), newDPMSolver(folder.scheduler, steps)} {
				for i := range s.timesteps() {
					s.step(i, make([]float32, 2), make([]float32, 2))
				}
			}
		}
	})
}
