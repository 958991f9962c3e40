package audioldm

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// benchService returns a service for the folder in GRYM_AUDIOLDM, as DIR/NAME, or for
// the embedded model.
func benchService(b *testing.B) (s *Service, model string) {
	b.Helper()
	dir, model := filepath.Split(os.Getenv("GRYM_AUDIOLDM"))
	s = New(DefaultConfig(), modelstore.NewCatalog(os.DirFS(filepath.Join("..", "..", "models")), dir), rt,
		onnx.SessionConfig{Threads: runtime.NumCPU()}, modeltest.FreeMemory{}, nil, b.TempDir())
	b.Cleanup(func() { require.NoError(b, s.Shutdown(context.Background())) })
	return s, model
}

// BenchmarkEndToEnd generates a sound of five seconds and compares the whole task with
// the sum of its engine runs. The model is loaded before.
func BenchmarkEndToEnd(b *testing.B) {
	s, model := benchService(b)
	request := task(`{"prompt":"a rising siren","seed":7,"audio_length_in_s":5}`)
	request.Model = model
	require.NoError(b, s.LoadModel(b.Context(), s.modelName(request)))
	var inside atomic.Int64
	rt.Intercept(func(_ context.Context, _ string, run func() error) error {
		began := time.Now()
		defer func() { inside.Add(int64(time.Since(began))) }()
		return run()
	})
	defer rt.Intercept(nil)
	var whole time.Duration
	for b.Loop() {
		began := time.Now()
		result, err := services.ExecuteTask(b.Context(), s, request, services.DiscardSink{})
		whole += time.Since(began)
		require.NoError(b, err)
		require.NoError(b, result.Audio.Remove())
	}
	b.ReportMetric(float64(whole)/float64(inside.Load()), "whole/runs")
}

// BenchmarkSchedulers compares the denoising loops of DPM-Solver++ with 20 steps and
// DDIM with 200, alternately.
func BenchmarkSchedulers(b *testing.B) {
	s, model := benchService(b)
	var spent [2]time.Duration
	for b.Loop() {
		for i, scheduler := range []string{`"dpmsolver++","num_inference_steps":20`, `"ddim","num_inference_steps":200`} {
			request := task(`{"prompt":"rain","seed":7,"scheduler":` + scheduler + `}`)
			request.Model = model
			w, err := s.prepare(request)
			require.NoError(b, err)
			m, done, err := w.model(b.Context())
			require.NoError(b, err)
			g := generation{model: m, plan: w.plan, sink: services.DiscardSink{}}
			labels, err := g.labels(b.Context())
			require.NoError(b, err)
			rows := int64(m.folder.frames(w.plan.seconds) / m.folder.factor())
			began := time.Now()
			_, err = g.denoise(b.Context(), labels, rows)
			spent[i] += time.Since(began)
			require.NoError(b, err)
			require.NoError(b, done())
		}
	}
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "dpm20/ddim200")
}

// BenchmarkCancel cancels during each part's run and reports the longest time until the
// task has ended.
func BenchmarkCancel(b *testing.B) {
	s, model := benchService(b)
	request := task(`{"prompt":"rain","seed":7,"num_inference_steps":4,"audio_length_in_s":5}`)
	request.Model = model
	require.NoError(b, s.LoadModel(b.Context(), s.modelName(request)))
	var worst time.Duration
	for b.Loop() {
		for _, part := range []string{partUNet, partVAE, partVocoder} {
			for _, after := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond} {
				worst = max(worst, hangUp(b, s, request, part, after))
			}
		}
	}
	b.ReportMetric(float64(worst.Milliseconds()), "ms-to-stop")
}

// hangUp ends the context a given time after a part's run has begun, and returns the
// time from there to the task's end. It returns zero if the task ended before.
func hangUp(b *testing.B, s *Service, request services.Task, part string, after time.Duration) time.Duration {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var ended atomic.Int64
	rt.Intercept(func(_ context.Context, name string, run func() error) error {
		if strings.Contains(name, part) && ended.Load() == 0 {
			timer := time.AfterFunc(after, func() { ended.Store(time.Now().UnixNano()); stop() })
			defer timer.Stop()
		}
		return run()
	})
	defer rt.Intercept(nil)
	result, err := services.ExecuteTask(ctx, s, request, services.DiscardSink{})
	now := time.Now().UnixNano()
	if err == nil {
		require.NoError(b, result.Audio.Remove())
		return 0
	}
	require.Equal(b, services.KindCancelled, services.KindOf(err))
	return time.Duration(now - ended.Load())
}
