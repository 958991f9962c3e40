package api

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// trace records a request as the root of a trace, or as a step of the caller's trace.
// Probes and scrapes are not recorded.
func (h *handlers) trace(next http.Handler) http.Handler {
	if h.Tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if unrecorded[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		ctx, span := services.BeginSpan(h.Tracer.Extract(r.Context(), r.Header.Get), r.Method,
			slog.String("http.request.method", r.Method), slog.String("url.path", r.URL.Path),
			slog.String("grym.request_id", web.RequestID(r.Context())))
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			// The route is known only after the router has run.
			if route := chi.RouteContext(ctx).RoutePattern(); route != "" {
				span.Rename(r.Method + " " + route)
				span.Note(slog.String("http.route", route))
			}
			status := wrapped.Status()
			span.Note(slog.Int("http.response.status_code", status))
			var failed error
			if status >= http.StatusInternalServerError {
				failed = services.Internal(nil, "answered %d", status)
			}
			span.End(failed)
		}()
		next.ServeHTTP(wrapped, r.WithContext(ctx))
	})
}

// unrecorded routes are requested every few seconds.
var unrecorded = map[string]bool{"/livez": true, "/readyz": true, "/healthz": true, "/metrics": true}
