package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// Keys checks API keys; access.Store implements it.
type Keys interface {
	Check(text string) (access.Key, error)
}

// scopesFor returns the scopes of which a request needs one; nil for an open one.
func (h *handlers) scopesFor(r *http.Request) []access.Scope {
	asked := h.operations.of(r)
	if h.OpenMetrics && asked.id == metricsOperation {
		return nil
	}
	return asked.scopes
}

// metricsOperation is the operation that a setting opens.
const metricsOperation = "getMetrics"

// admit lets a request in by its key, or without one where none is asked for.
func (h *handlers) admit(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key, err := h.identify(r)
			if err != nil {
				if isUnauthorized(err) {
					w.Header().Set("WWW-Authenticate", `Bearer realm="grym-synth"`)
				}
				problems.Write(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(web.WithCaller(r.Context(), h.callerOf(key))))
		})
	}
}

// identify returns the key by which a request is let in, nil where it needs none.
// A valid key stands above what is suspicious in a request without one. Where no
// key is asked for, the one of a request that needs none is not looked at: clients
// of OpenAI cannot do without and send any text.
func (h *handlers) identify(r *http.Request) (*access.Key, error) {
	scopes := h.scopesFor(r)
	if h.Keys != nil && scopes != nil {
		return h.authorize(r, h.Keys, scopes)
	}
	suspicion := h.suspect(r, scopes)
	known := h.Keys
	if known == nil {
		known = h.Presented
	}
	if suspicion == nil || known == nil || bearer(r) == "" {
		return nil, suspicion
	}
	key, err := h.authorize(r, known, scopes)
	if isUnauthorized(err) {
		return nil, suspicion // which says what to do about it
	}
	return key, err
}

// callerOf returns on whose behalf a request with a key is made, nil for none. Without
// Keys everybody sees everything.
func (h *handlers) callerOf(key *access.Key) services.Caller {
	if key == nil {
		return services.Caller{All: h.Keys == nil}
	}
	return services.Caller{Key: key.ID, All: key.May(access.ScopeAdmin)}
}

// bearer returns the text of a request's key, empty for none.
func bearer(r *http.Request) string {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(text)
}

// authorize returns the key of a request if it has one of the scopes; any key does
// where there are none. Every key is looked at, also from an address that has sent
// too many bad ones, which only changes what is answered to the next bad one.
func (h *handlers) authorize(r *http.Request, keys Keys, scopes []access.Scope) (*access.Key, error) {
	text := bearer(r)
	if text == "" {
		return nil, unauthorized("an API key is needed: send the header Authorization: Bearer KEY; grym-synth keys create makes one")
	}
	key, err := keys.Check(text)
	switch {
	case errors.Is(err, access.ErrUnknownKey), errors.Is(err, access.ErrExpiredKey):
		if wait, refused := h.Failures.Failed(r.RemoteAddr); refused {
			fault := services.Faultf(services.KindBusy, "too many bad API keys came from this address")
			fault.RetryAfter = wait
			return nil, fault
		}
		return nil, unauthorized(err.Error())
	case err != nil:
		return nil, services.Internal(err, "the API keys cannot be read")
	}
	if len(scopes) > 0 && !key.May(scopes...) {
		return nil, &problem.HTTPError{
			Status: http.StatusForbidden, Slug: "insufficient_scope", Title: "Forbidden",
			Message: fmt.Sprintf("the API key has the scopes %s; this route needs %s", words(key.Scopes, " and "), words(scopes, " or ")),
		}
	}
	return &key, nil
}

func isUnauthorized(err error) bool {
	var refused *problem.HTTPError
	return errors.As(err, &refused) && refused.Status == http.StatusUnauthorized
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
