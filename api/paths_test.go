package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPathsOfOddBaseURLs requests the models with the base URLs that people set.
func TestPathsOfOddBaseURLs(t *testing.T) {
	t.Parallel()
	b := setup(t, says("HELLO"))
	for path, status := range map[string]int{
		"/v1/models": 200, "//v1/models": 200, "/v1//models": 200, "/v1/models/": 200, "/v1/models//": 200, "///v1///models///": 200,
		"/v1/v1/models": 200, "/v1/v1/v1/models": 200, "/v1//v1/models": 200, "/livez/": 200, "/v1/models/?x=1": 200, "/v1/models/a%2Fb/": 404,
		"/": 404, "//": 404, "/v1": 404, "/v1/": 404, "/models": 404, "/v1/v2/models": 404, "/v1/v1": 404,
	} {
		response, body := b.do(t, b.request(t, http.MethodGet, path, http.NoBody))
		require.Equal(t, status, response.StatusCode, "%s: %s", path, body)
	}
	const hint = "the base URL of a client ends with /v1"
	for path, hinted := range map[string]bool{
		"/models": true, "/chat/completions": true, "/openai/v1/chat/completions": true, "/api/audio/transcriptions": true,
		"/v1/audio/transcriptions/audio/transcriptions": true, "/v1/chat/completions/models": true, "/v1/nothing": false, "/nothing": false,
		"/v1/embeddings": false, "/v1/responses": false,
	} {
		response, body := b.do(t, b.request(t, http.MethodGet, path, http.NoBody))
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		if hinted {
			require.Contains(t, body, hint, path)
		} else {
			require.NotContains(t, body, hint, path)
		}
	}
}

func TestMeantPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"": "", "/": "/", "//": "/", "/a/": "/a", "//a//b//": "/a/b", "/v1/v1/x": "/v1/x", "/v1/v1": "/v1/v1", "/v1/v1x/y": "/v1/v1x/y",
		"/v1/a%2F%2Fb": "/v1/a%2F%2Fb", "*": "*",
	} {
		require.Equal(t, want, meantPath(path), path)
	}
}
