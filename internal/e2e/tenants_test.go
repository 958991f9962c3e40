package e2e

import (
	"context"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// playFloodOfRequests has one API key fill the queue with urgent recordings for one
// run slot. A clip of another key is answered while most of them wait.
func playFloodOfRequests(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	key := func(scope string) string {
		out, err := exec.CommandContext(t.Context(), program, "keys", "create", "--scopes", scope, "--data-dir", dir).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	crowd, other, admin := key("use"), key("use"), key("admin")
	s := startWith(t, options{
		dataDir:  dir,
		settings: "services: {wav2vec2: {runs: 1}}\nsystemHardening: {resourceManagement: {queueLimit: 40}}\n",
		args:     []string{"--listen", "0.0.0.0:0"},
	})
	s.url = "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	ask := func(ctx context.Context, key, priority string, audio []byte) *http.Request {
		body, contentType := form(t, audio, "response_format", "text")
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/audio/transcriptions", body)
		require.NoError(t, err)
		request.Header.Set("Content-Type", contentType)
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Grym-Priority", priority)
		return request
	}
	speech := longSpeech(t, 60)
	ctx, stop := context.WithCancel(t.Context())
	var requests sync.WaitGroup
	defer requests.Wait()
	defer stop()
	var served, refused atomic.Int32
	pending := regexp.MustCompile(`(?m)^grym_inference_pending [34]\d$`)
	for range 60 {
		request := ask(ctx, crowd, "high", speech)
		requests.Go(func() {
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return // stopped
			}
			defer response.Body.Close()
			if response.StatusCode == http.StatusOK {
				served.Add(1)
			} else {
				refused.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+admin)
		_, metrics := do(t, request)
		return refused.Load() > 0 && pending.MatchString(metrics)
	}, time.Minute, 5*time.Millisecond, "the queue is not full")
	before := served.Load()
	status, body := do(t, ask(t.Context(), other, "normal", clip(t, "clip09.wav")))
	require.Equal(t, http.StatusOK, status, body)
	require.Less(t, served.Load()-before, int32(20), "half of the crowd was served first")
}
