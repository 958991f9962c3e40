// Package tracing exports the spans of requests and tasks to an OpenTelemetry receiver
// (OTLP over HTTP). It is the only importer of OpenTelemetry; other packages use
// services.Tracer.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/grym-synth/grym-synth/services"
)

// maxSteps bounds the steps recorded in one span, so that the windows of a recording of
// hours do not fill the queue. Further steps are counted.
const maxSteps = 64

// Tracer records steps and sends them in batches. Safe for concurrent use.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
}

// New returns a tracer. The configuration must be valid. No receiver has to be running:
// spans that cannot be sent are dropped, counted and logged.
func New(cfg Config, version string, reg prometheus.Registerer, log *slog.Logger) (*Tracer, error) {
	endpoint, err := cfg.url()
	if err != nil {
		return nil, err
	}
	headers, err := cfg.headers()
	if err != nil {
		return nil, err
	}
	sender := otlptracehttp.NewClient(
		otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithHeaders(headers), otlptracehttp.WithTimeout(cfg.Timeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: 15 * time.Second,
		}),
	)
	exporter, err := otlptrace.New(context.Background(), sender) // connects to nothing
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces could not be sent", "error", err) }))
	provider := trace.NewTracerProvider(
		trace.WithBatcher(newCounting(exporter, reg), trace.WithBatchTimeout(2*time.Second)),
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(cfg.SampleRatio))),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "grym-synth"), attribute.String("service.version", version))),
	)
	return &Tracer{
		provider: provider,
		tracer:   provider.Tracer("github.com/grym-synth/grym-synth", api.WithInstrumentationVersion(version)),
	}, nil
}

// Extract returns a context with the caller's trace (W3C Trace Context), read from the
// headers by get.
func (t *Tracer) Extract(ctx context.Context, get func(string) string) context.Context {
	return services.WithTracer(propagation.TraceContext{}.Extract(ctx, headerGetter(get)), t)
}

// headerGetter reads headers for a propagator, which writes none here.
type headerGetter func(string) string

// Get implements propagation.TextMapCarrier.
func (g headerGetter) Get(key string) string { return g(key) }

// Set implements propagation.TextMapCarrier. It does nothing.
func (headerGetter) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (headerGetter) Keys() []string { return nil }

// Begin implements services.Tracer.
func (t *Tracer) Begin(ctx context.Context, name string, attrs ...slog.Attr) (context.Context, services.Span) {
	kind := api.SpanKindInternal
	if !api.SpanContextFromContext(ctx).IsValid() || api.SpanContextFromContext(ctx).IsRemote() {
		kind = api.SpanKindServer
	}
	ctx, s := t.tracer.Start(ctx, name, api.WithSpanKind(kind), api.WithAttributes(attributes(attrs)...))
	return ctx, &span{tracer: t.tracer, ctx: ctx, Span: s}
}

// Close sends the remaining spans until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// span adapts OpenTelemetry's span to services.Span.
type span struct {
	api.Span
	tracer api.Tracer
	ctx    context.Context //nolint:containedctx // the parent of its steps, which belong to the span's own goroutine
	steps  int
}

// Rename implements services.Span.
func (s *span) Rename(name string) { s.SetName(name) }

// Note implements services.Span.
func (s *span) Note(attrs ...slog.Attr) { s.SetAttributes(attributes(attrs)...) }

// Step implements services.Span.
func (s *span) Step(name string, began, ended time.Time) {
	if s.steps++; s.steps > maxSteps || !s.IsRecording() {
		return
	}
	_, step := s.tracer.Start(s.ctx, name, api.WithTimestamp(began))
	step.End(api.WithTimestamp(ended))
}

// TraceID implements services.Span.
func (s *span) TraceID() string {
	if !s.SpanContext().IsSampled() {
		return ""
	}
	return s.SpanContext().TraceID().String()
}

// End implements services.Span.
func (s *span) End(err error) {
	if s.steps > maxSteps {
		s.SetAttributes(attribute.Int("grym.steps_left_out", s.steps-maxSteps))
	}
	if err != nil {
		s.SetStatus(codes.Error, string(services.OutcomeOf(err)))
		s.SetAttributes(attribute.String("error.type", string(services.KindOf(err))), attribute.String("error.message", err.Error()))
	}
	s.Span.End()
}

// attributes converts attributes. Values other than numbers, strings and booleans
// become strings.
func attributes(attrs []slog.Attr) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		value := a.Value.Resolve()
		switch value.Kind() {
		case slog.KindInt64:
			list = append(list, attribute.Int64(a.Key, value.Int64()))
		case slog.KindFloat64:
			list = append(list, attribute.Float64(a.Key, value.Float64()))
		case slog.KindBool:
			list = append(list, attribute.Bool(a.Key, value.Bool()))
		default:
			list = append(list, attribute.String(a.Key, value.String()))
		}
	}
	return list
}

// counting is an exporter that counts spans.
type counting struct {
	trace.SpanExporter
	spans *prometheus.CounterVec
}

func newCounting(exporter trace.SpanExporter, reg prometheus.Registerer) *counting {
	c := &counting{exporter, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "grym_trace_spans_total", Help: "Steps of traces that were to be sent, by what became of them.",
	}, []string{"outcome"})}
	reg.MustRegister(c.spans)
	for _, outcome := range []string{"sent", "dropped"} {
		c.spans.WithLabelValues(outcome)
	}
	return c
}

// ExportSpans implements trace.SpanExporter.
func (c *counting) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	outcome := "sent"
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		outcome = "dropped"
	}
	c.spans.WithLabelValues(outcome).Add(float64(len(spans)))
	return err
}

var _ services.Tracer = (*Tracer)(nil)
