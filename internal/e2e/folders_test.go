package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// linked copies an embedded model's folder with hard links, so that copies are cheap.
func linked(t testing.TB, model, dir string) {
	t.Helper()
	from := filepath.Join("models", model)
	require.NoError(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == "clips" {
			return fs.SkipDir
		}
		name, err := filepath.Rel(from, path)
		require.NoError(t, err)
		to := filepath.Join(dir, name)
		if entry.IsDir() {
			return os.MkdirAll(to, 0o750)
		}
		if os.Link(path, to) == nil {
			return nil
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return os.WriteFile(to, data, 0o600)
	}))
}

// oddFiles replace a file by something else, with the error that the server reports.
var oddFiles = map[string]struct {
	make func(t *testing.T, name string)
	says string
}{
	"pipe":   {func(t *testing.T, name string) { require.NoError(t, syscall.Mkfifo(name, 0o600)) }, "it is a named pipe, not a regular file"},
	"folder": {func(t *testing.T, name string) { require.NoError(t, os.Mkdir(name, 0o750)) }, "it is a folder, not a regular file"},
	"socket": {listenAt, "it is a socket, not a regular file"},
	"link":   {func(t *testing.T, name string) { require.NoError(t, os.Symlink("/dev/zero", name)) }, "it is a link that leaves the folder"},
	"blob": {func(t *testing.T, name string) {
		// As the cache of huggingface_hub links its snapshots to its blobs.
		blob := filepath.Join(filepath.Dir(name), "..", "..", "..", "blob")
		require.NoError(t, os.WriteFile(blob, []byte("{}"), 0o600))
		target, err := filepath.Rel(filepath.Dir(name), blob)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(target, name))
	}, "it is a link that leaves the folder"},
}

