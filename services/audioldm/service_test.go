package audioldm

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// rt is the one runtime of the test process.
var rt *onnx.Runtime

func TestMain(m *testing.M) { modeltest.Main(m, &rt) }

// newService serves the embedded model and those in a folder of the test's.
func newService(t *testing.T) (s *Service, dir string) {
	t.Helper()
	dir = t.TempDir()
	s = New(DefaultConfig(), modelstore.NewCatalog(os.DirFS(filepath.Join("..", "..", "models")), dir), rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, nil, t.TempDir())
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s, dir
}

func task(params string) services.Task {
	return services.Task{ID: "1", Service: Name, Name: tasks.Generate, Params: json.RawMessage(params)}
}

// steps collects the progress of a task.
type steps struct {
	services.DiscardSink
	told []float64
}

func (s *steps) Progress(fraction float64, _ string) { s.told = append(s.told, fraction) }

func TestProgressIsTrueAndTheFileIsTheCallers(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	require.NoError(t, s.Initialize(t.Context()))
	var sink steps
	result, err := services.ExecuteTask(t.Context(), s, task(`{"prompt":"rain","num_inference_steps":7,"audio_length_in_s":0.5}`), &sink)
	require.NoError(t, err)
	require.IsNonDecreasing(t, sink.told)
	require.GreaterOrEqual(t, len(sink.told), 7)
	require.FileExists(t, result.Audio.Path)
	require.NoError(t, result.Audio.Remove())
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestAHangUpEndsBetweenSteps(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	var sink steps
	_, err := services.ExecuteTask(servicetest.HangUp(t.Context(), 3), s, task(`{"prompt":"rain","num_inference_steps":50}`), &sink)
	require.Equal(t, services.KindCancelled, services.KindOf(err))
	require.Less(t, len(sink.told), 10)
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// quitter hangs up when a stage begins.
type quitter struct {
	services.DiscardSink
	stage  string
	hangUp func()
}

func (q quitter) Progress(_ float64, stage string) {
	if stage == q.stage {
		q.hangUp()
	}
}

// TestAHangUpWhilePartsLoadIsNoFault hangs up before each load of a staged task
// and before the load of a whole model.
func TestAHangUpWhilePartsLoadIsNoFault(t *testing.T) {
	t.Parallel()
	for _, room := range []services.Bytes{unlimited, 1} {
		for _, stage := range []string{"loading", "reading the prompt", "decoding"} {
			s := New(DefaultConfig(), modelstore.NewCatalog(os.DirFS("testdata"), ""), rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, func() services.Bytes { return room }, t.TempDir())
			ctx, hangUp := context.WithCancel(t.Context())
			request := task(`{"prompt":"x","audio_length_in_s":0.1,"num_inference_steps":1}`)
			request.Model = "nano"
			_, err := services.ExecuteTask(ctx, s, request, quitter{stage: stage, hangUp: hangUp})
			require.Equal(t, services.KindCancelled, services.KindOf(err), "%s: %v", stage, err)
			require.NoError(t, s.Shutdown(t.Context()))
		}
	}
}

// broken copies the embedded model and changes it.
func broken(t *testing.T, dir, name string, change func(folder string)) {
	t.Helper()
	require.NoError(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join("..", "..", "models", "audioldm-tiny"))))
	change(filepath.Join(dir, name))
}

func TestAFolderThatDoesNotFitNamesFileAndTensor(t *testing.T) {
	t.Parallel()
	s, dir := newService(t)
	broken(t, dir, "no-vocoder", func(folder string) { require.NoError(t, os.Remove(filepath.Join(folder, "vocoder", "model.onnx"))) })
	broken(t, dir, "swapped", func(folder string) {
		data, err := os.ReadFile(filepath.Join(folder, "vocoder", "model.onnx"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "unet", "model.onnx"), data, 0o600))
	})
	broken(t, dir, "unknown-schedule", func(folder string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "scheduler", "scheduler_config.json"), []byte(`{"beta_schedule":"cubic"}`), 0o600))
	})
	broken(t, dir, "no-scale", func(folder string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "vae_decoder", "config.json"), []byte(`{"block_out_channels":[1,1,1]}`), 0o600))
	})
	for name, says := range map[string]string{
		"no-vocoder":       "no-vocoder/vocoder/model.onnx",
		"swapped":          "swapped/unet/model.onnx: graph does not fit: input sample",
		"unknown-schedule": `scheduler_config.json: beta_schedule must be linear or scaled_linear, got "cubic"`,
		"no-scale":         "vae_decoder/config.json: scaling_factor must be at least 1e-06, got 0",
	} {
		request := task(`{"prompt":"x"}`)
		request.Model = name
		_, err := s.Prepare(t.Context(), request)
		require.ErrorContains(t, err, says, name)
		require.Equal(t, services.KindInvalid, services.KindOf(err), name)
	}
	problems := 0
	for _, model := range s.Models() {
		if model.Problem != "" {
			problems++
		}
	}
	require.Equal(t, 4, problems, "a list of the models tells them too")
	// What is mended works without a restart.
	require.NoError(t, os.CopyFS(filepath.Join(dir, "mended"), os.DirFS(filepath.Join("..", "..", "models", "audioldm-tiny"))))
	data, err := os.ReadFile(filepath.Join(dir, "mended", "unet", "model.onnx"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "swapped", "unet", "model.onnx"), data, 0o600))
	request := task(`{"prompt":"x"}`)
	request.Model = "swapped"
	_, err = s.Prepare(t.Context(), request)
	require.NoError(t, err)
}

