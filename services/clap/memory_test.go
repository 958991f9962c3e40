package clap

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestMemoryOfARunIsLeased measures the memory of runs without the loaded model, and
// compares the estimate. It is not parallel: other tests would be measured too.
func TestMemoryOfARunIsLeased(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	probe := memprobe.Probe{}
	if probe.ResetPeak() != nil {
		t.Skip("the peak of the resident set is not known on this system")
	}
	s := randomService(t)
	for _, c := range []struct {
		model   string
		seconds float64
		params  string
	}{
		{"clap-tiny", 40, `{"frames":true,"frame_windows":[0.5,1,8],"frame_hop":0.1}`}, {"clap-tiny", 40, `{"window_seconds":30}`},
		{"unfused", 20, ""}, {"fused", 10, ""}, {"ast", 5, ""},
	} {
		sound := written(t, 16000, made(16000, c.seconds, 1))
		run[*tasks.Embedding](t, s, tasks.Embed, c.model, "", written(t, 16000, made(16000, 1, 1))) // loads the model
		task := services.Task{ID: "1", Service: Name, Name: tasks.Embed, Model: c.model, Params: []byte(c.params), Audio: sound}
		leased, err := servicetest.Bytes(t.Context(), s, task)
		require.NoError(t, err)
		debug.FreeOSMemory()
		before, err := probe.Resident()
		require.NoError(t, err)
		require.NoError(t, probe.ResetPeak())
		run[*tasks.Embedding](t, s, tasks.Embed, c.model, c.params, sound)
		peak, err := probe.Peak()
		require.NoError(t, err)
		t.Logf("%s, %v s, %s: leased %s, took %s", c.model, c.seconds, c.params, leased, peak-before)
		require.GreaterOrEqual(t, leased, peak-before, "%s %s", c.model, c.params)
	}
}

// TestMemoryDoesNotGrowWithTheRecording compares the leases of recordings of a minute and of
// ten.
func TestMemoryDoesNotGrowWithTheRecording(t *testing.T) {
	t.Parallel()
	s := randomService(t)
	for _, model := range []string{"clap-tiny", "unfused", "ast"} {
		var leased []services.Bytes
		for _, seconds := range []float64{60, 600} {
			bytes, err := servicetest.Bytes(t.Context(), s, services.Task{
				ID: "1", Service: Name, Name: tasks.Embed, Model: model, Audio: written(t, 8000, make([]float32, int(8000*seconds))),
			})
			require.NoError(t, err)
			leased = append(leased, bytes)
		}
		require.Equal(t, leased[0], leased[1], model)
	}
}
