package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// Keys checks API keys; access.Store implements it.
type Keys interface {
	Check(text string) (access.Key, error)
}

// managed are the roots of the routes that an admin uses.
var managed = []string{"/v1/system", "/v1/services", "/v1/resources"}

// scopesFor gives the scopes of which a route needs one; none for an open one.
// A route that is not named here needs to be able to use the server.
func (h *handlers) scopesFor(path string) []access.Scope {
	for _, root := range managed {
		if path == root || strings.HasPrefix(path, root+"/") {
			return []access.Scope{access.ScopeAdmin}
		}
	}
	switch {
	case path == "/livez", path == "/readyz", strings.HasPrefix(path, "/readyz/"), path == "/metrics" && h.OpenMetrics:
		return nil
	case path == "/metrics", path == "/healthz":
		return []access.Scope{access.ScopeRead}
	case path == "/version", path == "/openapi.json", path == "/v1/models", strings.HasPrefix(path, "/v1/models/"):
		return []access.Scope{access.ScopeUse, access.ScopeRead}
	}
	return []access.Scope{access.ScopeUse}
}

// checkKey refuses requests whose key does not reach; without Keys everybody
// may do everything.
func (h *handlers) checkKey(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if h.Keys == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if scopes := h.scopesFor(r.URL.Path); scopes != nil {
				key, err := h.authorize(r, scopes)
				if err != nil {
					var refused *problem.HTTPError
					if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
						w.Header().Set("WWW-Authenticate", `Bearer realm="grym-synth"`)
					}
					problems.Write(w, r, err)
					return
				}
				r = r.WithContext(context.WithValue(r.Context(), keyContext{}, key))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// keyContext is the place of a request's key in its context.
type keyContext struct{}

// caller is on whose behalf a request is made. Without Keys everybody sees everything.
func (h *handlers) caller(ctx context.Context) services.Caller {
	key, ok := ctx.Value(keyContext{}).(access.Key)
	if !ok {
		return services.Caller{All: h.Keys == nil}
	}
	return services.Caller{Key: key.ID, All: key.May(access.ScopeAdmin)}
}

// authorize gives the key of a request if it has one of the scopes.
func (h *handlers) authorize(r *http.Request, scopes []access.Scope) (access.Key, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return access.Key{}, unauthorized("an API key is needed: send the header Authorization: Bearer KEY; grym-synth keys create makes one")
	}
	text = strings.TrimSpace(text)
	if wait, refused := h.Failures.Refused(r.RemoteAddr, text); refused {
		fault := services.Faultf(services.KindBusy, "too many bad API keys came from this address")
		fault.RetryAfter = wait
		return access.Key{}, fault
	}
	key, err := h.Keys.Check(text)
	switch {
	case errors.Is(err, access.ErrUnknownKey), errors.Is(err, access.ErrExpiredKey):
		h.Failures.Failed(r.RemoteAddr, text)
		return key, unauthorized(err.Error())
	case err != nil:
		return key, services.Internal(err, "the API keys cannot be read")
	}
	h.Failures.Proved(r.RemoteAddr, text)
	if !key.May(scopes...) {
		return key, &problem.HTTPError{
			Status: http.StatusForbidden, Slug: "insufficient_scope", Title: "Forbidden",
			Message: fmt.Sprintf("the API key has the scopes %s; this route needs %s", words(key.Scopes, " and "), words(scopes, " or ")),
		}
	}
	return key, nil
}

func unauthorized(message string) error {
	return &problem.HTTPError{Status: http.StatusUnauthorized, Slug: "invalid_api_key", Title: "Unauthorized", Message: message}
}

func words(scopes []access.Scope, between string) string {
	var names []string
	for _, scope := range scopes {
		names = append(names, string(scope))
	}
	return strings.Join(names, between)
}
