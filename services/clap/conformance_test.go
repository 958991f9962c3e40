package clap

import (
	"encoding/json"
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

// TestConformance is not parallel because the suite checks for leaked goroutines.
func TestConformance(t *testing.T) {
	dir, err := filepath.Abs(randomDir)
	require.NoError(t, err)
	catalog := modelstore.NewCatalog(os.DirFS(modelsDir), dir)
	sound := written(t, 16000, made(16000, 1.5, 1))
	task := func(name, params string) services.Task {
		return services.Task{Service: Name, Name: name, Audio: sound, Params: json.RawMessage(params)}
	}
	servicetest.Run(t, servicetest.Suite{
		New: func(*testing.T) services.ModelService {
			return New(DefaultConfig(), catalog, rt, session, modeltest.FreeMemory{})
		},
		Tasks: map[string]services.Task{
			tasks.Embed:    task(tasks.Embed, `{"frames":true}`),
			tasks.Classify: task(tasks.Classify, `{"labels":["a dog","rain"],"top_k":1}`),
		},
		Opens: catalog.Opens,
	})
}
