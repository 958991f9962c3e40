package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAMissingFileIsNamed removes each file that a model needs from a folder of its own: the
// folder is listed with the file's name, and a request for the model is refused with it and a
// 4xx status, also as a job, and if no file shows which service the folder is for.
func TestAMissingFileIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	type folder struct{ base, file string }
	folders := map[string]folder{"empty": {"wav2vec2-tiny", "config.json"}}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "models", "empty"), 0o750))
	for base, files := range map[string][]string{
		"wav2vec2-tiny": {"config.json", "model.onnx", "vocab.json", "preprocessor_config.json"},
		"gama-tiny": {"config.json", "tokenizer.json", "preprocessor_config.json", "onnx/audio_encoder.onnx", "onnx/decoder_model_merged.onnx",
			"onnx/embed_tokens.onnx"},
		"audioldm-tiny": {"model_index.json", "unet/config.json", "unet/model.onnx", "vocoder/model.onnx", "tokenizer/vocab.json",
			"scheduler/scheduler_config.json"},
	} {
		for i, file := range files {
			name := base + "-" + string(rune('a'+i))
			linked(t, base, filepath.Join(dir, "models", name))
			require.NoError(t, os.Remove(filepath.Join(dir, "models", name, filepath.FromSlash(file))))
			folders[name] = folder{base, file}
		}
	}
	s := startWith(t, options{dataDir: dir})
	problems := s.problems(t)
	for name, f := range folders {
		require.Contains(t, problems[name], f.file, name)
		status, body := s.askKind(t, f.base, name)
		require.GreaterOrEqual(t, status, http.StatusBadRequest, body)
		require.Less(t, status, http.StatusInternalServerError, "%s: %s", name, body)
		require.Contains(t, body, f.file)
		task := map[string]string{"wav2vec2-tiny": "transcribe", "gama-tiny": "caption", "audioldm-tiny": "generate"}[f.base]
		request, err := json.Marshal(map[string]any{"task": task, "params": map[string]any{"model": name}})
		require.NoError(t, err)
		status, body = s.postJob(t, string(request), clip(t, "clip09.wav"))
		if f.base == "audioldm-tiny" {
			status, body = s.sendJSON(t, http.MethodPost, "/v1/jobs", `{"task":"generate","params":{"prompt":"rain","model":"`+name+`"}}`)
		}
		require.GreaterOrEqual(t, status, http.StatusBadRequest, body)
		require.Less(t, status, http.StatusInternalServerError, "%s: %s", name, body)
		require.Contains(t, body, f.file)
	}
	require.True(t, s.ready(t))
}
