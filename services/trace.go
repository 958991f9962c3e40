package services

import (
	"context"
	"log/slog"
	"time"
)

// Span is one step of a task in a trace. It belongs to one goroutine.
type Span interface {
	// Rename gives the step a name that was not known when it began.
	Rename(name string)
	// Note adds what became known on the way.
	Note(attrs ...slog.Attr)
	// Step adds a step inside this one that is over.
	Step(name string, began, ended time.Time)
	// TraceID is the trace's id in hexadecimal; empty where nothing is recorded.
	TraceID() string
	// End ends the step; an error marks it as failed.
	End(err error)
}

// Tracer begins spans. Implementations are safe for concurrent use.
type Tracer interface {
	// Begin begins a step below the one that ctx carries, or a trace.
	Begin(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, Span)
}

// traceKey finds the tracer and the step under way in a context.
type traceKey struct{}

type traced struct {
	tracer Tracer
	span   Span
}

// WithTracer makes BeginSpan record what goes on in the context.
func WithTracer(ctx context.Context, tracer Tracer) context.Context {
	return context.WithValue(ctx, traceKey{}, traced{tracer: tracer, span: noSpan{}})
}

// IsTraced tells whether the context has a tracer.
func IsTraced(ctx context.Context) bool {
	_, ok := ctx.Value(traceKey{}).(traced)
	return ok
}

// BeginSpan begins a step of what goes on in the context. Without a tracer
// nothing is recorded.
func BeginSpan(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, Span) {
	t, ok := ctx.Value(traceKey{}).(traced)
	if !ok {
		return ctx, noSpan{}
	}
	ctx, span := t.tracer.Begin(ctx, name, attrs...)
	return context.WithValue(ctx, traceKey{}, traced{tracer: t.tracer, span: span}), span
}

// SpanOf gives the step that is under way in the context.
func SpanOf(ctx context.Context) Span {
	if t, ok := ctx.Value(traceKey{}).(traced); ok {
		return t.span
	}
	return noSpan{}
}

// noSpan records nothing.
type noSpan struct{}

func (noSpan) Rename(string)                     {}
func (noSpan) Note(...slog.Attr)                 {}
func (noSpan) Step(string, time.Time, time.Time) {}
func (noSpan) TraceID() string                   { return "" }
func (noSpan) End(error)                         {}
