package wav2vec2

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// headsDir has folders with random weights for every head, norm and precision, and
// PyTorch's output for one clip; models/export/wav2vec2_testdata.sh writes it.
const headsDir = "testdata/heads"

// torchGolden is the output of PyTorch for a clip, in row-major order.
type torchGolden struct {
	Clip   string    `json:"clip"`
	Shape  []int     `json:"shape"`
	Values []float64 `json:"values"`
	// Text is what the tokenizer decodes, for a CTC head.
	Text string `json:"text"`
}

func readTorch(t *testing.T, name string) torchGolden {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(headsDir, name, "golden.json"))
	require.NoError(t, err)
	var golden torchGolden
	require.NoError(t, json.Unmarshal(data, &golden))
	return golden
}

// headsService returns a service for the folders of headsDir, which are read-only.
func headsService(t *testing.T) *Service {
	t.Helper()
	dir, err := filepath.Abs(headsDir)
	require.NoError(t, err)
	return newService(t, dir)
}

// TestEveryHeadEqualsPyTorch runs the clip through each folder and compares every
// value.
func TestEveryHeadEqualsPyTorch(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	folders, err := os.ReadDir(headsDir)
	require.NoError(t, err)
	require.Len(t, folders, 11)
	for _, entry := range folders {
		name := entry.Name()
		golden := readTorch(t, name)
		tolerance := 2e-4
		switch {
		case strings.HasSuffix(name, "fp16"), strings.HasSuffix(name, "halves"):
			tolerance = 0.03
		case strings.HasSuffix(name, "int8"):
			tolerance = 0.5
		}
		m, done, err := s.pool.Acquire(t.Context(), name)
		require.NoError(t, err, name)
		reader, closer, err := s.openAudio(diskAudio(filepath.Join(clipsDir, golden.Clip)), 0, services.Reading{})
		require.NoError(t, err)
		samples, err := readMono(t, reader, 16000)
		require.NoError(t, err)
		require.NoError(t, closer.Close())
		got, err := m.infer(t.Context(), samples)
		done()
		require.NoError(t, err, name)
		require.Len(t, got, len(golden.Values), name)
		worst := 0.0
		for i := range got {
			worst = max(worst, math.Abs(float64(got[i])-golden.Values[i]))
		}
		t.Logf("%s: %v, largest difference %.2g", name, golden.Shape, worst)
		require.Less(t, worst, tolerance, name)
	}
}

func headTask(task, model, params string, clip string) services.Task {
	return services.Task{
		ID: "t", Service: Name, Name: task, Model: model, Params: []byte(params),
		Audio: diskAudio(filepath.Join(clipsDir, clip)),
	}
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	golden := readTorch(t, "features-group")
	frames, width := golden.Shape[1], golden.Shape[2]
	// Without a model name and with a default model that has another head, a suitable
	// model is chosen.
	result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Embed, "", "", golden.Clip), services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, "features-group", result.Model)
	require.NotEmpty(t, result.Stages)
	mean := result.Value.(*tasks.Embedding)
	require.Equal(t, width, mean.Dimensions)
	require.Len(t, mean.Vector, width)
	require.Nil(t, mean.Frames)
	require.InDelta(t, 0.02, mean.FrameSeconds, 1e-9)
	require.InDelta(t, 1.12, mean.DurationSeconds, 0.01)
	for i, v := range mean.Vector {
		sum := 0.0
		for f := range frames {
			sum += golden.Values[f*width+i]
		}
		require.InDelta(t, sum/float64(frames), float64(v), 2e-4)
	}
	result, err = services.ExecuteTask(t.Context(), s, headTask(tasks.Embed, "features-group", `{"pooling":"none"}`, golden.Clip),
		services.DiscardSink{})
	require.NoError(t, err)
	every := result.Value.(*tasks.Embedding)
	require.Nil(t, every.Vector)
	require.Len(t, every.Frames, frames)
	for f, vector := range every.Frames {
		require.Len(t, vector, width)
		require.InDelta(t, golden.Values[f*width], float64(vector[0]), 2e-4)
	}
	// Windows have as many frames as one run.
	result, err = services.ExecuteTask(t.Context(), s, headTask(tasks.Embed, "", `{"pooling":"none","window_seconds":1}`, golden.Clip),
		services.DiscardSink{})
	require.NoError(t, err)
	require.Len(t, result.Value.(*tasks.Embedding).Frames, frames)
}

