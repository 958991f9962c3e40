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

// scopesFor returns the scopes of which a request needs one, or nil if it needs no key.
func (h *handlers) scopesFor(r *http.Request) []access.Scope {
	asked := h.operations.of(r)
	if h.OpenMetrics && asked.id == metricsOperation {
		return nil
	}
	return asked.scopes
}

// metricsOperation is the operation that auth.openMetrics makes public.
const metricsOperation = "getMetrics"

// admit admits a request by its key, or without one if none is required.
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

// identify returns the key that authorizes a request, or nil if it needs none. A request
// with a valid key is not checked for signs of a browser or a proxy. If no key is required,
// the key of a request is ignored: OpenAI's clients always send one.
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
		return nil, suspicion
	}
	return key, err
}

// callerOf returns the caller that a key identifies, or the zero Caller for nil. Without
// Keys every caller sees everything.
func (h *handlers) callerOf(key *access.Key) services.Caller {
	if key == nil {
		return services.Caller{All: h.Keys == nil, Admin: h.Keys == nil && h.cfg.onLoopback()}
	}
	return services.Caller{Key: key.ID, All: key.May(access.ScopeAdmin), Admin: key.May(access.ScopeAdmin)}
}

// bearer returns the key in a request's Authorization header, or "".
func bearer(r *http.Request) string {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(text)
}

// authorize returns the key of a request, or of the console's session that it belongs to,
// if it has one of the scopes; if scopes is empty, any valid key will do.
func (h *handlers) authorize(r *http.Request, keys Keys, scopes []access.Scope) (*access.Key, error) {
	text := bearer(r)
	if text == "" && h.Sessions != nil {
		var err error
		if text, err = h.Sessions.Key(r); err != nil {
			return nil, err
		}
	}
	if text == "" {
		return nil, unauthorized("an API key is needed: send it as Authorization: Bearer KEY; create one with grym-synth keys create")
	}
	key, err := h.check(r, keys, text)
	if err != nil {
		return nil, err
	}
	if len(scopes) > 0 && !key.May(scopes...) {
		return nil, &problem.HTTPError{
			Status: http.StatusForbidden, Slug: "insufficient_scope", Title: "Forbidden",
			Message: fmt.Sprintf("the API key has the scopes %s; this route requires %s", words(key.Scopes, " and "), words(scopes, " or ")),
		}
	}
	return &key, nil
}

// check returns the key with the given text. It is checked even if the address has exceeded
// its limit of invalid keys, which only changes the response to the next invalid one.
func (h *handlers) check(r *http.Request, keys Keys, text string) (access.Key, error) {
	key, err := keys.Check(text)
	switch {
	case errors.Is(err, access.ErrUnknownKey), errors.Is(err, access.ErrExpiredKey):
		if wait, refused := h.Failures.Failed(r.RemoteAddr); refused {
			fault := services.Faultf(services.KindBusy, "too many invalid API keys from this address")
			fault.RetryAfter = wait
			return key, fault
		}
		return key, unauthorized(err.Error())
	case err != nil:
		return key, services.Internal(err, "the API keys could not be read")
	}
	return key, nil
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
