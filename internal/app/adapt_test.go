package app

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

// TestAServiceIsAsWideAsItsDemand lets tasks wait for something else than a core,
// so that another run at once helps.
func TestAServiceIsAsWideAsItsDemand(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one core is one run")
	}
	s := inProcess(t, func(cfg *config.Config) {
		cfg.SystemHardening.PerformanceMonitoring.CheckInterval = 100 * time.Millisecond
	})
	configured := s.runs[wav2vec2.Name]
	now := func() int {
		for _, u := range s.memory.Usage().Services {
			if u.Name == wav2vec2.Name {
				return u.Runs
			}
		}
		return 0
	}
	require.Equal(t, configured, now())
	s.runtime.Intercept(func(ctx context.Context, _ string, run func() error) error {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		return run()
	})
	ctx, stop := context.WithCancel(t.Context())
	var words load
	work := words.run(ctx, s, services.Task{ID: "speech", Service: wav2vec2.Name, Name: tasks.Transcribe, Audio: recording(clips + "clip09.wav")}, 8, time.Millisecond)
	require.Eventually(t, func() bool { return now() > configured }, 30*time.Second, 10*time.Millisecond, "never widened")
	stop()
	work.Wait()
	require.Eventually(t, func() bool { return now() == configured }, 30*time.Second, 10*time.Millisecond, "never narrowed")
}
