package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// requestIDHeader carries the id in both directions.
const requestIDHeader = "X-Request-Id"

// validRequestID keeps a client's id from forging log lines.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type requestIDKey struct{}

// RequestID returns the id of the request that a context belongs to.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithRequestID takes the client's id or makes one.
func WithRequestID(next http.Handler) http.Handler {
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

type exchangeKey struct{}

// Exchange is a request and its writer, for the few handlers that need more than the
// generated code hands them.
type Exchange struct {
	W http.ResponseWriter
	R *http.Request
}

// WithExchange puts the exchange into the context.
func WithExchange(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// RFC 7240 takes several lines for one list; the generated code wants one.
		if values := r.Header.Values("Prefer"); len(values) > 1 {
			r.Header.Set("Prefer", strings.Join(values, ", "))
		}
		e := &Exchange{W: w}
		e.R = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e))
		next.ServeHTTP(w, e.R)
	})
}

// ExchangeOf returns the exchange; the middleware puts one into every request.
func ExchangeOf(ctx context.Context) *Exchange {
	return ctx.Value(exchangeKey{}).(*Exchange) //nolint:forcetypeassert // see above
}

type callerKey struct{}

// WithCaller returns a context of a request that is made on behalf of a caller.
func WithCaller(ctx context.Context, caller services.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf returns on whose behalf a request is made.
func CallerOf(ctx context.Context) services.Caller {
	caller, _ := ctx.Value(callerKey{}).(services.Caller)
	return caller
}

// ViewerOf returns the owner whose records a request may see; empty is everybody's.
func ViewerOf(ctx context.Context) string {
	if caller := CallerOf(ctx); !caller.All {
		return caller.Key
	}
	return ""
}
