package gama

import (
	"encoding/json"
	"os"
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
	catalog := modelstore.NewCatalog(os.DirFS(modelsDir), "")
	task := func(name, params string) services.Task {
		return services.Task{Service: Name, Name: name, Audio: clipFile("clip00.wav"), Params: json.RawMessage(params), Caller: everybody}
	}
	servicetest.Run(t, servicetest.Suite{
		New: func(*testing.T) services.ModelService {
			s := New(DefaultConfig(), catalog, rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{})
			s.KeepContexts(newShelf())
			return s
		},
		Tasks: map[string]services.Task{
			tasks.Ask:     task(tasks.Ask, `{"question":"What can be heard?","max_tokens":4}`),
			tasks.Caption: task(tasks.Caption, `{"max_tokens":4}`),
		},
		Opens: catalog.Opens,
	})
}
