package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// Executor runs tasks; the orchestrator implements it.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

// Services lists what can run; the orchestrator's registry implements it.
type Services interface {
	List() []*orchestrator.Registration
	Lookup(name string) (*orchestrator.Registration, error)
}

// HealthView is what the probes tell.
type HealthView struct {
	Phase string
	Since time.Time
	// Reasons why the server is not ready; empty when it is.
	Reasons []string
	Memory  gen.MemoryUse
	Tasks   gen.TaskCounts
	// Breakers that are open, by service.
	BreakerOpen map[string]bool
	// Problems of services that are not ready, by service.
	Problems map[string]string
	// Checks of the health monitor: of the process, and by service.
	Checks        []gen.HealthCheck
	ServiceChecks map[string][]gen.HealthCheck
	// Models beside the default one, by service.
	Models map[string][]gen.ModelHealth
	// Warnings of the performance monitor.
	Warnings []gen.PerformanceWarning
}

// Tracer records requests step by step; tracing.Tracer implements it.
type Tracer interface {
	services.Tracer
	// Extract takes the caller's trace out of a request's headers, which get reads.
	// The context that it gives is recorded.
	Extract(ctx context.Context, get func(name string) string) context.Context
}

// Dependencies of the handler.
type Dependencies struct {
	Executor Executor
	Services Services
	// Restart restarts a service, or, for a name that is not empty, one model of it.
	Restart func(ctx context.Context, service, model string) error
	Models  Models
	// Health is asked for by probes, so it reads memory only.
	Health func() HealthView
	// UnreadableModels lists the model folders of which no service can be named,
	// because the files that would say so cannot be read; nil where there are none.
	UnreadableModels func() []services.ModelStatus
	// Contexts keeps the conversations about sounds.
	Contexts services.Contexts
	// Jobs runs the asynchronous jobs.
	Jobs Jobs
	// Recordings stores recordings.
	Recordings Recordings
	// StoredAudio finds stored recordings; nil if the server stores none.
	StoredAudio StoredAudio
	// Resources tells the memory budget's books.
	Resources func() gen.Resources
	// System tells how the parts are; version and keys are filled in here.
	System func(context.Context) gen.System
	// Performance tells what the performance monitor has seen, with at most so
	// many samples.
	Performance func(samples int) gen.Performance
	// Forecast tells what is expected, and what to do about it.
	Forecast func() gen.Forecast
	// Settings are the configuration in force.
	Settings Settings
	// Keys are asked for by every route but the probes; nil asks for none.
	Keys Keys
	// Presented checks the keys that requests bring where none is asked for; nil
	// knows none.
	Presented Keys
	// Failures bounds bad keys by address; nil does not.
	Failures *access.Failures
	// OpenMetrics lets anybody read the metrics.
	OpenMetrics bool
	// Tracer records requests; nil records none.
	Tracer Tracer
	// Metrics serves the Prometheus exposition.
	Metrics http.Handler
	Version gen.Version
	// Contract is openapi.yaml. The generated code would embed a copy of it with
	// changed operation ids, which name the methods of SDKs.
	Contract []byte
	// SpoolDir takes uploads while they are worked on.
	SpoolDir string
	Log      *slog.Logger
}

// handlers implements the generated strict interface.
type handlers struct {
	Dependencies
	cfg Config
	// operations are those of the contract.
	operations *operations
	// document is the contract as JSON.
	document []byte
	// jobRequest is the schema of a job's request, for those that come in a form.
	jobRequest *openapi3.Schema
	// heartbeat is the longest silence of a stream of events.
	heartbeat time.Duration
	// hosts and proxies are those of the configuration.
	hosts   access.Hosts
	proxies access.Proxies
}

// NewHandler builds the whole HTTP surface.
func NewHandler(cfg Config, deps Dependencies) (http.Handler, error) {
	spec, err := openapi3.NewLoader().LoadFromData(deps.Contract)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	h := &handlers{Dependencies: deps, cfg: cfg, jobRequest: spec.Components.Schemas["JobRequest"].Value, heartbeat: 15 * time.Second}
	var bad, worse []error
	h.hosts, bad = access.ParseHosts(cfg.Hosts)
	h.proxies, worse = access.ParseProxies(cfg.TrustedProxies)
	if err := errors.Join(append(bad, worse...)...); err != nil {
		return nil, fmt.Errorf("hosts and proxies: %w", err)
	}
	if h.Failures == nil {
		h.Failures = access.NewFailures(0)
	}
	if h.document, err = spec.MarshalJSON(); err != nil {
		return nil, fmt.Errorf("encode the contract: %w", err)
	}
	if h.operations, err = newOperations(spec); err != nil {
		return nil, fmt.Errorf("the contract: %w", err)
	}
	problems := &problem.Writer{
		Log:       deps.Log,
		RequestID: func(r *http.Request) string { return requestID(r.Context()) },
		OpenAI:    func(r *http.Request) bool { return h.operations.of(r).openAI },
	}
	return h.routes(spec, problems)
}

