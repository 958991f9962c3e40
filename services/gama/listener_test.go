package gama

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// listenersDir has Voxtral and Ultravox with random weights, as transformers.js lays them out,
// and what transformers answers; models/export/listener_random.py writes it.
const listenersDir = "testdata/listeners"

type listenerGolden struct {
	Clip         string      `json:"clip"`
	Question     string      `json:"question"`
	PromptTokens int         `json:"prompt_tokens"`
	Features     []int64     `json:"features"`
	Rows         [][]float64 `json:"rows"`
	IDs          []int       `json:"ids"`
	Text         string      `json:"text"`
}

// listenersService returns a service for the folders of a directory.
func listenersService(t *testing.T, dir string) *Service {
	t.Helper()
	catalog := modelstore.NewCatalog(os.DirFS(modelsDir), dir)
	s := New(DefaultConfig(), catalog, rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, nil)
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// TestListenersEqualTransformers compares the features' shape, the rows of the sound and the
// greedy answer.
func TestListenersEqualTransformers(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs(listenersDir)
	require.NoError(t, err)
	s := listenersService(t, dir)
	for _, name := range []string{typeVoxtral, typeUltravox} {
		data, err := os.ReadFile(filepath.Join(listenersDir, name, "golden.json"))
		require.NoError(t, err)
		var golden listenerGolden
		require.NoError(t, json.Unmarshal(data, &golden))
		clip := diskAudio("../../models/wav2vec2-tiny/clips/" + golden.Clip)
		m, done, err := s.pool.Acquire(t.Context(), name)
		require.NoError(t, err, name)
		_, shape := m.extractor.features(samplesOf(t, clip))
		require.Equal(t, golden.Features[1:], shape, name)
		sound, err := m.encode(t.Context(), samplesOf(t, clip))
		done()
		require.NoError(t, err, name)
		require.Equal(t, len(golden.Rows), int(sound.n), name)
		for i, row := range golden.Rows {
			for j, want := range row {
				require.InDelta(t, want, float64(sound.rows[i*len(row)+j]), 1e-3, "%s: row %d", name, i)
			}
		}
		params := fmt.Appendf(nil, `{"question":%q,"max_tokens":%d,"temperature":0}`, golden.Question, len(golden.IDs))
		task := services.Task{ID: "t", Service: Name, Name: tasks.Ask, Model: name, Audio: clip, Params: params}
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err, name)
		got := result.Value.(*tasks.Answer)
		require.Equal(t, golden.PromptTokens, got.Usage.PromptTokens, name)
		require.Equal(t, len(golden.Rows), got.Usage.AudioTokens, name)
		require.Equal(t, len(golden.IDs), got.Usage.CompletionTokens, name)
		// Random weights write broken characters, which are replaced by one sign or by several.
		sign := strings.NewReplacer("\uFFFD", "")
		require.Equal(t, sign.Replace(golden.Text), sign.Replace(got.Text), name)
		require.NotEmpty(t, sign.Replace(got.Text))
	}
}

// TestPromptsOfListeners have instructions where the model takes them, and the sound once.
func TestPromptsOfListeners(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs(listenersDir)
	require.NoError(t, err)
	s := listenersService(t, dir)
	turns := []turn{{Exchange: services.Exchange{Question: "one?", Answer: "yes"}}}
	for name, want := range map[string]string{
		typeVoxtral: "<s>[INST][BEGIN_AUDIO]#one?[/INST]yes</s>[INST]two?[/INST]",
		typeUltravox: "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nbe short<|eot_id|>" +
			"<|start_header_id|>user<|end_header_id|>\n\none? #<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nyes<|eot_id|>" +
			"<|start_header_id|>user<|end_header_id|>\n\ntwo? <|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
	} {
		m, done, err := s.pool.Acquire(t.Context(), name)
		require.NoError(t, err)
		system := "be short"
		if name == typeVoxtral {
			system = ""
		}
		text := ""
		for _, key := range m.sequence(&encoded{n: 1}, turns, "two?", system).keys {
			if key < 0 {
				text += "#"
				continue
			}
			text += specialText(t, m, int(key))
		}
		require.Equal(t, want, text)
		// What a request says is no token of the template.
		mark := prompts[name].marks[0]
		id, ok := m.folder.Text.ID(mark)
		require.True(t, ok)
		asked := m.sequence(&encoded{n: 1}, nil, "say "+mark, mark).keys
		require.Equal(t, strings.Count(m.folder.Network.PromptTemplate, mark), countOf(asked, id)-systemMarks(m, mark), name)
		done()
	}
}

// systemMarks returns how often a mark is in the template of instructions, if there is one.
func systemMarks(m *model, mark string) int {
	if !strings.Contains(m.folder.Network.PromptTemplate, placeSystem) {
		return 0
	}
	return strings.Count(m.folder.Network.SystemTemplate, mark)
}

func countOf(keys []int64, id int) (n int) {
	for _, key := range keys {
		if key == int64(id) {
			n++
		}
	}
	return n
}

// TestAnotherTokenizer has none of the marks of the prompt.
func TestAnotherTokenizer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "other"), os.DirFS(listenersDir+"/ultravox")))
	tokens, err := os.ReadFile(filepath.Join(listenersDir, "voxtral", "tokenizer.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other", "tokenizer.json"), tokens, 0o600))
	problem := func() string {
		for _, m := range listenersService(t, dir).Models() {
			if m.Name == "other" {
				return m.Problem
			}
		}
		return "not listed"
	}
	require.Contains(t, problem(), "the token <|start_header_id|> of the prompt is missing; set prompt_template")
	config, err := os.ReadFile(filepath.Join(dir, "other", "config.json"))
	require.NoError(t, err)
	own := strings.Replace(string(config), "{", `{"prompt_template":"{audio}{question}\n","system_template":"{system}",`, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other", "config.json"), []byte(own), 0o600))
	require.Empty(t, problem())
}

// specialText returns the text of a token, special ones included.
func specialText(t *testing.T, m *model, id int) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(listenersDir, m.name, "tokenizer.json"))
	require.NoError(t, err)
	var file struct {
		Added []struct {
			ID      int    `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
	}
	require.NoError(t, json.Unmarshal(data, &file))
	for _, one := range file.Added {
		if one.ID == id {
			return one.Content
		}
	}
	return m.folder.Text.Decode([]int{id})
}

func TestWhisperFeaturesHaveLimits(t *testing.T) {
	t.Parallel()
	for says, settings := range map[string]string{
		"hop_length must be at least 8, got 1":       `"hop_length":1`,
		"n_fft must be at most 16384, got 1048576":   `"n_fft":1048576`,
		"chunk_length must be at most 60, got 86400": `"chunk_length":86400`,
		"feature_size must be at least 4, got -1":    `"feature_size":-1`,
		"sampling_rate must be":                      `"sampling_rate":0`,
	} {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(filepath.Join(dir, "broken"), os.DirFS(listenersDir+"/voxtral")))
		text := `{"feature_extractor_type":"WhisperFeatureExtractor",` + settings + `}`
		require.NoError(t, os.WriteFile(filepath.Join(dir, "broken", "preprocessor_config.json"), []byte(text), 0o600))
		for _, m := range listenersService(t, dir).Models() {
			if m.Name == "broken" {
				require.Contains(t, m.Problem, says)
			}
		}
	}
}
