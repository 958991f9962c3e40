package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/services"
)

// requestIDHeader carries the id in both directions.
const requestIDHeader = "X-Request-Id"

// validRequestID keeps a client's id from forging log lines.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// withRequestID takes the client's id or makes one.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !validRequestID.MatchString(id) {
			var random [8]byte
			_, _ = rand.Read(random[:]) // never fails, by its documentation
			id = hex.EncodeToString(random[:])
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// accessLog writes a line for each request; probes and scrapes, which come
// every few seconds, only at debug level.
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
				slog.String("request_id", requestID(r.Context())), slog.String("method", r.Method), slog.String("path", r.URL.Path),
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

// recoverPanics answers 500 where a handler panics.
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

type exchangeKey struct{}

// exchange is the request and its writer, for the few handlers that need more
// than the generated code hands them.
type exchange struct {
	w http.ResponseWriter
	r *http.Request
}

// withRequest puts the exchange into the context.
func withRequest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// RFC 7240 takes several lines for one list; the generated code wants one.
		if values := r.Header.Values("Prefer"); len(values) > 1 {
			r.Header.Set("Prefer", strings.Join(values, ", "))
		}
		e := &exchange{w: w}
		e.r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e))
		next.ServeHTTP(w, e.r)
	})
}

// exchangeOf finds the exchange; the middleware puts one into every request.
func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange) //nolint:forcetypeassert // see above
}