// jobsPath is where jobs are.
const jobsPath = "/v1/jobs"

// unserved are routes of OpenAI's that clients ask for and no service offers.
var unserved = map[string]string{
	"/v1/audio/translations": "no service of this server translates speech; POST /v1/audio/transcriptions writes it down in its own language",
	"/v1/audio/speech":       "no service of this server speaks text; POST /v1/audio/generations makes sounds from a description",
}

// noRoute returns the error for a path that is not served.
func noRoute(path string) error {
	message, known := unserved[path]
	if !known {
		message = fmt.Sprintf("there is no route %s; GET /openapi.json lists them", path)
	}
	return &problem.HTTPError{Status: http.StatusNotFound, Slug: "no_such_route", Title: "No such route", Message: message}
}

// routes mounts middleware and generated routes. The id comes first, so that
// every answer and log line has it; the log next, so that it sees refusals;
// and its trace; then what refuses, the cheapest first. Every error hook leads to one writer.
func (h *handlers) routes(spec *openapi3.T, problems *problem.Writer) (http.Handler, error) {
	validator, err := h.validator(spec, problems)
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Use(h.pace, withRequestID, h.findClient, h.trace, h.accessLog, recoverPanics(problems), h.admit(problems), h.limitBody(problems), withRequest)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problems.Write(w, r, noRoute(r.URL.Path))
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed(router, r.URL.Path), ", "))
		problems.Write(w, r, &problem.HTTPError{Status: http.StatusMethodNotAllowed, Slug: "method_not_allowed", Title: "Method not allowed", Message: fmt.Sprintf("%s does not take %s; see the Allow header", r.URL.Path, r.Method)})
	})
	strict := gen.NewStrictHandlerWithOptions(h, nil, gen.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  func(w http.ResponseWriter, r *http.Request, err error) { problems.Write(w, r, decodeFault(err)) },
		ResponseErrorHandlerFunc: problems.Write,
	})
	gen.HandlerWithOptions(strict, gen.ChiServerOptions{
		BaseRouter:       strictPaths{router},
		Middlewares:      []gen.MiddlewareFunc{validator},
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) { problems.Write(w, r, bindFault(err)) },
	})
	return router, nil
}

// strictPaths lets the id of a recording match nothing else, so that a route such
// as /v1/audio/transcriptions still refuses what is no method of its own.
type strictPaths struct{ chi.Router }

func strictPath(pattern string) string {
	return strings.ReplaceAll(pattern, "{audio_id}", "{audio_id:[0-9a-f]{64}}")
}

// Group implements chi.Router.
func (s strictPaths) Group(fn func(chi.Router)) chi.Router {
	return s.Router.Group(func(inner chi.Router) { fn(strictPaths{inner}) })
}

// Get implements chi.Router.
func (s strictPaths) Get(pattern string, handler http.HandlerFunc) {
	s.Router.Get(strictPath(pattern), handler)
}

// Head implements chi.Router.
func (s strictPaths) Head(pattern string, handler http.HandlerFunc) {
	s.Router.Head(strictPath(pattern), handler)
}

// Delete implements chi.Router.
func (s strictPaths) Delete(pattern string, handler http.HandlerFunc) {
	s.Router.Delete(strictPath(pattern), handler)
}

// allowed lists the methods that a path takes; chi tells only its own handler.
func allowed(router *chi.Mux, path string) (list []string) {
	for _, method := range methods {
		if router.Match(chi.NewRouteContext(), method, path) {
			list = append(list, method)
		}
	}
	return list
}

// bindFault explains a parameter that the generated code could not read.
func bindFault(err error) error {
	var invalid *gen.InvalidParamFormatError
	var required *gen.RequiredHeaderError
	switch {
	case errors.As(err, &invalid):
		return services.Invalidf(invalid.ParamName, "cannot be read: %v", invalid.Err)
	case errors.As(err, &required):
		return services.Invalidf(required.ParamName, "is missing")
	}
	return &services.Fault{Kind: services.KindInvalid, Message: "a parameter cannot be read", Err: err}
}

// decodeFault explains a body that the generated code could not take.
func decodeFault(err error) error {
	if errors.Is(err, http.ErrNotMultipart) || errors.Is(err, http.ErrMissingBoundary) {
		return &services.Fault{Kind: services.KindUnsupported, Message: "the body must be multipart/form-data with a boundary, as curl -F file=@speech.wav sends it", Err: err}
	}
	var fault *services.Fault
	if errors.As(err, &fault) {
		return err
	}
	return &services.Fault{Kind: services.KindInvalid, Message: "the body cannot be read", Err: err}
}
