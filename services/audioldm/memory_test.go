package audioldm

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

// status reads a line of /proc/self/status, in bytes.
func status(t *testing.T, key string) services.Bytes {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("the resident set is not known on this system")
	}
	for line := range strings.Lines(string(data)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, key+": %d kB", &kb); n == 1 {
			return services.Bytes(kb) * services.KiB
		}
	}
	t.Fatalf("no %s", key)
	return 0
}

// TestMemoryStaysInsideTheLease compares the growth of the resident set over whole
// tasks with their estimates, for a fully loaded model and in stages. GRYM_AUDIOLDM
// names a folder of another shape, as DIR/NAME.
func TestMemoryStaysInsideTheLease(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's shadow memory is counted too")
	}
	dir, name := filepath.Split(os.Getenv("GRYM_AUDIOLDM"))
	embedded := os.DirFS(filepath.Join("..", "..", "models"))
	for _, room := range []services.Bytes{unlimited, 1} {
		for _, seconds := range []string{"2.5", "10", "30"} {
			s := New(DefaultConfig(), modelstore.NewCatalog(embedded, dir), rt, onnx.SessionConfig{Threads: runtime.NumCPU()},
				modeltest.FreeMemory{}, func() services.Bytes { return room }, t.TempDir())
			request := task(`{"prompt":"a rising siren","seed":7,"num_inference_steps":2,"audio_length_in_s":` + seconds + `}`)
			request.Model = name
			debug.FreeOSMemory()
			onnx.TrimMemory()
			before := status(t, "VmRSS")
			require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0), "reset the peak")
			lease, err := servicetest.Bytes(t.Context(), s, request)
			require.NoError(t, err)
			result, err := services.ExecuteTask(t.Context(), s, request, services.DiscardSink{})
			require.NoError(t, err)
			require.NoError(t, result.Audio.Remove())
			peak := status(t, "VmHWM") - before
			t.Logf("%s s, staged %t: lease %s, peak %s, a ratio of %.2f", seconds, room == 1, lease, peak, float64(lease)/float64(peak))
			require.LessOrEqual(t, peak, lease, seconds)
			require.NoError(t, s.Shutdown(t.Context()))
		}
	}
}
