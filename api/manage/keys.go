package manage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// KeyStore has the API keys; access.Store implements it.
type KeyStore interface {
	List() ([]access.Key, error)
	CreateNamed(name string, scopes []access.Scope, life time.Duration) (access.Key, string, error)
	Revoke(id string) error
}

// describeKey returns a key as the API shows it to the caller with the key current.
func describeKey(key access.Key, current string) gen.APIKey {
	scopes := make([]gen.APIKeyScope, len(key.Scopes))
	for i, scope := range key.Scopes {
		scopes[i] = gen.APIKeyScope(scope)
	}
	return gen.APIKey{
		Object: "key", Id: key.ID, Name: web.Unless(key.Name, ""), Scopes: scopes, Created: key.Created,
		Expires: web.Unless(key.Expires, time.Time{}), Expired: key.Expired(time.Now()), Current: key.ID == current,
	}
}

// ListKeys implements gen.StrictServerInterface.
func (h *Handlers) ListKeys(ctx context.Context, _ gen.ListKeysRequestObject) (gen.ListKeysResponseObject, error) {
	keys, err := h.KeyStore.List()
	if err != nil {
		return nil, services.Internal(err, "the API keys could not be read")
	}
	list, current := make([]gen.APIKey, len(keys)), web.CallerOf(ctx).Key
	for i, key := range keys {
		list[i] = describeKey(key, current)
	}
	return gen.ListKeys200JSONResponse{Required: h.Keys, Data: list}, nil
}

// CreateKey implements gen.StrictServerInterface.
func (h *Handlers) CreateKey(ctx context.Context, request gen.CreateKeyRequestObject) (gen.CreateKeyResponseObject, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	if name := request.Body.Name; name != nil {
		if err := access.CheckName(*name); err != nil {
			return nil, services.Invalidf("name", "%s", err)
		}
	}
	scopes := []access.Scope{access.ScopeUse}
	if asked := request.Body.Scopes; asked != nil {
		scopes = scopes[:0]
		for _, scope := range *asked {
			scopes = append(scopes, access.Scope(scope))
		}
	}
	var life time.Duration
	if expires := request.Body.Expires; expires != nil {
		if life = time.Until(*expires); life <= 0 {
			return nil, services.Invalidf("expires", "must be in the future, got %s", expires.Format(time.RFC3339))
		}
	}
	key, text, err := h.KeyStore.CreateNamed(web.Value(request.Body.Name), scopes, life)
	if err != nil {
		return nil, services.Internal(err, "the API key could not be stored")
	}
	current := web.CallerOf(ctx).Key
	web.ActionOf(ctx).Target = key.ID
	h.Log.Info("API key created", "key", key.ID, "name", key.Name, "scopes", key.Scopes, "by", current)
	made := describeKey(key, current)
	return gen.CreateKey201JSONResponse{
		Object: gen.CreatedAPIKeyObject(made.Object), Id: made.Id, Name: made.Name, Scopes: made.Scopes, Created: made.Created,
		Expires: made.Expires, Expired: made.Expired, Current: made.Current, Key: text,
	}, nil
}

// RevokeKey implements gen.StrictServerInterface.
func (h *Handlers) RevokeKey(ctx context.Context, request gen.RevokeKeyRequestObject) (gen.RevokeKeyResponseObject, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	current := web.CallerOf(ctx).Key
	if request.KeyId == current {
		return nil, &problem.HTTPError{
			Status: http.StatusConflict, Slug: "key_in_use", Title: "Conflict",
			Message: fmt.Sprintf("%s is the key of this request; another admin key can revoke it, "+
				"or grym-synth keys revoke on the server's machine", current),
		}
	}
	err := h.KeyStore.Revoke(request.KeyId)
	if errors.Is(err, access.ErrNoSuchKey) {
		return nil, services.Faultf(services.KindNotFound, "no API key has the id %q", request.KeyId)
	}
	if err != nil {
		return nil, services.Internal(err, "the API keys could not be changed")
	}
	h.Log.Info("API key revoked", "key", request.KeyId, "by", current)
	return gen.RevokeKey204Response{}, nil
}

// ListCatalogue implements gen.StrictServerInterface.
func (h *Handlers) ListCatalogue(context.Context, gen.ListCatalogueRequestObject) (gen.ListCatalogueResponseObject, error) {
	return gen.ListCatalogue200JSONResponse{Data: slices.Concat([]gen.KnownModel{}, h.Known)}, nil
}
