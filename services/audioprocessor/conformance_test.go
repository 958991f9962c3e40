package audioprocessor

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestConformance is not parallel because the suite checks for leaked goroutines.
func TestConformance(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		New: func(t *testing.T) services.ModelService { return New(DefaultConfig(), limits(), t.TempDir()) },
		Tasks: map[string]services.Task{
			tasks.Convert: task(t, audiofile.Tone(44100, time.Second), tasks.ConvertParams{Container: "flac"}),
			tasks.Analyze: {
				Service: Name, Name: tasks.Analyze, Audio: audiofile.Tone(44100, time.Second), Params: json.RawMessage(`{"series":["pitch"]}`),
			},
			tasks.Edit: {
				Service: Name, Name: tasks.Edit, Audio: audiofile.Tone(44100, time.Second),
				Params: json.RawMessage(`{"operations":[{"op":"reverse"},{"op":"time_stretch","factor":0.8}]}`),
			},
			tasks.Draw: {
				Service: Name, Name: tasks.Draw, Audio: audiofile.Tone(44100, time.Second),
				Params: json.RawMessage(`{"kind":"spectrogram","width":300,"height":200}`),
			},
			tasks.ComputePeaks: {
				Service: Name, Name: tasks.ComputePeaks, Audio: audiofile.Tone(44100, time.Second), Params: json.RawMessage(`{"pixels":100}`),
			},
		},
	})
}
