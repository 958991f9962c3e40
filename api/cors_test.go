package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withOrigins sets the origins of pages, and requires keys.
func withOrigins(keys Keys, origins ...string) func(*Config, *Dependencies) {
	return func(c *Config, d *Dependencies) { c.CORS.Origins, d.Keys = origins, keys }
}

// TestPreflightRequestsNeedNoKey sends what a browser sends before and with a page's request.
func TestPreflightRequestsNeedNoKey(t *testing.T) {
	t.Parallel()
	b := setup(t, says("HELLO"), withOrigins(wrongKeys{}, "https://app.example", "http://localhost:5173"))
	ask := func(method, origin string, headers ...string) (*answer, string) {
		request := b.request(t, method, "/v1/audio/transcriptions", strings.NewReader(""))
		request.Header.Set("Origin", origin)
		for i := 0; i+1 < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		return b.do(t, request)
	}
	response, body := ask(http.MethodOptions, "https://app.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,content-type", "Access-Control-Request-Private-Network", "true")
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	require.Empty(t, body)
	for header, want := range map[string]string{
		"Allow-Origin": "https://app.example", "Allow-Headers": "authorization,content-type", "Allow-Private-Network": "true", "Max-Age": "7200",
		"Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
	} {
		require.Equal(t, want, response.Header.Get("Access-Control-"+header), header)
	}
	require.Contains(t, response.Header.Values("Vary"), "Origin")
	require.NotEmpty(t, response.Header.Get("X-Request-Id"))

	response, _ = ask(http.MethodPost, "http://localhost:5173")
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	require.Equal(t, "http://localhost:5173", response.Header.Get("Access-Control-Allow-Origin"), "a page can read the error")
	for _, name := range []string{"Grym-Model", "Grym-Warning", "Retry-After", "X-Request-Id", "Location"} {
		require.Contains(t, response.Header.Get("Access-Control-Expose-Headers"), name)
	}
	for _, origin := range []string{"https://evil.example", "https://app.example.evil.example", "http://app.example", "null", "*"} {
		response, _ = ask(http.MethodOptions, origin, "Access-Control-Request-Method", "POST")
		require.NotEqual(t, http.StatusNoContent, response.StatusCode, origin)
		response, _ = ask(http.MethodPost, origin)
		require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"), origin)
	}
	response, _ = ask(http.MethodOptions, "https://app.example")
	require.NotEqual(t, http.StatusNoContent, response.StatusCode, "no preflight request")
}

// TestPagesOfListedOriginsMayUseALocalServer has a server without keys on loopback, which
// refuses other pages.
func TestPagesOfListedOriginsMayUseALocalServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		origins []string
		origin  string
		status  int
		allowed string
	}{
		{nil, "https://app.example", http.StatusForbidden, ""},
		{[]string{"https://app.example"}, "https://app.example", http.StatusOK, "https://app.example"},
		{[]string{"https://app.example"}, "https://evil.example", http.StatusForbidden, ""},
		{[]string{"*"}, "https://app.example", http.StatusForbidden, "*"},
		{[]string{"*"}, "http://localhost:5173", http.StatusOK, "*"},
		{[]string{"*", "https://app.example"}, "https://app.example", http.StatusOK, "*"},
	} {
		b := setup(t, says("HELLO"), withOrigins(nil, c.origins...))
		request := b.request(t, http.MethodGet, "/v1/models", http.NoBody)
		request.Header.Set("Origin", c.origin)
		response, body := b.do(t, request)
		require.Equal(t, c.status, response.StatusCode, "%v %s", c, body)
		require.Equal(t, c.allowed, response.Header.Get("Access-Control-Allow-Origin"), "%v", c)
	}
}

func TestOriginsThatNoBrowserSends(t *testing.T) {
	t.Parallel()
	for origin, good := range map[string]bool{
		"*": true, "https://app.example": true, "http://localhost:5173": true, "http://[::1]:5173": true, "app://obsidian.md": true,
		"https://app.example/": false, "app.example": false, "": false, "https://App.example": false, "https://*.example": false,
		"https://a b": false, "https://app.example?x": false, "null": false,
	} {
		require.Equal(t, good, len(CORSConfig{Origins: []string{origin}}.validate()) == 0, origin)
	}
}
