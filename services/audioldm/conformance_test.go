package audioldm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestConformance is not parallel: the suite looks for goroutines that are left.
func TestConformance(t *testing.T) {
	catalog := modelstore.NewCatalog(os.DirFS(filepath.Join("..", "..", "models")), "")
	servicetest.Run(t, servicetest.Suite{
		New: func(t *testing.T) services.ModelService {
			return New(DefaultConfig(), catalog, rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, nil, t.TempDir())
		},
		Tasks: map[string]services.Task{
			tasks.Generate: task(`{"prompt":"a beep","num_inference_steps":2,"audio_length_in_s":0.5}`),
		},
		Opens: catalog.Opens,
	})
}
