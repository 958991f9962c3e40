package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/console"
)

// withConsole adds a small console; with keys, scopedKeys are required.
func withConsole(t *testing.T, keys bool) *bundle {
	t.Helper()
	return setup(t, says("hello"), func(_ *Config, deps *Dependencies) {
		found, err := console.New(fstest.MapFS{"index.html": {Data: []byte("<p>page")}, "vendor/licences.txt": {Data: []byte("free")}})
		require.NoError(t, err)
		deps.Console, deps.Sessions = found, console.NewSessions(nil)
		if keys {
			deps.Keys, deps.Sessions = scopedKeys{}, console.NewSessions(scopedKeys{})
		}
	})
}

func TestTheConsoleNeedsNoKey(t *testing.T) {
	t.Parallel()
	for _, keys := range []bool{false, true} {
		b := withConsole(t, keys)
		page := b.request(t, http.MethodGet, "/", nil)
		page.Header.Set("Accept", "text/html, */*;q=0.8")
		response, body := b.do(t, page)
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, "<p>page", body)
		require.NotEmpty(t, response.Header.Get("Content-Security-Policy"))
		require.NotEmpty(t, response.Header.Get("X-Request-Id"))
	}
	response, body := withConsole(t, true).do(t, withConsole(t, true).request(t, http.MethodGet, "/v1/models", nil))
	require.Equal(t, http.StatusUnauthorized, response.StatusCode, body)
}

// TestOtherClientsReceiveJSON checks that / is answered as before for who does not ask for
// HTML, and that unknown paths are.
func TestOtherClientsReceiveJSON(t *testing.T) {
	t.Parallel()
	b := withConsole(t, false)
	for path, accept := range map[string]string{"/": "application/json", "/console/nothing": "text/html", "/index.html": "text/html"} {
		request := b.request(t, http.MethodGet, path, nil)
		request.Header.Set("Accept", accept)
		response, body := b.do(t, request)
		require.Equal(t, http.StatusNotFound, response.StatusCode, path)
		require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"), path)
		require.Contains(t, body, "no_such_route", path)
	}
}

// TestASessionStandsForItsKey signs in with a key and uses the API with the cookie.
func TestASessionStandsForItsKey(t *testing.T) {
	t.Parallel()
	b := withConsole(t, true)
	signIn := b.request(t, http.MethodPost, console.SessionPath, strings.NewReader(`{"key":"use"}`))
	signIn.Header.Set("Content-Type", "application/json")
	response, body := b.do(t, signIn)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	var session struct{ CSRF string }
	require.NoError(t, json.Unmarshal([]byte(body), &session))
	cookie, _, _ := strings.Cut(response.Header.Get("Set-Cookie"), ";")

	for name, c := range map[string]struct {
		method, path string
		headers      map[string]string
		status       int
	}{
		"a safe request":   {http.MethodGet, "/v1/models", nil, http.StatusOK},
		"beyond the scope": {http.MethodGet, "/v1/system", nil, http.StatusForbidden},
		"a change":         {http.MethodDelete, "/v1/models", nil, http.StatusForbidden},
		"a change with the token": {http.MethodDelete, "/v1/models", map[string]string{"X-CSRF-Token": session.CSRF},
			http.StatusMethodNotAllowed},
		"a page of another port": {http.MethodGet, "/v1/models", map[string]string{"Origin": "http://127.0.0.1:1"}, http.StatusForbidden},
		"a key in the header":    {http.MethodGet, "/v1/models", map[string]string{"Authorization": "Bearer read"}, http.StatusOK},
	} {
		request := b.request(t, c.method, c.path, nil)
		request.Header.Set("Cookie", cookie)
		for header, value := range c.headers {
			request.Header.Set(header, value)
		}
		response, body := b.do(t, request)
		require.Equal(t, c.status, response.StatusCode, "%s: %s", name, body)
	}
	out := b.request(t, http.MethodDelete, console.SessionPath, nil)
	out.Header.Set("Cookie", cookie)
	out.Header.Set("X-CSRF-Token", session.CSRF)
	response, _ = b.do(t, out)
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	request := b.request(t, http.MethodGet, "/v1/models", nil)
	request.Header.Set("Cookie", cookie)
	response, _ = b.do(t, request)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
}

// TestPagesOfOtherPortsMayNotManage has a server that requires no keys: pages of other
// ports of this machine may use it, as before, but not change it.
func TestPagesOfOtherPortsMayNotManage(t *testing.T) {
	t.Parallel()
	b := withConsole(t, false)
	ask := func(method, path, origin string) (int, string) {
		request := b.request(t, method, path, nil)
		request.Header.Set("Origin", origin)
		response, body := b.do(t, request)
		return response.StatusCode, body
	}
	other := "http://localhost:3000"
	status, _ := ask(http.MethodGet, "/v1/models", other)
	require.Equal(t, http.StatusOK, status)
	status, body := ask(http.MethodPost, "/v1/services/x/restart", other)
	require.Equal(t, http.StatusForbidden, status, body)
	require.Contains(t, body, "may not manage this server")
	status, body = ask(http.MethodPost, "/v1/services/x/restart", b.url)
	require.Equal(t, http.StatusNotFound, status, body)
}
