package manage

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// keyed returns handlers with the keys of a new folder, and a context of an admin.
func keyed(t *testing.T) (*Handlers, *access.Store, context.Context) {
	t.Helper()
	store := access.Open(t.TempDir())
	own, _, err := store.Create([]access.Scope{access.ScopeAdmin}, 0)
	require.NoError(t, err)
	ctx := web.WithCaller(t.Context(), services.Caller{Key: own.ID, All: true, Admin: true})
	return &Handlers{Keys: true, KeyStore: store, Log: slog.New(slog.DiscardHandler)}, store, ctx
}

func create(ctx context.Context, t *testing.T, h *Handlers, body gen.NewAPIKey) gen.CreateKey201JSONResponse {
	t.Helper()
	made, err := h.CreateKey(ctx, gen.CreateKeyRequestObject{Body: &body})
	require.NoError(t, err)
	require.IsType(t, gen.CreateKey201JSONResponse{}, made)
	return made.(gen.CreateKey201JSONResponse) //nolint:forcetypeassert // just checked
}

// TestAKeyIsCreatedListedAndRevoked checks that the key that is returned is valid until it
// is revoked, and that no list has it.
func TestAKeyIsCreatedListedAndRevoked(t *testing.T) {
	t.Parallel()
	h, store, ctx := keyed(t)
	name, expires := "a colleague", time.Now().Add(time.Hour).UTC()
	made := create(ctx, t, h, gen.NewAPIKey{Name: &name, Scopes: &[]gen.APIKeyScope{"use", "read"}, Expires: &expires})
	found, err := store.Check(made.Key)
	require.NoError(t, err)
	require.Equal(t, []access.Scope{access.ScopeUse, access.ScopeRead}, found.Scopes)
	require.WithinDuration(t, expires, found.Expires, time.Second)

	answer, err := h.ListKeys(ctx, gen.ListKeysRequestObject{})
	require.NoError(t, err)
	listed := answer.(gen.ListKeys200JSONResponse) //nolint:forcetypeassert // its only success
	require.True(t, listed.Required)
	require.Len(t, listed.Data, 2)
	require.True(t, listed.Data[0].Current)
	require.Equal(t, "a colleague", *listed.Data[1].Name)
	require.False(t, listed.Data[1].Current || listed.Data[1].Expired)

	_, err = h.RevokeKey(ctx, gen.RevokeKeyRequestObject{KeyId: made.Id})
	require.NoError(t, err)
	_, err = store.Check(made.Key)
	require.ErrorIs(t, err, access.ErrUnknownKey)
	_, err = h.RevokeKey(ctx, gen.RevokeKeyRequestObject{KeyId: made.Id})
	require.ErrorContains(t, err, "no API key has the id")
}

// TestAKeyMayOnlyUseByDefault creates one without a body's fields.
func TestAKeyMayOnlyUseByDefault(t *testing.T) {
	t.Parallel()
	h, store, ctx := keyed(t)
	made := create(ctx, t, h, gen.NewAPIKey{})
	found, err := store.Check(made.Key)
	require.NoError(t, err)
	require.Equal(t, []access.Scope{access.ScopeUse}, found.Scopes)
	require.True(t, found.Expires.IsZero())
}

// TestTheKeyOfARequestIsNotRevoked checks that an admin key always remains.
func TestTheKeyOfARequestIsNotRevoked(t *testing.T) {
	t.Parallel()
	h, store, ctx := keyed(t)
	_, err := h.RevokeKey(ctx, gen.RevokeKeyRequestObject{KeyId: web.CallerOf(ctx).Key})
	var refused *problem.HTTPError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusConflict, refused.Status)
	keys, err := store.List()
	require.NoError(t, err)
	require.Len(t, keys, 1)
}

// TestAKeyExpiresInTheFuture checks the message for a time that has passed.
func TestAKeyExpiresInTheFuture(t *testing.T) {
	t.Parallel()
	h, _, ctx := keyed(t)
	passed := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	_, err := h.CreateKey(ctx, gen.CreateKeyRequestObject{Body: &gen.NewAPIKey{Expires: &passed}})
	require.ErrorContains(t, err, "expires must be in the future, got 2020-01-02T03:04:05Z")
}

// TestANameOfAKeyIsNotBlank checks that a name is a name, or left out.
func TestANameOfAKeyIsNotBlank(t *testing.T) {
	t.Parallel()
	h, store, ctx := keyed(t)
	for _, name := range []string{"", "  ", "a colleague "} {
		_, err := h.CreateKey(ctx, gen.CreateKeyRequestObject{Body: &gen.NewAPIKey{Name: &name}})
		require.ErrorContains(t, err, "name must not ", name)
		require.Equal(t, services.KindInvalid, services.KindOf(err))
	}
	keys, err := store.List()
	require.NoError(t, err)
	require.Len(t, keys, 1)
}
