package whisper

import (
	"encoding/json"
	"testing"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestConformance is not parallel because the suite checks for leaked goroutines.
func TestConformance(t *testing.T) {
	catalog := catalogOf(t, testdata)
	sound := written(t, made(80000))
	servicetest.Run(t, servicetest.Suite{
		New: func(*testing.T) services.ModelService {
			return New(DefaultConfig(), catalog, rt, session, modeltest.FreeMemory{})
		},
		Tasks: map[string]services.Task{
			tasks.Transcribe: {Service: Name, Name: tasks.Transcribe, Audio: sound, Params: json.RawMessage(`{"language":"en"}`)},
			tasks.Translate:  {Service: Name, Name: tasks.Translate, Audio: sound, Params: json.RawMessage(`{"language":"de"}`)},
		},
		Opens: catalog.Opens,
	})
}
