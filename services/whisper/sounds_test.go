package whisper

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
	"github.com/grym-synth/grym-synth/services/tasks"
)

// testdata has the folder random and golden values; golden.py in it writes them.
const testdata = "testdata"

var (
	rt      *onnx.Runtime
	session = onnx.SessionConfig{Threads: 1}
)

func TestMain(m *testing.M) { modeltest.Main(m, &rt) }

// catalogOf returns the models below a folder.
func catalogOf(t *testing.T, dir string) *modelstore.Catalog {
	t.Helper()
	dir, err := filepath.Abs(dir)
	require.NoError(t, err)
	return modelstore.NewCatalog(os.DirFS(t.TempDir()), dir)
}

// serve returns a service with the models below a folder.
func serve(t *testing.T, dir string) *Service {
	t.Helper()
	s := New(DefaultConfig(), catalogOf(t, dir), rt, session, modeltest.FreeMemory{})
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// loaded returns the loaded model of a folder of testdata.
func loaded(t *testing.T, name string) *model {
	t.Helper()
	m, done, err := serve(t, testdata).pool.Acquire(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(done)
	return m
}

// transcribe runs a task.
func (s *Service) transcribe(
	ctx context.Context, model, params string, sound services.AudioSource,
) (*tasks.Transcription, services.TaskResult, error) {
	task := services.Task{Service: Name, Name: tasks.Transcribe, Model: model, Audio: sound, Params: json.RawMessage(params)}
	result, err := services.ExecuteTask(ctx, s, task, services.DiscardSink{})
	if err != nil {
		return nil, result, err
	}
	return result.Value.(*tasks.Transcription), result, nil
}

// made returns the sound that golden.py has with the same number of samples.
func made(count int) []float32 {
	x := make([]float32, count)
	for i := range x {
		t := float64(i) / 16000
		x[i] = float32(0.4*math.Sin(2*math.Pi*(300*t+400*t*t)) + 0.1*math.Sin(2*math.Pi*3100*t))
	}
	return x
}

// written returns samples as a mono WAV file of 16 kHz.
func written(t *testing.T, samples []float32) services.AudioSource {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "sound.wav"))
	require.NoError(t, err)
	defer file.Close()
	w, err := audiofile.NewWriter(t.Context(), file, audiofile.Output{
		Container: audiofile.WAV, Depth: audiofile.DepthFloat, SampleRateHz: 16000, Channels: 1,
	})
	require.NoError(t, err)
	require.NoError(t, w.WriteFrames(samples))
	require.NoError(t, w.Close())
	info, err := file.Stat()
	require.NoError(t, err)
	return &services.Artifact{Path: file.Name(), Bytes: info.Size()}
}

// golden reads values of another implementation.
func golden[T any](t *testing.T, name string) (value T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &value))
	return value
}
