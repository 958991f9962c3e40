package wav2vec2

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
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestLogitsEqualAnotherImplementation compares text and logits with those that
// transformers.js computes from the same folder.
func TestLogitsEqualAnotherImplementation(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	require.NoError(t, s.Initialize(t.Context()))
	m, done, err := s.pool.Acquire(t.Context(), "wav2vec2-tiny")
	require.NoError(t, err)
	defer done()
	worst := 0.0
	for _, want := range readGolden(t) {
		reader, closer, err := s.openAudio(diskAudio(filepath.Join(clipsDir, want.File)), 0, services.Reading{})
		require.NoError(t, err)
		samples, err := readMono(t, reader, 16000)
		require.NoError(t, closer.Close())
		require.NoError(t, err)
		got, err := m.infer(t.Context(), samples)
		require.NoError(t, err)
		require.Len(t, got, len(want.logits), want.File)
		for i := range got {
			worst = max(worst, math.Abs(float64(got[i]-want.logits[i])))
		}
		text, _ := m.decoder.decode(got)
		require.Equal(t, want.Text, text, want.File)
	}
	t.Logf("largest difference of a logit: %.2g", worst)
	require.Less(t, worst, 1e-3)
}

// TestOtherFormatsHaveTheSameWords converts a clip to another rate and to stereo.
func TestOtherFormatsHaveTheSameWords(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	reader, closer, err := s.openAudio(diskAudio(filepath.Join(clipsDir, "clip09.wav")), 0, services.Reading{})
	require.NoError(t, err)
	defer closer.Close()
	// 44.1 kHz by this project's resampler, then back when decoding.
	samples, err := readMono(t, reader, 44100)
	require.NoError(t, err)
	stereo := make([]float32, 0, 2*len(samples))
	for _, v := range samples {
		stereo = append(stereo, v, v)
	}
	name := filepath.Join(t.TempDir(), "stereo.wav")
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, audiofile.WriteWAV16(file, stereo, 44100, 2))
	require.NoError(t, file.Close())
	result, err := services.ExecuteTask(t.Context(), s, transcribeTask(diskAudio(name)), services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, "MUTE TRACK ONE", result.Value.(*tasks.Transcription).Text)
	require.Equal(t, "wav2vec2-tiny", result.Model)
	require.Len(t, result.Stages, 3)
}

func TestHangUpEndsTheTaskAndLeavesTheModelUsable(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	name := filepath.Join(t.TempDir(), "long.wav")
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, audiofile.WriteWAV16(file, make([]float32, 29*16000), 16000, 1))
	require.NoError(t, file.Close())
	ctx, hangUp := context.WithCancel(t.Context())
	_, err = services.ExecuteTask(ctx, s, transcribeTask(diskAudio(name)), &cancelAt{stage: "listening", cancel: hangUp})
	require.Equal(t, services.KindCancelled, services.KindOf(err), "%v", err)
	_, err = services.ExecuteTask(t.Context(), s, transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav"))), services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, uint64(1), s.Metrics().Tasks[services.Outcome(services.KindCancelled)])
}

// cancelAt cancels when a stage begins.
type cancelAt struct {
	services.DiscardSink
	stage  string
	cancel func()
}

func (c *cancelAt) Progress(_ float64, stage string) {
	if stage == c.stage {
		c.cancel()
	}
}

func TestPrepareRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	s := newService(t, t.TempDir())
	good := diskAudio(filepath.Join(clipsDir, "clip01.wav"))
	for name, c := range map[string]struct {
		change func(*services.Task)
		kind   services.Kind
		says   string
	}{
		"task":   {func(task *services.Task) { task.Name = "sing" }, services.KindNotFound, `no task "sing"`},
		"model":  {func(task *services.Task) { task.Model = "nope" }, services.KindNotFound, "wav2vec2-tiny"},
		"params": {func(task *services.Task) { task.Params = json.RawMessage(`{"x":1}`) }, services.KindInvalid, "x is not a parameter"},
		"format": {
			func(task *services.Task) { task.Params = json.RawMessage(`{"response_format":"doc"}`) }, services.KindInvalid,
			"response_format must be one of json, text",
		},
		"kind": {
			func(task *services.Task) { task.Params = json.RawMessage(`{"beam_width":"many"}`) }, services.KindInvalid,
			"beam_width must be a whole number, got a string",
		},
		"tail":  {func(task *services.Task) { task.Params = json.RawMessage(`{} {}`) }, services.KindInvalid, "params"},
		"audio": {func(task *services.Task) { task.Audio = nil }, services.KindInvalid, "file is missing"},
		"text":  {func(task *services.Task) { task.Audio = diskAudio("service.go") }, services.KindUnsupported, "WAV"},
	} {
		task := transcribeTask(good)
		c.change(&task)
		_, err := s.Prepare(t.Context(), task)
		require.Equal(t, c.kind, services.KindOf(err), name)
		require.ErrorContains(t, err, c.says, name)
	}
	cold, err := servicetest.Bytes(t.Context(), s, transcribeTask(good))
	require.NoError(t, err)
	require.NoError(t, s.Initialize(t.Context()))
	warm, err := servicetest.Bytes(t.Context(), s, transcribeTask(good))
	require.NoError(t, err)
	require.Greater(t, cold, warm, "the weights are part of the first task's need")
}

