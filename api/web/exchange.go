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

// requestIDHeader has the id in requests and responses.
const requestIDHeader = "X-Request-Id"

// validRequestID prevents a client's id from forging log lines.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type requestIDKey struct{}

// RequestID returns the id of the request to which a context belongs.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithRequestID uses the client's id or generates one.
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
// generated code passes to them.
type Exchange struct {
	W http.ResponseWriter
	R *http.Request
}

// WithExchange adds the exchange to the context.
func WithExchange(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sent := r.Header.Get("Content-Type"); sent != "" {
			r.Header.Set("Content-Type", readableFormType(sent))
		}
		// RFC 7240 allows a list on several lines; the generated code accepts one.
		if values := r.Header.Values("Prefer"); len(values) > 1 {
			r.Header.Set("Prefer", strings.Join(values, ", "))
		}
		e := &Exchange{W: w}
		e.R = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e))
		next.ServeHTTP(w, e.R)
	})
}

// ExchangeOf returns the exchange, which the middleware adds to every request.
func ExchangeOf(ctx context.Context) *Exchange {
	return ctx.Value(exchangeKey{}).(*Exchange) //nolint:forcetypeassert // see above
}

type callerKey struct{}

// WithCaller returns a context of a request made by a caller.
func WithCaller(ctx context.Context, caller services.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf returns the caller of a request.
func CallerOf(ctx context.Context) services.Caller {
	caller, _ := ctx.Value(callerKey{}).(services.Caller)
	return caller
}

// ViewerOf returns the owner whose records a request may see; "" sees all.
func ViewerOf(ctx context.Context) string {
	if caller := CallerOf(ctx); !caller.All {
		return caller.Key
	}
	return ""
}
