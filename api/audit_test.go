package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator/audit"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// audited is a server with keys that records what operators do.
type audited struct {
	*bundle
	// admin and user are keys with the scopes admin and use.
	admin, user string
	adminID     string
}

func setupAudited(t *testing.T, change ...func(*Config, *Dependencies)) audited {
	t.Helper()
	keys := access.Open(t.TempDir())
	own, admin, err := keys.CreateNamed("Zoë", []access.Scope{access.ScopeAdmin}, 0)
	require.NoError(t, err)
	_, user, err := keys.Create([]access.Scope{access.ScopeUse}, 0)
	require.NoError(t, err)
	db := records.NewDatabase(recordstest.NewMemory(), slog.New(slog.DiscardHandler))
	actions := audit.New(db)
	require.NoError(t, db.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Stop(context.Background())) })
	require.True(t, db.AwaitReady(t.Context()))
	all := append([]func(*Config, *Dependencies){func(_ *Config, d *Dependencies) {
		d.Keys, d.KeyStore, d.Audit, d.Settings = keys, keys, actions, scriptedSettings{}
		d.RemoveModel = func(context.Context, string) error { panic("a bug") }
	}}, change...)
	return audited{setup(t, says("never"), all...), admin, user, own.ID}
}

// send sends a request with a key and checks its status.
func (a audited) send(t *testing.T, key, method, path, body string, status int) string {
	t.Helper()
	response, answer := a.call(t, method, path, body, "Content-Type", jsonType, "Authorization", "Bearer "+key)
	require.Equal(t, status, response.StatusCode, answer)
	return answer
}

// actions returns the recorded actions, the newest first.
func (a audited) actions(t *testing.T, query string) (list gen.ActionList) {
	t.Helper()
	answer := a.send(t, a.admin, http.MethodGet, "/v1/system/audit"+query, "", http.StatusOK)
	require.NoError(t, json.Unmarshal([]byte(answer), &list))
	return list
}

func TestWhatOperatorsDoIsRecorded(t *testing.T) {
	t.Parallel()
	a := setupAudited(t)
	require.Empty(t, a.actions(t, "").Data)
	var made gen.CreatedAPIKey
	answer := a.send(t, a.admin, http.MethodPost, "/v1/keys", `{"name":"a colleague"}`, http.StatusCreated)
	require.NoError(t, json.Unmarshal([]byte(answer), &made))
	a.send(t, a.admin, http.MethodDelete, "/v1/keys/none", "", http.StatusNotFound)
	a.send(t, a.admin, http.MethodPost, "/v1/services/ears/restart?model=left", "", http.StatusNotFound)
	a.send(t, a.admin, http.MethodPost, "/v1/keys", `{"name":""}`, http.StatusBadRequest)
	a.send(t, a.admin, http.MethodDelete, "/v1/models/left", "", http.StatusInternalServerError)
	a.send(t, a.user, http.MethodPost, "/v1/keys", `{}`, http.StatusForbidden)
	a.send(t, "grym_0_1", http.MethodPost, "/v1/keys", `{}`, http.StatusUnauthorized)
	a.send(t, a.admin, http.MethodGet, "/v1/keys", "", http.StatusOK)
	a.send(t, a.admin, http.MethodPut, "/v1/keys", "", http.StatusMethodNotAllowed)

	list := a.actions(t, "")
	require.Nil(t, list.Next)
	var lines []string
	for _, x := range list.Data {
		require.Equal(t, a.adminID, *x.Key)
		require.Equal(t, "Zoë", *x.KeyName)
		require.Equal(t, "127.0.0.1", *x.Client)
		require.NotEmpty(t, *x.RequestId)
		line := []string{x.Operation, x.Method, x.Path, string(x.Outcome)}
		for _, more := range []*string{x.Target, x.Code} {
			if more != nil {
				line = append(line, *more)
			}
		}
		lines = append(lines, strings.Join(line, " "))
	}
	require.Equal(t, []string{
		"deleteModel DELETE /v1/models/left failed internal",
		"createKey POST /v1/keys refused invalid",
		"changeService POST /v1/services/ears/restart refused left not_found",
		"revokeKey DELETE /v1/keys/none refused not_found",
		"createKey POST /v1/keys done " + made.Id,
	}, lines)
	require.NotContains(t, strings.Join(lines, " "), made.Key)

	first := a.actions(t, "?limit=2")
	require.Equal(t, list.Data[:2], first.Data)
	require.Equal(t, list.Data[2:4], a.actions(t, "?limit=2&cursor="+*first.Next).Data)
	a.send(t, a.admin, http.MethodGet, "/v1/system/audit?limit=201", "", http.StatusBadRequest)
	a.send(t, a.admin, http.MethodGet, "/v1/system/audit?cursor=x", "", http.StatusBadRequest)
}

// lockedBuffer collects the log of several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// unwritable is a record that cannot be written.
type unwritable struct{}

func (unwritable) Add(context.Context, audit.Entry) error { return errors.New("the disk is full") }
func (unwritable) List(int, string) (records.Page[audit.Entry], error) {
	return records.Page[audit.Entry]{}, nil
}

// TestAnActionIsDoneAlsoIfItCannotBeRecorded checks that an operator can act while the store
// is away, and that the log has what was done.
func TestAnActionIsDoneAlsoIfItCannotBeRecorded(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	a := setupAudited(t, func(_ *Config, d *Dependencies) {
		d.Audit, d.Log = unwritable{}, slog.New(slog.NewTextHandler(&log, nil))
	})
	a.send(t, a.admin, http.MethodPost, "/v1/keys", `{}`, http.StatusCreated)
	require.Contains(t, log.String(), "an operator's action could not be recorded")
	require.Contains(t, log.String(), "operation=createKey")
	require.Contains(t, log.String(), "the disk is full")
}
