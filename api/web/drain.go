package web

import "context"

type drainKey struct{}

// WithDrain returns a context for requests whose server stops when draining ends.
func WithDrain(ctx, draining context.Context) context.Context {
	return context.WithValue(ctx, drainKey{}, draining)
}

// UntilDrain returns a context that also ends when the server stops, for responses that
// wait for something and that the client can request again.
func UntilDrain(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if draining, ok := ctx.Value(drainKey{}).(context.Context); ok {
		stop := context.AfterFunc(draining, cancel)
		return ctx, func() { stop(); cancel() }
	}
	return ctx, cancel
}
