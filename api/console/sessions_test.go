package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
)

// onlyKeys are valid keys; each is its own id.
type onlyKeys map[string]bool

func (k onlyKeys) Check(text string) (access.Key, error) {
	if k[text] {
		return access.Key{ID: text, Scopes: []access.Scope{access.ScopeUse}}, nil
	}
	return access.Key{}, access.ErrUnknownKey
}

// user is a browser with a cookie and the token of its session.
type user struct {
	t        *testing.T
	sessions *Sessions
	keys     onlyKeys
	cookies  []*http.Cookie
	csrf     string
}

func newUser(t *testing.T) *user {
	t.Helper()
	keys := onlyKeys{"one": true, "two": true}
	return &user{t: t, sessions: NewSessions(keys), keys: keys}
}

// request returns a request with the cookies; the headers are names and values in turn.
func (u *user) request(method, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(u.t.Context(), method, "http://grym.example:8080"+SessionPath, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, cookie := range u.cookies {
		r.AddCookie(cookie)
	}
	return r
}

// serve sends a request and stores the cookies of the response.
func (u *user) serve(r *http.Request) (*http.Response, sessionView, error) {
	w := httptest.NewRecorder()
	err := u.sessions.Serve(w, r, false, u.keys.Check)
	response, view := w.Result(), sessionView{}
	if set := response.Cookies(); len(set) > 0 {
		u.cookies = set
	}
	if w.Body.Len() > 0 {
		require.NoError(u.t, json.Unmarshal(w.Body.Bytes(), &view))
		u.csrf = view.CSRF
	}
	return response, view, err
}

func (u *user) signIn(key string) (*http.Response, sessionView, error) {
	return u.serve(u.request(http.MethodPost, `{"key":"`+key+`"}`, "Content-Type", "application/json; charset=utf-8"))
}

func slugOf(t *testing.T, err error) string {
	t.Helper()
	var refused *problem.HTTPError
	require.ErrorAs(t, err, &refused)
	return refused.Slug
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, view, err := u.serve(u.request(http.MethodGet, ""))
	require.NoError(t, err)
	require.Equal(t, sessionView{Keys: true}, view)

	response, view, err := u.signIn("one")
	require.NoError(t, err)
	require.Equal(t, "one", view.User.Key)
	require.Len(t, view.CSRF, 64)
	require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	cookie := response.Cookies()[0]
	require.Equal(t, "grym_session_8080", cookie.Name)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.False(t, cookie.Secure)
	require.Zero(t, cookie.MaxAge, "it ends with the browser")
	require.NotContains(t, cookie.Value, "one")

	key, err := u.sessions.Key(u.request(http.MethodGet, ""))
	require.NoError(t, err)
	require.Equal(t, "one", key)
	_, again, err := u.serve(u.request(http.MethodGet, ""))
	require.NoError(t, err)
	require.Equal(t, view, again, "a page that was loaded again receives the token")

	before := u.cookies
	response, _, err = u.serve(u.request(http.MethodDelete, "", csrfHeader, u.csrf))
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	require.Negative(t, response.Cookies()[0].MaxAge)
	u.cookies = before // stolen
	key, err = u.sessions.Key(u.request(http.MethodGet, ""))
	require.NoError(t, err)
	require.Empty(t, key)
}

func TestCookiesAreSecureWithTLS(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	w := httptest.NewRecorder()
	request := u.request(http.MethodPost, `{"key":"one"}`, "Content-Type", "application/json")
	require.NoError(t, u.sessions.Serve(w, request, true, u.keys.Check))
	require.True(t, w.Result().Cookies()[0].Secure)
	w = httptest.NewRecorder()
	behindProxy := u.request(http.MethodPost, `{"key":"one"}`, "Content-Type", "application/json", "Origin", "https://grym.example:8080")
	require.NoError(t, u.sessions.Serve(w, behindProxy, false, u.keys.Check))
	require.True(t, w.Result().Cookies()[0].Secure)
}

// TestChangesNeedTheToken checks requests that a page of the same site could cause.
func TestChangesNeedTheToken(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, _, err := u.signIn("one")
	require.NoError(t, err)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		_, err := u.sessions.Key(u.request(method, ""))
		require.Equal(t, "csrf_token", slugOf(t, err), method)
		_, err = u.sessions.Key(u.request(method, "", csrfHeader, strings.Repeat("0", 64)))
		require.Equal(t, "csrf_token", slugOf(t, err), method)
		key, err := u.sessions.Key(u.request(method, "", csrfHeader, u.csrf))
		require.NoError(t, err, method)
		require.Equal(t, "one", key, method)
	}
	_, _, err = u.serve(u.request(http.MethodDelete, ""))
	require.Equal(t, "csrf_token", slugOf(t, err), "nobody else signs a user out")
}

func TestPagesOfOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, _, err := u.signIn("one")
	require.NoError(t, err)
	for _, headers := range [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "http://grym.example:3000"}, {"Origin", "null"}, {"Origin", "http://grym.example"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		_, err := u.sessions.Key(u.request(http.MethodGet, "", headers...))
		require.Equal(t, "forbidden_origin", slugOf(t, err), headers)
		_, err = u.sessions.Key(u.request(http.MethodPost, "", append(headers, csrfHeader, u.csrf)...))
		require.Equal(t, "forbidden_origin", slugOf(t, err), headers)
		_, _, err = u.serve(u.request(http.MethodGet, "", headers...))
		require.Equal(t, "forbidden_origin", slugOf(t, err), headers)
		_, _, err = u.serve(u.request(http.MethodPost, `{"key":"two"}`, append(headers, "Content-Type", "application/json")...))
		require.Equal(t, "forbidden_origin", slugOf(t, err), headers)
	}
	for _, headers := range [][]string{
		{"Origin", "http://grym.example:8080"}, {"Origin", "http://GRYM.example:8080", "Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "none"},
	} {
		key, err := u.sessions.Key(u.request(http.MethodGet, "", headers...))
		require.NoError(t, err, headers)
		require.Equal(t, "one", key, headers)
	}
	_, err = u.sessions.Key(u.request(http.MethodPost, "", "Sec-Fetch-Site", "none", csrfHeader, u.csrf))
	require.Equal(t, "forbidden_origin", slugOf(t, err), "an address that a user enters changes nothing")
}

func TestInvalidSignIns(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, _, err := u.signIn("three")
	require.ErrorIs(t, err, access.ErrUnknownKey)
	for _, body := range []string{"", "{", `{"key":""}`, `{"key":1}`, `{"key":"` + strings.Repeat("x", maxSessionBody) + `"}`} {
		_, _, err := u.serve(u.request(http.MethodPost, body, "Content-Type", "application/json"))
		require.Equal(t, "invalid_request", slugOf(t, err), "%.40s", body)
	}
	_, _, err = u.serve(u.request(http.MethodPost, `{"key":"one"}`, "Content-Type", "text/plain"))
	require.Equal(t, "invalid_request", slugOf(t, err), "a form of another site can send this")
	response, _, err := u.serve(u.request(http.MethodPut, ""))
	require.Equal(t, "method_not_allowed", slugOf(t, err))
	require.Equal(t, "GET, HEAD, POST, DELETE", response.Header.Get("Allow"))
	require.Empty(t, u.cookies)
}

func TestARevokedKeyEndsItsSession(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, _, err := u.signIn("one")
	require.NoError(t, err)
	delete(u.keys, "one")
	_, view, err := u.serve(u.request(http.MethodGet, ""))
	require.NoError(t, err)
	require.Equal(t, sessionView{Keys: true}, view)
	key, err := u.sessions.Key(u.request(http.MethodGet, ""))
	require.NoError(t, err)
	require.Empty(t, key)
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t)
		_, _, err := u.signIn("one")
		require.NoError(t, err)
		time.Sleep(lifetime - time.Second)
		key, err := u.sessions.Key(u.request(http.MethodGet, ""))
		require.NoError(t, err)
		require.Equal(t, "one", key)
		time.Sleep(time.Second)
		key, err = u.sessions.Key(u.request(http.MethodGet, ""))
		require.NoError(t, err)
		require.Empty(t, key)
		require.Empty(t, u.sessions.byHash)

		_, _, err = u.signIn("one")
		require.NoError(t, err)
		first := u.cookies
		for range maxSessions {
			time.Sleep(time.Millisecond)
			u.cookies = nil
			_, _, err := u.signIn("two")
			require.NoError(t, err)
		}
		require.Len(t, u.sessions.byHash, maxSessions)
		u.cookies = first
		key, err = u.sessions.Key(u.request(http.MethodGet, ""))
		require.NoError(t, err)
		require.Empty(t, key, "the oldest ends")
	})
}

func TestAServerWithoutKeysHasNoSessions(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.sessions = NewSessions(nil)
	for _, r := range []*http.Request{
		u.request(http.MethodGet, ""), u.request(http.MethodPost, `{"key":"one"}`, "Content-Type", "application/json"),
	} {
		response, view, err := u.serve(r)
		require.NoError(t, err)
		require.Equal(t, sessionView{}, view)
		require.Empty(t, response.Cookies())
	}
}