// TestErrorsOfBrokenFolders writes a model folder to disk and breaks it.
func TestErrorsOfBrokenFolders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, content, says string
	}{
		"no vocabulary":   {"vocab.json", "", "broken/vocab.json"},
		"not JSON":        {"preprocessor_config.json", "{", "broken/preprocessor_config.json"},
		"another head":    {"config.json", `{"model_type":"wav2vec2","architectures":["Wav2Vec2ForPreTraining"]}`, "Wav2Vec2ForCTC"},
		"id out of range": {"vocab.json", `{"<pad>":0,"A":99}`, `vocab.json: id of "A" must be at most 31, got 99`},
		"no blank":        {"vocab.json", `{"A":1}`, "blank"},
		"vocabulary too big": {
			"config.json", `{"model_type":"wav2vec2","vocab_size":40}`,
			"logits float32[?,?,40], found logits float32[?,?,32]",
		},
		"nothing to spell":  {"words.txt", "é 1\n", "broken/words.txt: no word can be spelled by the model"},
		"graph is no model": {"model.onnx", "hello", "not a readable ONNX model"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(filepath.Join(dir, "broken"), os.DirFS(modelsDir+"/wav2vec2-tiny")))
			broken := filepath.Join(dir, "broken", c.file)
			require.NoError(t, os.Remove(broken))
			if c.content != "" {
				require.NoError(t, os.WriteFile(broken, []byte(c.content), 0o600))
			}
			s := newService(t, dir)
			task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
			task.Model = "broken"
			_, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
			require.ErrorContains(t, err, c.says)
			require.Equal(t, services.KindInvalid, services.KindOf(err), "the request named it")
		})
	}
}

func TestAFolderOnDiskIsAModel(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newService(t, dir)
	require.Len(t, s.Models(), 1)
	// The layout of transformers.js, with the graph in onnx/.
	mine := filepath.Join(dir, "mine")
	require.NoError(t, os.CopyFS(mine, os.DirFS(modelsDir+"/wav2vec2-tiny")))
	require.NoError(t, os.Mkdir(filepath.Join(mine, "onnx"), 0o750))
	require.NoError(t, os.Rename(filepath.Join(mine, "model.onnx"), filepath.Join(mine, "onnx", "model.onnx")))
	task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip09.wav")))
	task.Model = "mine"
	result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, "MUTE TRACK ONE", result.Value.(*tasks.Transcription).Text)
	models := s.Models()
	require.Len(t, models, 2)
	require.Equal(t, "mine", models[0].Name)
	require.Equal(t, services.StateReady, models[0].State)
	require.Equal(t, services.StateRegistered, models[1].State)
}

// BenchmarkTranscribe compares the service with the bare network on one clip.
func BenchmarkTranscribe(b *testing.B) {
	s := New(DefaultConfig(), newCatalog(b), engine, sessionConfig, modeltest.FreeMemory{})
	defer func() { _ = s.Shutdown(context.Background()) }()
	audio := diskAudio(filepath.Join(clipsDir, "clip21.wav"))
	b.Run("service", func(b *testing.B) {
		for b.Loop() {
			if _, err := services.ExecuteTask(b.Context(), s, transcribeTask(audio), services.DiscardSink{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("network", func(b *testing.B) {
		m, done, err := s.pool.Acquire(b.Context(), "wav2vec2-tiny")
		require.NoError(b, err)
		defer done()
		reader, closer, err := s.openAudio(audio, 10, services.Reading{})
		require.NoError(b, err)
		defer closer.Close()
		samples, err := readMono(b, reader, 16000)
		require.NoError(b, err)
		inputs, err := m.inputs(samples, len(samples))
		require.NoError(b, err)
		defer closeAll(inputs)
		for b.Loop() {
			outputs, err := m.session.Run(b.Context(), inputs)
			if err != nil {
				b.Fatal(err)
			}
			closeAll(outputs)
		}
	})
}
