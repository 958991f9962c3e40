package audioprocessor

import (
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

// TestConformance is not parallel: the suite looks for goroutines that are left.
func TestConformance(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		New: func(t *testing.T) services.ModelService { return New(DefaultConfig(), limits(), t.TempDir()) },
		Tasks: map[string]services.Task{
			services.TaskConvert: task(t, audiofile.Tone(44100, time.Second), services.ConvertParams{Container: "flac"}),
		},
	})
}
