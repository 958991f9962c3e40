package wav2vec2

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// BenchmarkHangUp hangs up in the middle of a window of ten seconds, at twelve
// different times, and tells how long the work went on, on the clock and of CPU. The model is wav2vec2-tiny,
// or the folder that SPEECH_MODEL names.
func BenchmarkHangUp(b *testing.B) {
	dir, model := b.TempDir(), "wav2vec2-tiny"
	if folder := os.Getenv("SPEECH_MODEL"); folder != "" {
		model = "timed"
		require.NoError(b, os.Symlink(folder, filepath.Join(dir, model)))
	}
	s := New(DefaultConfig(), modelstore.NewCatalog(os.DirFS(modelsDir), dir), engine, onnx.SessionConfig{Threads: 2}, modeltest.FreeMemory{})
	defer func() { _ = s.Shutdown(context.Background()) }()
	task := services.Task{Name: tasks.Transcribe, Model: model, Audio: audiofile.Tone(16000, 10*time.Second)}
	_, err := services.ExecuteTask(b.Context(), s, task, services.DiscardSink{}) // loads the model
	require.NoError(b, err)
	began := time.Now()
	_, err = services.ExecuteTask(b.Context(), s, task, services.DiscardSink{})
	require.NoError(b, err)
	whole := time.Since(began)
	var took, spent []time.Duration
	for b.Loop() {
		for i := range 12 {
			ctx, hangUp := context.WithCancel(b.Context())
			var left time.Time
			var before time.Duration
			timer := time.AfterFunc(whole*time.Duration(i+1)/14, func() { left, before = time.Now(), cpuTime(b); hangUp() })
			_, err := services.ExecuteTask(ctx, s, task, services.DiscardSink{})
			if !timer.Stop() && err != nil {
				took, spent = append(took, time.Since(left)), append(spent, cpuTime(b)-before)
			}
			hangUp()
		}
	}
	slices.SortFunc(took, cmp.Compare[time.Duration])
	require.NotEmpty(b, took)
	b.ReportMetric(float64(whole.Milliseconds()), "ms-whole")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-most")
	b.ReportMetric(float64(slices.Max(spent).Microseconds())/1000, "ms-cpu-most")
}

// cpuTime that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
