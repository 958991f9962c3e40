package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// accessLog logs each request; probes and scrapes, which come every few seconds, only at
// debug level.
func (h *handlers) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			level := slog.LevelDebug
			if strings.HasPrefix(r.URL.Path, "/v1/") {
				level = slog.LevelInfo
			}
			attrs := []slog.Attr{
				slog.String("request_id", web.RequestID(r.Context())), slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", wrapped.Status()), slog.Int("bytes", wrapped.BytesWritten()), slog.Duration("took", time.Since(started)),
				slog.String("remote", r.RemoteAddr),
			}
			attrs = append(attrs, forwardedAttrs(r.Context())...)
			if trace := services.SpanOf(r.Context()).TraceID(); trace != "" {
				attrs = append(attrs, slog.String("trace", trace))
			}
			h.Log.LogAttrs(r.Context(), level, "request", attrs...)
		}()
		next.ServeHTTP(wrapped, r)
	})
}

// recoverPanics answers 500 if a handler panics.
func recoverPanics(problems *problem.Writer) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				value := recover()
				if value == nil {
					return
				}
				if value == http.ErrAbortHandler { //nolint:errorlint // net/http compares it by identity, as a panic value.
					panic(value)
				}
				problems.Write(w, r, services.Internal(fmt.Errorf("panic: %v\n%s", value, debug.Stack()), "the server failed unexpectedly"))
			}()
			next.ServeHTTP(w, r)
		})
	}
}
