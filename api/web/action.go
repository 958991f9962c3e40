package web

import "context"

// Action is what the handler of an operation adds to the record of what operators did.
type Action struct {
	// Target is what is changed, if the path of the request does not name it.
	Target string
	// Reason is that of the operator, from the body.
	Reason string
}

type actionKey struct{}

// WithAction returns a context with an action that handlers can complete.
func WithAction(ctx context.Context) (context.Context, *Action) {
	action := &Action{}
	return context.WithValue(ctx, actionKey{}, action), action
}

// ActionOf returns the action of a request, never nil: where none is recorded, one that
// nobody reads.
func ActionOf(ctx context.Context) *Action {
	if action, ok := ctx.Value(actionKey{}).(*Action); ok {
		return action
	}
	return &Action{}
}