func TestClassifications(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	classify := func(model, params string) *tasks.Classification {
		result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Classify, model, params, "clip09.wav"), services.DiscardSink{})
		require.NoError(t, err)
		require.Equal(t, model, result.Model)
		return result.Value.(*tasks.Classification)
	}
	logits := readTorch(t, "sequence-group").Values
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(v)
	}
	found := classify("sequence-group", "")
	require.Nil(t, found.Segments)
	require.Len(t, found.Labels, len(logits))
	total := 0.0
	for i, one := range found.Labels {
		id := int(one.Label[len("label_")] - '0')
		require.InDelta(t, math.Exp(logits[id])/sum, one.Score, 1e-4, one.Label)
		require.True(t, i == 0 || one.Score <= found.Labels[i-1].Score)
		total += one.Score
	}
	require.InDelta(t, 1, total, 1e-6)
	require.Len(t, classify("sequence-group", `{"top_k": 2}`).Labels, 2)

	logits = readTorch(t, "sequence-multi").Values
	for _, one := range classify("sequence-multi", "").Labels {
		require.InDelta(t, 1/(1+math.Exp(-logits[one.Label[len("label_")]-'0'])), one.Score, 1e-4, "labels do not exclude each other")
	}

	// Segments are the runs of frames in which a logit is above zero.
	golden := readTorch(t, "frames-layer")
	frames, width := golden.Shape[1], golden.Shape[2]
	found = classify("frames-layer", "")
	var want []tasks.LabelSegment
	for start := range frames {
		for label := range width {
			at := func(f int) bool { return f >= 0 && f < frames && golden.Values[f*width+label] > 0 }
			if !at(start) || at(start-1) {
				continue
			}
			end := start
			for at(end) {
				end++
			}
			want = append(want, tasks.LabelSegment{
				Label: "label_" + string(rune('0'+label)), Start: roundMicro(float64(start) * 0.02),
				End: roundMicro(float64(end) * 0.02),
			})
		}
	}
	for i := range found.Segments {
		require.Greater(t, found.Segments[i].Score, 0.5)
		found.Segments[i].Score = 0
	}
	require.Equal(t, want, found.Segments)
	require.Less(t, len(classify("frames-layer", `{"threshold": 0.99}`).Segments), len(want))
}

func TestTasksSayWhichHeadTheyNeed(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	for name, c := range map[string]struct {
		task services.Task
		kind services.Kind
		says string
	}{
		"words from labels": {
			headTask(tasks.Transcribe, "sequence-group", "", "clip09.wav"), services.KindInvalid,
			`model "sequence-group" has the head Wav2Vec2ForSequenceClassification; transcribe needs Wav2Vec2ForCTC`,
		},
		"labels from words": {
			headTask(tasks.Classify, "wav2vec2-tiny", "", "clip09.wav"), services.KindInvalid,
			"classify needs Wav2Vec2ForSequenceClassification or Wav2Vec2ForAudioFrameClassification",
		},
		"pooling": {
			headTask(tasks.Embed, "", `{"pooling": "max"}`, "clip09.wav"), services.KindInvalid,
			`pooling must be mean or none, got "max"`,
		},
		"several": {
			headTask(tasks.Classify, "", `{"top_k": -1, "threshold": 1, "window_seconds": 60}`, "clip09.wav"),
			services.KindInvalid, "top_k must be 0 or above, got -1; threshold must be above 0 and below 1, got 1; " +
				"window_seconds must be 0 or from 1 to 30, got 60",
		},
	} {
		_, err := s.Prepare(t.Context(), c.task)
		require.ErrorContains(t, err, c.says, name)
		require.Equal(t, c.kind, services.KindOf(err), name)
	}
	bare := newService(t, t.TempDir())
	_, err := bare.Prepare(t.Context(), headTask(tasks.Embed, "", "", "clip09.wav"))
	require.ErrorContains(t, err, "there is none for embed: put a folder with the head Wav2Vec2Model or Wav2Vec2ForXVector under models")
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	for _, kind := range s.Describe().Tasks {
		require.True(t, json.Valid(kind.ParamsSchema), kind.Name)
	}
}

