package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/console"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/internal/access"
)

// withSessions adds a console whose users sign in with the keys of the server.
func withSessions(t *testing.T) func(*Config, *Dependencies) {
	t.Helper()
	return func(_ *Config, d *Dependencies) {
		page, err := console.New(fstest.MapFS{"index.html": {Data: []byte("page")}, "vendor/licences.txt": {Data: []byte("free")}})
		require.NoError(t, err)
		d.Console, d.Sessions = page, console.NewSessions(d.Keys)
	}
}

// session sends a request of the console's session and checks its status. It returns the
// cookie and the token of a session that began.
func (a audited) session(t *testing.T, method, key string, status int, headers ...string) (cookie, csrf string) {
	t.Helper()
	request := a.request(t, method, console.SessionPath, strings.NewReader(`{"key":"`+key+`"}`))
	request.Header.Set("Content-Type", jsonType)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, body := a.do(t, request)
	require.Equal(t, status, response.StatusCode, body)
	cookie, _, _ = strings.Cut(response.Header.Get("Set-Cookie"), ";")
	var view struct{ CSRF string }
	if status == http.StatusOK {
		require.NoError(t, json.Unmarshal([]byte(body), &view))
	}
	return cookie, view.CSRF
}

// lineOf returns what the record of a session says, and checks what each has.
func lineOf(t *testing.T, x gen.Action) string {
	t.Helper()
	require.Equal(t, "127.0.0.1", *x.Client)
	require.NotEmpty(t, *x.RequestId)
	require.Equal(t, console.SessionPath, x.Path)
	line := []string{x.Operation, x.Method, string(x.Outcome)}
	for _, more := range []*string{x.Code, x.KeyName, x.Target, x.Reason} {
		if more != nil {
			line = append(line, *more)
		}
	}
	return strings.Join(line, " ")
}

func TestSignInsAndSignOutsAreRecorded(t *testing.T) {
	t.Parallel()
	a := setupAudited(t, withSessions(t))
	a.session(t, http.MethodGet, "", http.StatusOK)
	a.session(t, http.MethodDelete, "", http.StatusNoContent) // of no session
	a.session(t, http.MethodPost, "", http.StatusBadRequest)
	a.session(t, http.MethodPut, "", http.StatusMethodNotAllowed)
	a.session(t, http.MethodPost, a.admin, http.StatusForbidden, "Origin", "http://elsewhere.example")
	require.Empty(t, a.actions(t, "").Data, "nobody tried a key")

	wrong := a.admin[:len(a.admin)-1] + "-"
	a.session(t, http.MethodPost, wrong, http.StatusUnauthorized)
	cookie, csrf := a.session(t, http.MethodPost, a.admin, http.StatusOK)
	a.session(t, http.MethodGet, "", http.StatusOK, "Cookie", cookie)
	a.session(t, http.MethodDelete, "", http.StatusForbidden, "Cookie", cookie)
	a.session(t, http.MethodDelete, "", http.StatusNoContent, "Cookie", cookie, "X-CSRF-Token", csrf)
	a.session(t, http.MethodDelete, "", http.StatusNoContent, "Cookie", cookie, "X-CSRF-Token", csrf) // has ended

	var lines []string
	for _, x := range a.actions(t, "").Data {
		lines = append(lines, lineOf(t, x))
	}
	require.Equal(t, []string{
		"signOut DELETE done Zoë", "signOut DELETE refused csrf_token Zoë", "signIn POST done Zoë", "signIn POST refused invalid_api_key",
	}, lines)
	text := a.send(t, a.admin, http.MethodGet, "/v1/system/audit", "", http.StatusOK)
	for _, secret := range []string{a.admin, wrong, strings.Split(a.admin, "_")[2], strings.Split(wrong, "_")[2], csrf} {
		require.NotContains(t, text, secret)
	}
	require.Nil(t, a.actions(t, "").Data[3].Key, "an invalid key is nobody's")
}

// TestTooManyInvalidKeysAreNotRecordedEach has an address that tries keys: what it can write
// is bounded by the limit of invalid keys.
func TestTooManyInvalidKeysAreNotRecordedEach(t *testing.T) {
	t.Parallel()
	a := setupAudited(t, withSessions(t), func(_ *Config, d *Dependencies) { d.Failures = access.NewFailures(2) })
	for i := range 6 {
		a.session(t, http.MethodPost, "grym_0_1", []int{http.StatusUnauthorized, http.StatusTooManyRequests}[min(i/2, 1)])
	}
	require.Len(t, a.actions(t, "").Data, 2)
}

func TestWithoutKeysNobodySignsIn(t *testing.T) {
	t.Parallel()
	a := setupAudited(t, func(_ *Config, d *Dependencies) { d.Keys = nil }, withSessions(t), func(_ *Config, d *Dependencies) {
		d.Sessions = console.NewSessions(nil)
	})
	a.session(t, http.MethodPost, a.admin, http.StatusOK)
	a.session(t, http.MethodDelete, "", http.StatusNoContent)
	require.Empty(t, a.actions(t, "").Data)
}

// TestASignInThatCannotBeRecordedSucceeds checks that the log has it, without the key.
func TestASignInThatCannotBeRecordedSucceeds(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	a := setupAudited(t, withSessions(t), func(_ *Config, d *Dependencies) {
		d.Audit, d.Log = unwritable{}, slog.New(slog.NewTextHandler(&log, nil))
	})
	a.session(t, http.MethodPost, a.admin, http.StatusOK)
	require.Contains(t, log.String(), "operation=signIn")
	require.Contains(t, log.String(), a.adminID)
	require.NotContains(t, log.String(), a.admin)
}
