package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/hub/hubtest"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// speechVersion returns the files of the embedded speech model, as a public repository has
// them, with two letters exchanged, so that its answers differ from those of other versions.
func speechVersion(t *testing.T, letters string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range strings.Fields("config.json preprocessor_config.json tokenizer_config.json vocab.json") {
		data, err := os.ReadFile(filepath.Join("models", "wav2vec2-tiny", name))
		require.NoError(t, err)
		files[name] = string(data)
	}
	data, err := os.ReadFile(filepath.Join("models", "wav2vec2-tiny", "model.onnx"))
	require.NoError(t, err)
	files["onnx/model.onnx"] = string(data)
	if letters != "" {
		a, b := strconv.Quote(letters[:1]), strconv.Quote(letters[1:])
		files["vocab.json"] = strings.NewReplacer(a, b, b, a).Replace(files["vocab.json"])
	}
	return files
}

// withoutNumbers replaces weights in the middle of a graph by what is not a number.
func withoutNumbers(graph string) string {
	data := []byte(graph)
	copy(data[len(data)/2:], bytes.Repeat([]byte{0xff}, 64))
	return string(data)
}

// clients ask for transcripts at once and count the answers.
type clients struct {
	all     sync.WaitGroup
	ending  atomic.Bool
	mu      sync.Mutex
	answers map[string]int
}

// ask has n clients ask for the text of a recording until end is called. Every answer must
// be one of texts.
func (c *clients) ask(t *testing.T, s *server, n int, model string, texts ...string) {
	t.Helper()
	c.answers = make(map[string]int)
	audio := clip(t, "clip09.wav")
	for range n {
		c.all.Go(func() {
			for !c.ending.Load() {
				status, body := s.transcribe(t, audio, "model", model, "decoding", "greedy", "response_format", "text")
				known := status == http.StatusOK
				c.mu.Lock()
				c.answers[body]++
				c.mu.Unlock()
				for _, text := range texts {
					if known && body == text+"\n" {
						known = false
					}
				}
				if known || status != http.StatusOK {
					t.Errorf("%d %s", status, body)
					return
				}
			}
		})
	}
}

// end waits for the clients and returns the numbers of answers by their texts.
func (c *clients) end() map[string]int {
	c.ending.Store(true)
	c.all.Wait()
	return c.answers
}

// pulled pulls a model over HTTP and returns the status of its job, and its result or
// else its record.
func (s *server) pulled(t *testing.T, body string) (status, answer string) {
	t.Helper()
	code, answer := s.sendJSON(t, http.MethodPost, "/v1/models", body)
	require.Equal(t, http.StatusAccepted, code, answer)
	var job struct{ ID, Status string }
	require.NoError(t, json.Unmarshal([]byte(answer), &job))
	for job.Status == "queued" || job.Status == "running" {
		_, answer = s.get(t, "/v1/jobs/"+job.ID+"?wait=5")
		require.NoError(t, json.Unmarshal([]byte(answer), &job), answer)
	}
	if job.Status == "succeeded" {
		_, answer = s.get(t, "/v1/jobs/"+job.ID+"/result")
	}
	return job.Status, answer
}

// heldBy returns the bytes of the loaded models of the speech service, and their number.
func (s *server) heldBy(t *testing.T) (sum int64, models int) {
	t.Helper()
	_, body := s.get(t, "/v1/services/wav2vec2")
	var service struct {
		Models []struct {
			LoadedBytes int64 `json:"loaded_bytes"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &service), body)
	for _, m := range service.Models {
		sum += m.LoadedBytes
		if m.LoadedBytes > 0 {
			models++
		}
	}
	_, body = s.get(t, "/v1/resources")
	var resources struct {
		Services []struct {
			Name       string
			ModelBytes int64 `json:"model_bytes"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &resources), body)
	for _, one := range resources.Services {
		if one.Name == "wav2vec2" {
			require.Equal(t, sum, one.ModelBytes, "what is listed is what is booked")
		}
	}
	return sum, models
}

// TestAModelIsReplacedUnderLoad pulls versions of a model, good and broken ones, while 16
// clients use it.
func TestAModelIsReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	h := hubtest.New(t)
	h.Add("someone/speech", "a", speechVersion(t, ""))
	dir := t.TempDir()
	cmd := runProgram(t, "--listen", "127.0.0.1:0", "--data-dir", dir)
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+h.URL, "HF_HUB_OFFLINE=", "HF_TOKEN=", "HOME="+dir)
	s, listening := launchCommand(t, cmd)
	s.await(t, listening)
	pull := func() (string, string) { return s.pulled(t, `{"source":"someone/speech","name":"mine"}`) }
	status, body := pull()
	require.Equal(t, "succeeded", status, body)

	const first, second = "MUTE TRACK ONE", "MUET ERACK ONT"
	said := func() string {
		code, body := s.transcribe(t, clip(t, "clip09.wav"), "model", "mine", "decoding", "greedy", "response_format", "text")
		require.Equal(t, http.StatusOK, code, body)
		return strings.TrimSpace(body)
	}
	require.Equal(t, first, said())
	one, n := s.heldBy(t)
	var c clients
	defer c.end()
	c.ask(t, s, 16, "mine", first, second)
	for i, want := range []string{second, first} {
		letters := ""
		if want == second {
			letters = "ET"
		}
		h.Add("someone/speech", strconv.Itoa(i), speechVersion(t, letters))
		status, body = pull()
		require.Equal(t, "succeeded", status, body)
		require.Contains(t, body, `"replaced":true`)
		require.Equal(t, want, said())
	}
	checkBroken(t, s, h, pull, said)
	code, body := s.post(t, "/v1/services/wav2vec2/reload?model=mine&gap=true")
	require.Equal(t, http.StatusOK, code, body)
	answers := c.end()
	checkReload(t, s, filepath.Join(dir, "models", "mine"), said)
	t.Log(answers)
	require.Greater(t, answers[first+"\n"], 0)
	require.Greater(t, answers[second+"\n"], 0)
	last, m := s.heldBy(t)
	require.Equal(t, n, m, "no version is left")
	require.Equal(t, one, last)
}

