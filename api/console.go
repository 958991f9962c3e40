package api

import (
	"cmp"
	"net/http"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/grym-synth/grym-synth/api/console"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator/audit"
)

// serveConsole serves the files and the session of the console, for which no key is
// required.
func (h *handlers) serveConsole(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if h.Console == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case h.Console.Handles(r):
				h.Console.ServeHTTP(w, r)
			case r.URL.Path == console.SessionPath && h.Sessions != nil:
				h.recordSession(w, r, problems)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// serveSession serves the session of a request. checked is called with the id of each API
// key that was checked, which is empty if the key is not valid.
func (h *handlers) serveSession(w http.ResponseWriter, r *http.Request, checked func(id string)) error {
	if err := h.suspect(r, nil); h.Keys == nil && err != nil {
		return err
	}
	return h.Sessions.Serve(w, r, isSecure(r), func(text string) (access.Key, error) {
		key, err := h.check(r, h.Keys, text)
		checked(key.ID)
		return key, err
	})
}

// recordSession serves the session of a request, and records who signed in or out, or tried
// to. A request that tries no key and belongs to no session is not recorded, nor is one that
// is refused because its address has tried too many.
func (h *handlers) recordSession(w http.ResponseWriter, r *http.Request, problems *problem.Writer) {
	entry, known := audit.Entry{Session: true, Operation: "signIn"}, false
	if r.Method == http.MethodDelete {
		entry.Operation, entry.Key = "signOut", h.Sessions.KeyID(r)
		known = entry.Key != ""
	}
	wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
	err := h.serveSession(wrapped, r, func(id string) {
		if r.Method == http.MethodPost {
			entry.Key, known = id, true
		}
	})
	if err != nil {
		problems.Write(wrapped, r, err)
	}
	entry.Status = cmp.Or(wrapped.Status(), http.StatusOK)
	if h.Audit != nil && known && entry.Status != http.StatusTooManyRequests {
		h.recordAction(r, entry)
	}
}