func TestTheEstimateGrowsWithTheSound(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	var last services.Bytes
	for _, seconds := range []string{"1", "10", "60"} {
		need, err := servicetest.Bytes(t.Context(), s, task(`{"prompt":"x","audio_length_in_s":`+seconds+`}`))
		require.NoError(t, err)
		require.Greater(t, need, last)
		last = need
	}
	_, err := s.Prepare(t.Context(), task(`{"prompt":"","guidance_scale":-1,"steps":3}`))
	require.ErrorContains(t, err, "steps is not a parameter")
	_, err = s.Prepare(t.Context(), task(`{"prompt":"","guidance_scale":-1}`))
	require.ErrorContains(t, err, "prompt is missing")
	require.ErrorContains(t, err, "guidance_scale must be 0 to 50")
}

// TestALoadedModelMakesRoomForItsOwnParts has a request that fits in stages only
// while the model is loaded whole: an idle model goes, one in use is waited for.
func TestALoadedModelMakesRoomForItsOwnParts(t *testing.T) {
	t.Parallel()
	room := unlimited
	s := New(DefaultConfig(), modelstore.NewCatalog(os.DirFS("testdata"), ""), rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, func() services.Bytes { return room }, t.TempDir())
	request := task(`{"prompt":"x","audio_length_in_s":0.1,"num_inference_steps":1}`)
	request.Model = "nano"
	whole, err := servicetest.Bytes(t.Context(), s, request)
	require.NoError(t, err)
	_, done, err := s.pool.Acquire(t.Context(), "nano")
	require.NoError(t, err)
	room = 1
	work, err := s.Prepare(t.Context(), request)
	require.NoError(t, err)
	_, loaded := s.pool.Loaded("nano")
	require.True(t, loaded, "a task that is only checked unloads nothing")
	_, err = work.Bytes(t.Context())
	require.Equal(t, services.KindBusy, services.KindOf(err))
	done()
	staged, err := work.Bytes(t.Context())
	require.NoError(t, err)
	require.Less(t, staged, whole)
	_, loaded = s.pool.Loaded("nano")
	require.False(t, loaded)
	require.NoError(t, s.Shutdown(t.Context()))
}

// FuzzFolder reads configurations of a model; the estimate must be a size.
func FuzzFolder(f *testing.F) {
	unet, err := os.ReadFile(filepath.Join("testdata", "nano", "unet", "config.json"))
	require.NoError(f, err)
	vocoder, err := os.ReadFile(filepath.Join("testdata", "nano", "vocoder", "config.json"))
	require.NoError(f, err)
	vae, err := os.ReadFile(filepath.Join("testdata", "nano", "vae_decoder", "config.json"))
	require.NoError(f, err)
	f.Add(unet, vae, vocoder, []byte(`{"projection_dim":32}`), []byte(`{"beta_schedule":"scaled_linear"}`))
	f.Add([]byte(`{"attention_head_dim":[1,"x"]}`), []byte(`{}`), []byte(`{"upsample_rates":[0]}`), []byte(`null`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, unet, vae, vocoder, text, scheduler []byte) {
		files := fstest.MapFS{}
		for name, data := range map[string][]byte{
			"scheduler/scheduler_config.json": scheduler, "text_encoder/config.json": text, "unet/config.json": unet, "vae_decoder/config.json": vae,
			"vocoder/config.json": vocoder, "tokenizer/tokenizer_config.json": []byte(`{}`), "model_index.json": []byte(`{"_class_name":"AudioLDMPipeline"}`),
		} {
			files["m/"+name] = &fstest.MapFile{Data: data}
		}
		folder, err := modelstore.NewCatalog(files, "").Find("m", pipelineClass)
		require.NoError(t, err)
		read, err := readFolder(folder)
		if err != nil {
			return
		}
		p := plan{prompt: "x", seconds: 60, guidance: 2.5, count: 10}
		d := read.demand(map[string]footprint{partUNet: {weights: 1, attends: true}, partVAE: {weights: 1, attends: true}}, p)
		if d.runs <= 0 || d.staged <= 0 || read.frames(0.1) < 1 {
			t.Errorf("%+v", d)
		}
	})
}
