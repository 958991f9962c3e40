package audioprocessor

import (
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestConformance is not parallel: the suite looks for goroutines that are left.
func TestConformance(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		New: func(t *testing.T) services.ModelService { return New(DefaultConfig(), limits(), t.TempDir()) },
		Tasks: map[string]services.Task{
			tasks.Convert: task(t, audiofile.Tone(44100, time.Second), tasks.ConvertParams{Container: "flac"}),
		},
	})
}
