package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeysReachAsFarAsTheirScopes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), program, append(append([]string{"keys"}, args...), "--data-dir", dir)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	admin, use := keys("create", "--scopes", "admin"), keys("create", "--scopes", "use")
	s := start(t, "--listen", "0.0.0.0:0", "--data-dir", dir)
	s.url = "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	call := func(key, method, path string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
		require.NoError(t, err)
		if key != "" {
			request.Header.Set("Authorization", "Bearer "+key)
		}
		return do(t, request)
	}
	for _, c := range []struct {
		key, method, path string
		want              int
	}{
		{"", "GET", "/livez", 200},
		{"", "GET", "/readyz/audioProcessor", 200},
		{"", "GET", "/metrics", 401},
		{"", "GET", "/v1/models", 401},
		{"", "GET", "/no/such/route", 401},
		{"grym_00_11", "GET", "/v1/models", 401},
		{use, "GET", "/v1/models", 200},
		{use, "GET", "/metrics", 403},
		{use, "GET", "/v1/resources", 403},
		{use, "POST", "/v1/services/wav2vec2/restart", 403},
		{admin, "GET", "/metrics", 200},
		{admin, "POST", "/v1/services/wav2vec2/restart", 200},
	} {
		status, body := call(c.key, c.method, c.path)
		require.Equal(t, c.want, status, "%s %s: %s", c.method, c.path, body)
	}
	_, body := call("", "GET", "/v1/models")
	require.Contains(t, body, `"code":"invalid_api_key"`, "OpenAI's shape on OpenAI's routes")
	_, body = call(use, "GET", "/v1/resources")
	require.Contains(t, body, "urn:grym-synth:problem:insufficient_scope")

	keys("revoke", strings.Split(use, "_")[1])
	status, _ := call(use, "GET", "/v1/models")
	require.Equal(t, http.StatusUnauthorized, status, "a revoked key ends without a restart")
}

// playConversationsOfKeys has two keys that may use the server, and an admin.
func playConversationsOfKeys(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	key := func(scope string) string {
		out, err := exec.CommandContext(t.Context(), program, "keys", "create", "--scopes", scope, "--data-dir", dir).CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	s := start(t, "--listen", "0.0.0.0:0", "--data-dir", dir)
	s.url = "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	call := func(key, method, path, body string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/json")
		return do(t, request)
	}
	mine, other, admin := key("use"), key("use"), key("admin")
	status, body := call(mine, "POST", "/v1/chat/completions", question(t, "What do you hear first?", soundClip(t, "clip00.wav"),
		`,"context_id":"new"`))
	require.Equal(t, http.StatusOK, status, body)
	id := readCompletion(t, body).ContextID
	next := question(t, "And then?", nil, `,"context_id":"`+id+`"`)
	for _, c := range []struct {
		name, key string
		sees      bool
	}{{"another key", other, false}, {"its own key", mine, true}, {"an admin", admin, true}} {
		found := http.StatusNotFound
		if c.sees {
			found = http.StatusOK
		}
		_, list := call(c.key, "GET", "/v1/contexts", "")
		require.Equal(t, c.sees, strings.Contains(list, id), c.name)
		status, body = call(c.key, "GET", "/v1/contexts/"+id, "")
		require.Equal(t, found, status, "%s: %s", c.name, body)
		status, body = call(c.key, "POST", "/v1/chat/completions", next)
		require.Equal(t, found, status, "%s: %s", c.name, body)
		status, body = call(c.key, "POST", "/v1/jobs", `{"service":"gama","task":"ask","params":{"question":"And then?","context_id":"`+id+`"}}`)
		require.Equal(t, c.sees, status == http.StatusAccepted, "a job of %s: %s", c.name, body)
		if c.sees {
			// Another question would be refused in the meantime.
			var job struct{ ID string }
			require.NoError(t, json.Unmarshal([]byte(body), &job))
			require.Eventually(t, func() bool {
				_, body := call(c.key, "GET", "/v1/jobs/"+job.ID, "")
				return strings.Contains(body, `"succeeded"`)
			}, 20*time.Second, 10*time.Millisecond)
			status, body = call(other, "GET", "/v1/jobs/"+job.ID, "")
			require.Equal(t, http.StatusNotFound, status, "a job belongs to who submitted it: %s", body)
		}
	}
	_, body = call(mine, "GET", "/v1/contexts/"+id, "")
	require.Equal(t, 5, strings.Count(body, `"question"`), "what an admin asked is in the owner's conversation: %s", body)
	status, _ = call(other, "DELETE", "/v1/contexts/"+id, "")
	require.Equal(t, http.StatusNotFound, status)
	status, _ = call(mine, "DELETE", "/v1/contexts/"+id, "")
	require.Equal(t, http.StatusNoContent, status)
}