// listenAt creates a socket with a short path, because their length is limited.
func listenAt(t *testing.T, name string) {
	t.Helper()
	short, err := os.MkdirTemp("", "s")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(short, "s"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	require.NoError(t, os.Rename(filepath.Join(short, "s"), name))
}

// oddPlaces are files of each model, with the fields of a task that would use them.
var oddPlaces = map[string][]string{
	"wav2vec2-tiny": {"config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json", "words.txt", "model.onnx",
		"model.onnx_data"},
	"audioldm-tiny": {"model_index.json", "unet/config.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json",
		"tokenizer/tokenizer_config.json", "unet/model.onnx", "vocoder/model.onnx_data"},
	"gama-tiny": {"config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "onnx/decoder_model_merged.onnx",
		"onnx/embed_tokens.onnx", "onnx/audio_encoder.onnx_data"},
}

// TestWhatIsNoFileIsNotOpened adds model folders in which a file is replaced by something
// else.
func TestWhatIsNoFileIsNotOpened(t *testing.T) {
	t.Parallel()
	data, err := os.MkdirTemp("", "grym")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	want := make(map[string][]string)
	for model, places := range oddPlaces {
		for i, place := range places {
			for kind, odd := range oddFiles {
				name := fmt.Sprintf("%s-%d-%s", model, i, kind)
				dir := filepath.Join(data, "models", name)
				linked(t, model, dir)
				at := filepath.Join(dir, filepath.FromSlash(place))
				require.NoError(t, os.RemoveAll(at))
				odd.make(t, at)
				want[name] = []string{name + "/" + place, odd.says}
			}
		}
	}
	s := start(t, "--data-dir", data)
	started := time.Now()
	ask(t, s, "/readyz", http.StatusOK)
	t.Logf("a probe beside %d odd folders took %s", len(want), time.Since(started))
	var list struct {
		Data []struct{ ID, State, Problem string }
	}
	require.NoError(t, json.Unmarshal([]byte(ask(t, s, "/v1/models", http.StatusOK)), &list))
	for _, model := range list.Data {
		for _, says := range want[model.ID] {
			require.Contains(t, model.Problem, says, model.ID)
		}
		require.Equal(t, want[model.ID] != nil, model.State == "unavailable", "%+v", model)
		delete(want, model.ID)
	}
	require.Empty(t, want, "every folder is listed")
	require.Contains(t, ask(t, s, "/v1/system", http.StatusOK), "wav2vec2-tiny-5-pipe/model.onnx: it is a named pipe")

	for _, name := range []string{"wav2vec2-tiny-0-pipe", "wav2vec2-tiny-5-pipe", "wav2vec2-tiny-5-link", "gama-tiny-0-pipe"} {
		status, body := s.transcribe(t, clip(t, "clip09.wav"), "model", name)
		require.GreaterOrEqual(t, status, 400, body)
	}
	status, body := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
	for _, probe := range []string{"/livez", "/readyz", "/readyz/wav2vec2", "/healthz"} {
		ask(t, s, probe, http.StatusOK)
	}
	require.NoError(t, s.stop(t), s.log)
}

// ask sends a request that must be answered within two seconds.
func ask(t *testing.T, s *server, path string, want int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	require.NoError(t, err)
	status, body := do(t, request)
	require.Equal(t, want, status, "%s: %s", path, body)
	return body
}

// TestFilesOfTheSettingsMustBeFiles starts with pipes instead of the files that the server
// reads.
func TestFilesOfTheSettingsMustBeFiles(t *testing.T) {
	t.Parallel()
	pipe := func(path string) string {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		return path
	}
	library := filepath.Join(t.TempDir(), "library.yaml")
	require.NoError(t, os.WriteFile(library, []byte("onnx: {libraryPath: "+pipe(filepath.Join(t.TempDir(), "lib.so"))+"}\n"), 0o600))
	secret, models := t.TempDir(), t.TempDir()
	pipe(filepath.Join(secret, "webhook.secret"))
	pipe(filepath.Join(models, "models"))
	for name, args := range map[string][]string{
		"--config":       {"--data-dir", t.TempDir(), "--config", pipe(filepath.Join(t.TempDir(), "config.yaml"))},
		"library":        {"--data-dir", t.TempDir(), "--config", library},
		"webhook secret": {"--data-dir", secret},
		"models.dir":     {"--data-dir", models},
	} {
		s, listening := launch(t, args...)
		select {
		case err := <-s.done:
			s.done <- err
			require.Error(t, err, name)
			require.Contains(t, s.log.String(), "named pipe", name)
		case <-listening:
			t.Errorf("%s: the server started with a pipe", name)
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the start hangs", name)
		}
	}
}

// BenchmarkReadiness compares the rate of the readiness probe with and without 60
// additional model folders.
func BenchmarkReadiness(b *testing.B) {
	var servers [2]*server
	var took [2]time.Duration
	for i, folders := range []int{0, 60} {
		data := b.TempDir()
		for i := range folders {
			model := []string{"wav2vec2-tiny", "audioldm-tiny", "gama-tiny"}[i%3]
			linked(b, model, filepath.Join(data, "models", fmt.Sprintf("%s-%d", model, i)))
		}
		servers[i] = start(b, "--data-dir", data)
		require.Eventually(b, func() bool {
			status, _ := get(b, servers[i].url+"/readyz")
			return status == http.StatusOK
		}, time.Minute, time.Millisecond)
	}
	for b.Loop() {
		for i, s := range servers {
			started := time.Now()
			if status, body := get(b, s.url+"/readyz"); status != http.StatusOK || !strings.Contains(body, "true") {
				b.Fatal(status, body)
			}
			took[i] += time.Since(started)
		}
	}
	b.ReportMetric(float64(b.N)/took[0].Seconds(), "requests/s")
	b.ReportMetric(float64(b.N)/took[1].Seconds(), "requests/s-beside-60")
	b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "ratio")
}

func get(t testing.TB, url string) (int, string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return do(t, request)
}
