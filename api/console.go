package api

import (
	"net/http"

	"github.com/grym-synth/grym-synth/api/console"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
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
				if err := h.serveSession(w, r); err != nil {
					problems.Write(w, r, err)
				}
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

func (h *handlers) serveSession(w http.ResponseWriter, r *http.Request) error {
	if err := h.suspect(r, nil); h.Keys == nil && err != nil {
		return err
	}
	return h.Sessions.Serve(w, r, isSecure(r), func(text string) (access.Key, error) { return h.check(r, h.Keys, text) })
}
