package console

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
)

// SessionPath is the route of the session: GET returns it, POST signs in with a key, DELETE
// signs out.
const SessionPath = "/console/session"

// maxSessionBody limits the body of a request to sign in.
const maxSessionBody = 4 << 10

// sessionView is the session as the console sees it.
type sessionView struct {
	// Keys reports whether keys are required.
	Keys bool      `json:"keys"`
	User *userView `json:"user,omitempty"`
	CSRF string    `json:"csrf,omitempty"`
}

// userView is the key of a session without its secret.
type userView struct {
	Key    string         `json:"key"`
	Scopes []access.Scope `json:"scopes"`
}

// Serve serves SessionPath. check checks an API key and returns the error for the client;
// secure is set if the browser uses TLS.
func (s *Sessions) Serve(w http.ResponseWriter, r *http.Request, secure bool, check func(text string) (access.Key, error)) error {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return s.show(w, r, check)
	case http.MethodPost:
		return s.signIn(w, r, secure, check)
	case http.MethodDelete:
		if _, err := s.Key(r); err != nil {
			return err
		}
		s.end(r)
		http.SetCookie(w, newCookie(r, "", secure))
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
	return &problem.HTTPError{Status: http.StatusMethodNotAllowed, Slug: "method_not_allowed", Title: "Method not allowed",
		Message: SessionPath + " does not allow " + r.Method + "; see the Allow header"}
}

// show returns the session of a request. A session whose key is no longer valid ends.
func (s *Sessions) show(w http.ResponseWriter, r *http.Request, check func(string) (access.Key, error)) error {
	view := sessionView{Keys: s.keys != nil}
	if found, ok := s.find(r); ok {
		if err := checkOrigin(r); err != nil {
			return err
		}
		if key, err := check(found.key); err == nil {
			view.User, view.CSRF = viewOf(key), found.csrf
		} else {
			s.end(r)
		}
	}
	return write(w, view)
}

// signIn starts a session. The body is JSON, which pages of other origins cannot send
// without being asked first.
func (s *Sessions) signIn(w http.ResponseWriter, r *http.Request, secure bool, check func(string) (access.Key, error)) error {
	if err := checkOrigin(r); err != nil {
		return err
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	var body struct {
		Key string `json:"key"`
	}
	if !strings.EqualFold(strings.TrimSpace(kind), "application/json") ||
		json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSessionBody)).Decode(&body) != nil || body.Key == "" {
		return &problem.HTTPError{Status: http.StatusBadRequest, Slug: "invalid_request", Title: "Invalid request",
			Message: `the body must be JSON with an API key: {"key":"grym_..."}`}
	}
	if s.keys == nil {
		return write(w, sessionView{})
	}
	key, err := check(body.Key)
	if err != nil {
		return err
	}
	s.end(r)
	cookie, begun := s.begin(body.Key, key.ID)
	http.SetCookie(w, newCookie(r, cookie, secure || strings.HasPrefix(r.Header.Get("Origin"), "https://")))
	return write(w, sessionView{Keys: true, User: viewOf(key), CSRF: begun.csrf})
}

func viewOf(key access.Key) *userView { return &userView{Key: key.ID, Scopes: key.Scopes} }

func write(w http.ResponseWriter, view sessionView) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return json.NewEncoder(w).Encode(view)
}