// checkBroken pulls versions that cannot be used: the one before goes on, on the disk too.
func checkBroken(t *testing.T, s *server, h *hubtest.Hub, pull func() (string, string), said func() string) {
	t.Helper()
	before := said()
	for name, broken := range map[string]struct {
		change func(files map[string]string)
		says   string
	}{
		"truncated": {func(files map[string]string) { files["onnx/model.onnx"] = files["onnx/model.onnx"][:1<<20] }, "mine"},
		"NaN": {func(files map[string]string) { files["onnx/model.onnx"] = withoutNumbers(files["onnx/model.onnx"]) },
			"the model returned an unusable result"},
	} {
		files := speechVersion(t, "")
		broken.change(files)
		h.Add("someone/speech", "f", files)
		status, body := pull()
		require.Equal(t, "failed", status, "%s: %s", name, body)
		require.Contains(t, body, "the new version of model mine was not taken; the one in use goes on", name)
		require.Contains(t, body, broken.says, name)
		require.NotContains(t, body, "@", name)
		require.Equal(t, before, said())
		_, body = s.get(t, "/v1/models/mine")
		require.Contains(t, body, `"state":"ready"`)
		require.Contains(t, body, `"reload_problem":`, name)
	}
}

// checkReload changes the files by hand.
func checkReload(t *testing.T, s *server, folder string, said func() string) {
	t.Helper()
	before := said()
	vocabulary, err := os.ReadFile(filepath.Join(folder, "vocab.json"))
	require.NoError(t, err)
	write := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(folder, "vocab.json"), []byte(text), 0o600))
	}
	write("{}")
	code, body := s.post(t, "/v1/services/wav2vec2/reload?model=mine")
	require.Equal(t, http.StatusBadRequest, code, body)
	require.Contains(t, body, "mine/vocab.json: the pad token")
	require.Equal(t, before, said())
	_, body = s.get(t, "/v1/models/mine")
	require.Contains(t, body, `"files_changed":true`)
	settings, err := os.ReadFile(filepath.Join(folder, "config.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"model_type":"bert"}`), 0o600))
	code, body = s.post(t, "/v1/services/wav2vec2/reload?model=mine")
	require.Equal(t, http.StatusBadRequest, code, body)
	require.Contains(t, body, "this needs wav2vec2")
	require.Equal(t, before, said())
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), settings, 0o600))
	write(strings.NewReplacer(`"E"`, `"T"`, `"T"`, `"E"`).Replace(string(vocabulary)))
	for _, query := range []string{"", "&gap=true"} {
		code, body = s.post(t, "/v1/services/wav2vec2/reload?model=mine"+query)
		require.Equal(t, http.StatusOK, code, body)
		require.NotEqual(t, before, said())
		_, body = s.get(t, "/v1/models/mine")
		require.NotContains(t, body, "reload_problem")
		require.NotContains(t, body, "files_changed")
	}
	code, body = s.post(t, "/v1/services/wav2vec2/restart?model=mine&gap=true")
	require.Equal(t, http.StatusBadRequest, code, body)
	code, body = s.post(t, "/v1/services/wav2vec2/reload?model=none")
	require.Equal(t, http.StatusNotFound, code, body)
	code, body = s.post(t, "/v1/services/audioProcessor/reload")
	require.Equal(t, http.StatusBadRequest, code, body)
}

// TestTwoVersionsThatDoNotFitTogether reloads a model of which the service has the memory of
// one.
func TestTwoVersionsThatDoNotFitTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	modeltest.CopySpeech(t, dir, "other", func(data []byte) []byte { return data })
	s := startWith(t, options{dataDir: dir})
	said := func() string {
		code, body := s.transcribe(t, clip(t, "clip09.wav"), "model", "other", "response_format", "text")
		require.Equal(t, http.StatusOK, code, body)
		return body
	}
	require.Equal(t, "MUTE TRACK ONE\n", said())
	code, body := s.transcribe(t, wav(16000, 1, 20*16000), "model", "other")
	require.Equal(t, http.StatusOK, code, body)
	// What is used now, and a little more.
	_, body = s.get(t, "/v1/resources")
	var used struct {
		ModelBytes    int64 `json:"model_bytes"`
		RetainedBytes int64 `json:"retained_bytes"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &used), body)
	code, body = s.patch(t, fmt.Sprintf(`{"services":{"wav2vec2":{"maxMemory":"%d"}}}`, used.ModelBytes+used.RetainedBytes+1_000_000))
	require.Equal(t, http.StatusOK, code, body)
	code, body = s.post(t, "/v1/services/wav2vec2/reload?model=other")
	require.Equal(t, http.StatusBadRequest, code, body)
	require.Contains(t, body, "the one in use goes on: both do not fit into the memory of service wav2vec2 together")
	require.Contains(t, body, "repeat it with gap")
	_, body = s.get(t, "/v1/models/other")
	require.Contains(t, body, `"state":"ready"`)
	code, body = s.post(t, "/v1/services/wav2vec2/reload?model=other&gap=true")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, "MUTE TRACK ONE\n", said())
}
