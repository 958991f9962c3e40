package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
)

// speechRepo adds the embedded speech model to a hub, as a public repository has it.
func speechRepo(t *testing.T, h *hubtest.Hub) {
	t.Helper()
	files := map[string]string{}
	names := "config.json preprocessor_config.json tokenizer.json tokenizer_config.json vocab.json words.txt README.md"
	for _, name := range strings.Fields(names) {
		data, err := os.ReadFile(filepath.Join("models", "wav2vec2-tiny", name))
		require.NoError(t, err)
		files[name] = string(data)
	}
	data, err := os.ReadFile(filepath.Join("models", "wav2vec2-tiny", "model.onnx"))
	require.NoError(t, err)
	files["onnx/model.onnx"], files["pytorch_model.bin"] = string(data), "not read"
	h.Add("someone/speech", "a", files)
}

// TestAModelIsPulledWhileTheServerRuns pulls a model over HTTP through a connection that
// breaks, transcribes with it, and deletes it.
func TestAModelIsPulledWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	speechRepo(t, h)
	h.Change(func() { h.Cut = 3 })
	dir := t.TempDir()
	cmd := runProgram(t, "--listen", "127.0.0.1:0", "--data-dir", dir)
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_OFFLINE=", "HF_TOKEN=", "HOME="+dir)
	s, listening := launchCommand(t, cmd)
	s.await(t, listening)

	var job struct {
		ID, Status string
		Result     struct{ Model, Source, Precision string }
		Error      any
	}
	status, body := s.sendJSON(t, http.MethodPost, "/v1/models", `{"source":"someone/speech"}`)
	require.Equal(t, http.StatusAccepted, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &job))
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/v1/jobs/"+job.ID+"?wait=5")
		require.NoError(t, json.Unmarshal([]byte(body), &job))
		return job.Status != "queued" && job.Status != "running"
	}, startTimeout, time.Millisecond)
	require.Equal(t, "succeeded", job.Status, body)
	_, body = s.get(t, "/v1/models/someone--speech")
	require.Contains(t, body, `"service":"wav2vec2"`)
	status, body = s.sendForm(t, "/v1/audio/transcriptions", clip(t, "clip09.wav"), "model", "someone--speech")
	require.Equal(t, http.StatusOK, status, body)
	_, embedded := s.sendForm(t, "/v1/audio/transcriptions", clip(t, "clip09.wav"))
	require.Equal(t, embedded, body)

	status, body = s.sendJSON(t, http.MethodPost, "/v1/models", `{"source":"someone/none"}`)
	require.Equal(t, http.StatusAccepted, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &job))
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/v1/jobs/"+job.ID+"?wait=5")
		require.NoError(t, json.Unmarshal([]byte(body), &job))
		return job.Status == "failed"
	}, startTimeout, time.Millisecond)
	require.Contains(t, body, "someone/none does not exist at "+h.URL)

	verified, err := runProgram(t, "models", "verify", "someone--speech", "--data-dir", dir).CombinedOutput()
	require.NoError(t, err, string(verified))
	require.Contains(t, string(verified), "someone--speech is as it was pulled")

	status, body = s.sendJSON(t, http.MethodDelete, "/v1/models/someone--speech", "")
	require.Equal(t, http.StatusOK, status, body)
	status, _ = s.get(t, "/v1/models/someone--speech")
	require.Equal(t, http.StatusNotFound, status)
	status, body = s.sendForm(t, "/v1/audio/transcriptions", clip(t, "clip09.wav"), "model", "someone--speech")
	require.Equal(t, http.StatusNotFound, status, body)
	status, body = s.sendJSON(t, http.MethodDelete, "/v1/models/wav2vec2-tiny", "")
	require.Equal(t, http.StatusNotFound, status, body)
}

// TestTheCommandPulls pulls a model by the command line, again, and offline.
func TestTheCommandPulls(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	speechRepo(t, h)
	dir := t.TempDir()
	run := func(env string, args ...string) (string, error) {
		cmd := runProgram(t, append(append([]string{}, args...), "--data-dir", dir)...)
		cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_OFFLINE=", "HOME="+dir, env)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("", "pull", "someone/speech", "--as", "mine")
	require.NoError(t, err, out)
	require.Contains(t, out, "mine pulled 8 files of ")
	out, err = run("", "pull", "someone/speech", "--as", "mine")
	require.NoError(t, err, out)
	require.Contains(t, out, "mine is there already: 8 files")
	out, err = run("HF_HUB_OFFLINE=1", "pull", "someone/speech")
	require.Error(t, err)
	require.Contains(t, out, "HF_HUB_OFFLINE is set")
	out, err = run("", "pull")
	require.NoError(t, err, out)
	require.Contains(t, out, "wav2vec2-base-960h")
	other := filepath.Join(dir, "models", "parakeet")
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(other, "config.json"), []byte(`{"model_type":"parakeet_ctc"}`), 0o600))
	out, err = run("", "models", "list")
	require.NoError(t, err, out)
	require.Contains(t, out, `parakeet: it is of type "parakeet_ctc", which no service reads`)
	require.Regexp(t, `mine +folder +wav2vec2 +\S+ \S+ +fp32 +someone/speech`, out)
	out, err = run("", "models", "show", "mine")
	require.NoError(t, err, out)
	require.Contains(t, out, "revision: "+strings.Repeat("a", 40))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "models", "mine", "words.txt"), []byte("x"), 0o600))
	out, err = run("", "models", "verify", "mine")
	require.Error(t, err)
	require.Contains(t, out, "words.txt has 1 bytes instead of")
	out, err = run("", "models", "remove", "mine")
	require.NoError(t, err, out)
	require.NoDirExists(t, filepath.Join(dir, "models", "mine"))
}

// TestTheHubOfTheTests reads the hub of these tests with the public hub's own client, so
// that what they prove holds for that too.
func TestTheHubOfTheTests(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import huggingface_hub").Run(); err != nil {
		t.Skip("there is no python3 with huggingface_hub")
	}
	h := hubtest.New(t)
	speechRepo(t, h)
	h.Change(func() { h.Redirects = true })
	script := `
import sys, pathlib
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError, GatedRepoError
folder = pathlib.Path(snapshot_download("someone/speech"))
info = HfApi().model_info("someone/speech", files_metadata=True)
for f in info.siblings:
    assert (folder / f.rfilename).stat().st_size == f.size, f.rfilename
for source, revision, error in [
    ("someone/none", None, RepositoryNotFoundError), ("someone/speech", "v9", RevisionNotFoundError),
    ("someone/gated", None, GatedRepoError),
]:
    try:
        HfApi().model_info(source, revision=revision)
    except error:
        continue
    raise SystemExit(f"{source} {revision} is no {error}")
print(len(info.siblings), (folder / "onnx/model.onnx").stat().st_size)
`
	gated := h.Add("someone/gated", "b", map[string]string{"model.onnx": "x"})
	h.Change(func() { gated.Gated = true })
	cmd := exec.CommandContext(t.Context(), "python3", "-c", script)
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_OFFLINE=", "HF_HOME="+t.TempDir(), "HF_HUB_DISABLE_XET=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
