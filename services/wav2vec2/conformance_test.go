package wav2vec2

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestConformance is not parallel: the suite looks for goroutines that are left.
func TestConformance(t *testing.T) {
	dir, err := filepath.Abs(headsDir)
	require.NoError(t, err)
	catalog := modelstore.NewCatalog(os.DirFS(modelsDir), dir)
	servicetest.Run(t, servicetest.Suite{
		New: func(*testing.T) services.ModelService {
			return New(DefaultConfig(), catalog, engine, sessionConfig, modeltest.FreeMemory{})
		},
		Tasks: map[string]services.Task{
			tasks.Transcribe: headTask(tasks.Transcribe, "", `{"language":"en"}`, "clip09.wav"),
			tasks.Embed:      headTask(tasks.Embed, "features-group", `{"pooling":"mean"}`, "clip09.wav"),
			tasks.Classify:   headTask(tasks.Classify, "sequence-group", `{"top_k":1}`, "clip09.wav"),
		},
		Opens: catalog.Opens,
	})
}
