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
			services.TaskTranscribe: headTask(services.TaskTranscribe, "", `{"language":"en"}`, "clip09.wav"),
			services.TaskEmbed:      headTask(services.TaskEmbed, "features-group", `{"pooling":"mean"}`, "clip09.wav"),
			services.TaskClassify:   headTask(services.TaskClassify, "sequence-group", `{"top_k":1}`, "clip09.wav"),
		},
		Opens: catalog.Opens,
	})
}
