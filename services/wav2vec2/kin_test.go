package wav2vec2

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// kinDir has folders of wav2vec2's relatives with random weights, and what transformers
// computes for one clip; models/export/kin_random.py writes it.
const kinDir = "testdata/kin"

func readKin(t *testing.T, name string) (golden torchGolden) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(kinDir, name, "golden.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	return golden
}

// kinService returns a service for the folders of kinDir, which are read-only.
func kinService(t *testing.T) *Service {
	t.Helper()
	dir, err := filepath.Abs(kinDir)
	require.NoError(t, err)
	return newService(t, dir)
}

// TestRelativesEqualTransformers compares every value and every text.
func TestRelativesEqualTransformers(t *testing.T) {
	t.Parallel()
	s := kinService(t)
	folders, err := os.ReadDir(kinDir)
	require.NoError(t, err)
	require.Len(t, folders, 18)
	require.Len(t, s.Models(), 19, "and the embedded one")
	for _, m := range s.Models() {
		require.Empty(t, m.Problem, m.Name)
	}
	for _, entry := range folders {
		name := entry.Name()
		golden := readKin(t, name)
		_, head, _ := strings.Cut(name, "-")
		switch head {
		case "ctc":
			compareText(t, s, name, golden)
		case "labels":
			compareLabels(t, s, name, golden)
		case "xvector":
			compareFrames(t, name, golden, [][]float32{embedding(t, s, name, "", golden.Clip).Vector})
		default:
			compareFrames(t, name, golden, embedding(t, s, name, `{"pooling":"none"}`, golden.Clip).Frames)
		}
	}
}

func embedding(t *testing.T, s *Service, name, params, clip string) *tasks.Embedding {
	t.Helper()
	result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Embed, name, params, clip), services.DiscardSink{})
	require.NoError(t, err, name)
	return result.Value.(*tasks.Embedding)
}

func compareFrames(t *testing.T, name string, golden torchGolden, frames [][]float32) {
	t.Helper()
	require.Len(t, golden.Values, len(frames)*len(frames[0]), name)
	for f, vector := range frames {
		for i, v := range vector {
			require.InDelta(t, golden.Values[f*len(vector)+i], float64(v), 1e-3, name)
		}
	}
}

func compareLabels(t *testing.T, s *Service, name string, golden torchGolden) {
	t.Helper()
	result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Classify, name, "", golden.Clip), services.DiscardSink{})
	require.NoError(t, err, name)
	sum := 0.0
	for _, v := range golden.Values {
		sum += math.Exp(v)
	}
	labels := result.Value.(*tasks.Classification).Labels
	require.Len(t, labels, len(golden.Values), name)
	for _, one := range labels {
		require.InDelta(t, math.Exp(golden.Values[one.Label[len("label_")]-'0'])/sum, one.Score, 1e-4, name)
	}
}

// compareText compares the logits of the network and the text of the service.
func compareText(t *testing.T, s *Service, name string, golden torchGolden) {
	t.Helper()
	m, done, err := s.pool.Acquire(t.Context(), name)
	require.NoError(t, err, name)
	defer done()
	reader, closer, err := s.openAudio(diskAudio(filepath.Join(clipsDir, golden.Clip)), 0, services.Reading{})
	require.NoError(t, err)
	samples, err := readMono(t, reader, 16000)
	require.NoError(t, err)
	require.NoError(t, closer.Close())
	logits, err := m.infer(t.Context(), samples)
	require.NoError(t, err, name)
	require.Len(t, logits, len(golden.Values), name)
	for i, v := range logits {
		require.InDelta(t, golden.Values[i], float64(v), 1e-3, name)
	}
	result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Transcribe, name, "", golden.Clip), services.DiscardSink{})
	require.NoError(t, err, name)
	require.Equal(t, golden.Text, result.Value.(*tasks.Transcription).Text, name)
}

// TestTheLanguageOfAGraph has a vocabulary for each of two languages, and the graph of one.
func TestTheLanguageOfAGraph(t *testing.T) {
	t.Parallel()
	s := kinService(t)
	transcribe := func(params string) (*tasks.Transcription, error) {
		result, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Transcribe, "mms-ctc", params, "clip09.wav"), services.DiscardSink{})
		if err != nil {
			return nil, err
		}
		return result.Value.(*tasks.Transcription), nil
	}
	for _, params := range []string{"", `{"language":"eng"}`} {
		got, err := transcribe(params)
		require.NoError(t, err)
		require.Equal(t, "eng", got.Language)
	}
	got, err := transcribe(`{"language":"fr"}`)
	require.NoError(t, err, "a language that the vocabulary does not have is no choice")
	require.Equal(t, "fr", got.Language)
	_, err = transcribe(`{"language":"deu"}`)
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	require.ErrorContains(t, err, `language must be "eng" or left out, got "deu"`)

	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "unclear"), os.DirFS(kinDir+"/mms-ctc")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unclear", "tokenizer_config.json"), []byte(`{}`), 0o600))
	models := newService(t, dir).Models()
	require.Equal(t, "unclear", models[0].Name)
	require.Contains(t, models[0].Problem, `target_lang must be the language of the graph, one of the 2 of vocab.json, got ""`)
}

// TestXVectors have one vector for a recording, however short it is.
func TestXVectors(t *testing.T) {
	t.Parallel()
	s := kinService(t)
	for params, says := range map[string]string{
		`{"pooling":"none"}`: `pooling must be mean: "wavlm-xvector" has one vector for a recording`,
		`{"frames":true}`:    `frames must be false: "wavlm-xvector" has one vector for a recording`,
	} {
		_, err := services.ExecuteTask(t.Context(), s, headTask(tasks.Embed, "wavlm-xvector", params, "clip09.wav"), services.DiscardSink{})
		require.Equal(t, services.KindInvalid, services.KindOf(err), params)
		require.ErrorContains(t, err, says)
	}
	name := filepath.Join(t.TempDir(), "click.wav")
	file, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, audiofile.WriteWAV16(file, []float32{0, 0.5, -0.5, 0.25}, 16000, 1))
	require.NoError(t, file.Close())
	for _, model := range []string{"wavlm-xvector", "unispeechsat-xvector", "wav2vec2-xvector"} {
		task := services.Task{Service: Name, Name: tasks.Embed, Model: model, Audio: diskAudio(name)}
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err, model)
		got := result.Value.(*tasks.Embedding)
		require.Len(t, got.Vector, 10)
		require.Equal(t, 10, got.Dimensions)
		require.Zero(t, got.FrameSeconds)
		for _, v := range got.Vector {
			require.False(t, math.IsNaN(float64(v)), model)
		}
	}
	// Adjacent windows, each by its length.
	whole := embedding(t, s, "wavlm-xvector", "", "clip01.wav")
	cut := embedding(t, s, "wavlm-xvector", `{"window_seconds":1}`, "clip01.wav")
	require.Len(t, cut.Vector, len(whole.Vector))
	require.NotEqual(t, whole.Vector, cut.Vector)
}
