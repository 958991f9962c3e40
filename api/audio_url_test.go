package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// soundHost serves recordings and other things.
func soundHost(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/sound.wav", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sound") })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sound.wav", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:1/sound.wav", http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 8192)) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for range 16 {
			_, _ = w.Write(make([]byte, 1024))
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// TestSoundIsFetchedFromListedHosts asks about sounds by their addresses.
func TestSoundIsFetchedFromListedHosts(t *testing.T) {
	t.Parallel()
	host := soundHost(t)
	address := strings.TrimPrefix(host.URL, "http://")
	_, port, _ := strings.Cut(address, ":")
	listens := executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		sound, err := io.ReadAll(file)
		return services.TaskResult{Model: "m", Value: &tasks.Answer{Text: string(sound), FinishReason: tasks.FinishStop}}, err
	})
	allowing := func(private bool, hosts ...string) func(*Config, *Dependencies) {
		return func(c *Config, _ *Dependencies) {
			c.AudioURL = AudioURLConfig{Hosts: hosts, AllowPrivate: private, Timeout: 200 * time.Millisecond}
			c.MaxUpload = 4096
		}
	}
	listed, none := setup(t, listens, allowing(true, address)), setup(t, listens, allowing(true))
	public := setup(t, listens, allowing(false, "127.0.0.1", "localhost", "[::1]", "169.254.169.254"))
	for _, c := range []struct {
		b      *bundle
		url    string
		status int
		says   string
	}{
		{listed, host.URL + "/sound.wav", 200, `"content":"sound"`},
		{listed, strings.ToUpper("http") + "://" + address + "/sound.wav?x=1#y", 200, `"content":"sound"`},
		{listed, host.URL + "/moved", 200, `"content":"sound"`},
		{listed, host.URL + "/away", 400, `leads to the host \"localhost:1\", which is not in api.audioURL.hosts`},
		{listed, host.URL + "/file", 400, "must be a data URI, or begin with https://"},
		{listed, host.URL + "/circle", 400, "more than 3 redirects"},
		{listed, host.URL + "/none", 400, "was answered with status 404"},
		{listed, host.URL + "/large", 413, "more than 4096 bytes"},
		{listed, host.URL + "/endless", 413, "more than 4096 bytes"},
		{listed, host.URL + "/slow", 400, "did not arrive within 200ms"},
		{listed, "http://localhost:" + port + "/sound.wav", 400, "is not in api.audioURL.hosts"},
		{listed, "http://127.0.0.1:1/sound.wav", 400, "is not in api.audioURL.hosts"},
		{listed, "http://me:secret@" + address + "/sound.wav", 400, "must not have a user"},
		{listed, "ftp://" + address + "/sound.wav", 400, "must be a data URI, or begin with"},
		{listed, "http://" + address + "/" + strings.Repeat("x", 2048), 400, "at most 2048 bytes"},
		{listed, "http://", 400, "must name a host"},
		{listed, "sound.wav", 400, "must be a data URI, or begin with"},
		{none, host.URL + "/sound.wav", 400, "no host is in api.audioURL.hosts"},
		{public, host.URL + "/sound.wav", 400, "must lead to a public address"},
		{public, "http://localhost:" + port + "/sound.wav", 400, "must lead to a public address"},
		{public, "http://169.254.169.254/latest/meta-data", 400, "must lead to a public address"},
		{public, "http://[::1]:" + port + "/", 400, "must lead to a public address"},
	} {
		body := fmt.Sprintf(`{"messages":[{"role":"user","content":[{"type":"text","text":"What?"},`+
			`{"type":"audio_url","audio_url":{"url":%q}}]}]}`, c.url)
		request := c.b.request(t, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		response, text := c.b.do(t, request)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", c.url, text)
		require.Contains(t, text, c.says, c.url)
	}
}