// TestTheCanaryIsOneThatTheModelCanDo has a canary for each head. A transcription would
// never succeed on a model of labels.
func TestTheCanaryIsOneThatTheModelCanDo(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	for model, task := range map[string]string{
		"wav2vec2-tiny": tasks.Transcribe, "features-group": tasks.Embed,
		"sequence-group": tasks.Classify, "frames-layer": tasks.Classify, "made-up": tasks.Transcribe,
	} {
		canary := s.CanaryTaskFor(model)
		require.Equal(t, task+" "+model, canary.Name+" "+canary.Model)
		if model == "made-up" {
			continue
		}
		result, err := services.ExecuteTask(t.Context(), s, canary, services.DiscardSink{})
		require.NoError(t, err, model)
		require.Equal(t, model, result.Model)
	}
	cfg := DefaultConfig()
	cfg.DefaultModel = "sequence-group"
	dir, err := filepath.Abs(headsDir)
	require.NoError(t, err)
	labels := New(cfg, modelstore.NewCatalog(os.DirFS(modelsDir), dir), engine, sessionConfig, modeltest.FreeMemory{})
	t.Cleanup(func() { require.NoError(t, labels.Shutdown(context.Background())) })
	require.Equal(t, tasks.Classify, labels.CanaryTask().Name)
	work, err := labels.Prepare(t.Context(), labels.CanaryTask())
	require.NoError(t, err)
	require.Equal(t, "sequence-group", work.Model())
}

// TestTheLimitOfAllRecordingsHoldsForSpeech has a limit of recordings that is lower than
// the service's own.
func TestTheLimitOfAllRecordingsHoldsForSpeech(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Audio.MaxDuration = time.Second
	s := New(cfg, modelstore.NewCatalog(os.DirFS(modelsDir), t.TempDir()), engine, sessionConfig, modeltest.FreeMemory{})
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	for _, params := range []string{`{}`, `{"window_seconds":0}`} {
		task := transcribeTask(written(t, make([]float32, 16000*2)))
		task.Params = []byte(params)
		_, err := s.Prepare(t.Context(), task)
		require.Equal(t, services.KindTooLarge, services.KindOf(err), params)
		require.ErrorContains(t, err, "lasts 2s, the limit is 1s", params)
	}
	_, err := s.Prepare(t.Context(), transcribeTask(written(t, make([]float32, 16000))))
	require.NoError(t, err)
}

// TestFramesHaveALimit requests all vectors of a recording that is too long, which is
// rejected before anything runs.
func TestFramesHaveALimit(t *testing.T) {
	t.Parallel()
	s := headsService(t)
	name := filepath.Join(t.TempDir(), "long.wav")
	file, err := os.Create(name)
	require.NoError(t, err)
	// A header with more samples than follow, and a sparse file for them.
	require.NoError(t, audiofile.WriteWAV16(file, make([]float32, 8), 16000, 1))
	size := uint32(6000 * 16000 * 2)
	_, err = file.WriteAt(binary.LittleEndian.AppendUint32(nil, size+36), 4)
	require.NoError(t, err)
	_, err = file.WriteAt(binary.LittleEndian.AppendUint32(nil, size), 40)
	require.NoError(t, err)
	require.NoError(t, file.Truncate(44+int64(size)))
	require.NoError(t, file.Close())
	task := services.Task{Name: tasks.Embed, Model: "features-group", Params: []byte(`{"pooling":"none"}`), Audio: diskAudio(name)}
	_, err = s.Prepare(t.Context(), task)
	require.Equal(t, services.KindTooLarge, services.KindOf(err))
	require.ErrorContains(t, err, "takes 5243 s at most")
	task.Params = nil
	_, err = s.Prepare(t.Context(), task)
	require.NoError(t, err)
}
