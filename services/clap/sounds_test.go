package clap

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
)

const (
	modelsDir = "../../models"
	// randomDir has folders with random weights, and vectors of transformers for them;
	// models/export/clap_random.py writes it.
	randomDir = "testdata"
)

var (
	rt      *onnx.Runtime
	session = onnx.SessionConfig{Threads: 1}
)

func TestMain(m *testing.M) { modeltest.Main(m, &rt) }

// newService returns a service with clap-tiny and the folders of a directory.
func newService(t *testing.T, dir string) *Service {
	t.Helper()
	s := New(DefaultConfig(), modelstore.NewCatalog(os.DirFS(modelsDir), dir), rt, session, modeltest.FreeMemory{})
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// randomService returns a service with the folders of randomDir too.
func randomService(t *testing.T) *Service {
	t.Helper()
	dir, err := filepath.Abs(randomDir)
	require.NoError(t, err)
	return newService(t, dir)
}

// made returns the sound of models/export/clap_random.py with the same arguments: gliding
// tones and noise.
func made(rateHz int, seconds float64, seed uint32) []float32 {
	x := make([]float32, int(float64(rateHz)*seconds+0.5))
	state := seed
	for i := range x {
		state = state*1664525 + 1013904223
		t := float64(i) / float64(rateHz)
		noise := float64(state>>8)/(1<<23) - 1
		x[i] = float32(0.3*math.Sin(2*math.Pi*((150+100*float64(seed))*t+60*t*t)) + 0.1*math.Sin(2*math.Pi*2100*t) + 0.03*noise)
	}
	return x
}

// written returns samples as a mono WAV file.
func written(t *testing.T, rateHz int, samples []float32) services.AudioSource {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "sound.wav"))
	require.NoError(t, err)
	defer file.Close()
	w, err := audiofile.NewWriter(t.Context(), file, audiofile.Output{
		Container: audiofile.WAV, Depth: audiofile.DepthFloat, SampleRateHz: rateHz, Channels: 1,
	})
	require.NoError(t, err)
	require.NoError(t, w.WriteFrames(samples))
	require.NoError(t, w.Close())
	info, err := file.Stat()
	require.NoError(t, err)
	return &services.Artifact{Path: file.Name(), Bytes: info.Size()}
}

// golden has vectors of another implementation.
type golden struct {
	Clips []struct {
		Seconds float64
		Seed    uint32
		Vector  []float64
		Pattern []float64
	}
	Texts []struct {
		Text   string
		IDs    []int64
		Vector []float64
	}
	Scale float64
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(randomDir, name))
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(data, &g))
	require.NotEmpty(t, g.Clips)
	return g
}

func cosine(a []float64, b []float32) float64 {
	dot, one, two := 0.0, 0.0, 0.0
	for i := range a {
		dot += a[i] * float64(b[i])
		one += a[i] * a[i]
		two += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(one*two)
}

// run runs a task and returns its value.
func run[T any](t *testing.T, s *Service, name, model, params string, audio services.AudioSource) (T, services.TaskResult) {
	t.Helper()
	task := services.Task{ID: "t", Service: Name, Name: name, Model: model, Params: []byte(params), Audio: audio}
	result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	require.NoError(t, err, "%s %s", model, params)
	value, ok := result.Value.(T)
	require.True(t, ok)
	return value, result
}

// refused returns the error of a task.
func refused(t *testing.T, s *Service, name, model, params string, audio services.AudioSource) error {
	t.Helper()
	task := services.Task{ID: "t", Service: Name, Name: name, Model: model, Params: []byte(params), Audio: audio}
	_, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	require.Error(t, err)
	return err
}
