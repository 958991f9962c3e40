package services

import (
	"context"
	"log/slog"
	"time"
)

// Span is one step of a task in a trace. It belongs to one goroutine.
type Span interface {
	// Rename changes the name of the span, for names that become known later.
	Rename(name string)
	// Note adds attributes to the span.
	Note(attrs ...slog.Attr)
	// Step adds a completed child span.
	Step(name string, began, ended time.Time)
	// TraceID returns the id of the trace in hexadecimal; empty if nothing is recorded.
	TraceID() string
	// End ends the span. A non-nil error marks it as failed.
	End(err error)
}

// Tracer starts spans. Implementations are safe for concurrent use.
type Tracer interface {
	// Begin starts a span below the one carried by ctx, or a new trace.
	Begin(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, Span)
}

// traceKey is the context key of the tracer and the current span.
type traceKey struct{}

type traced struct {
	tracer Tracer
	span   Span
}

// WithTracer returns a context in which BeginSpan records spans with the tracer.
func WithTracer(ctx context.Context, tracer Tracer) context.Context {
	return context.WithValue(ctx, traceKey{}, traced{tracer: tracer, span: noSpan{}})
}

// IsTraced reports whether the context has a tracer.
func IsTraced(ctx context.Context) bool {
	_, ok := ctx.Value(traceKey{}).(traced)
	return ok
}

// BeginSpan starts a span below the context's current one. Without a tracer nothing is
// recorded.
func BeginSpan(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, Span) {
	t, ok := ctx.Value(traceKey{}).(traced)
	if !ok {
		return ctx, noSpan{}
	}
	ctx, span := t.tracer.Begin(ctx, name, attrs...)
	return context.WithValue(ctx, traceKey{}, traced{tracer: t.tracer, span: span}), span
}

// SpanOf returns the current span of the context.
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
