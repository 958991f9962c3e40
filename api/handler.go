package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/grym-synth/grym-synth/api/audio"
	"github.com/grym-synth/grym-synth/api/chat"
	"github.com/grym-synth/grym-synth/api/console"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/api/patterns"
	"github.com/grym-synth/grym-synth/api/pipelines"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/services"
)

// Tracer records the steps of requests; tracing.Tracer implements it.
type Tracer interface {
	services.Tracer
	// Extract returns a context with the caller's trace, which it reads from a request's
	// headers by get. The context is recorded.
	Extract(ctx context.Context, get func(name string) string) context.Context
}

// Dependencies are what the handler needs from the rest of the server.
type Dependencies struct {
	Executor web.Executor
	Services web.Services
	// Tasks lists and cancels the tasks under way.
	Tasks  manage.Tasks
	Models web.Models
	// Restart restarts a service, or one model of it if model is not empty.
	Restart func(ctx context.Context, service, model string) error
	// Reload has the changed files of a model take the place of those that it was loaded from,
	// if gap is set after these have been unloaded.
	Reload func(ctx context.Context, service, model string, gap bool) error
	// Views returns the state of the server.
	Views manage.Views
	// RemoveModel removes a model from the models folder.
	RemoveModel func(ctx context.Context, model string) error
	// UnreadableModels lists the model folders whose service is unknown because their files
	// cannot be read; nil if there are none.
	UnreadableModels func() []services.ModelStatus
	// Contexts stores the conversations about sounds.
	Contexts services.Contexts
	// Patterns has the sounds that were learnt; nil if there are none.
	Patterns patterns.Store
	// Jobs runs asynchronous jobs.
	Jobs jobs.Jobs
	// Pipelines stores pipelines.
	Pipelines pipelines.Pipelines
	// Batches runs batches of jobs.
	Batches jobs.Batches
	// Recordings stores recordings.
	Recordings audio.Recordings
	// StoredAudio finds stored recordings; nil if the server stores none.
	StoredAudio web.StoredAudio
	// Renditions stores what was computed from stored recordings; nil stores nothing.
	Renditions web.Renditions
	// Settings is the configuration in force.
	Settings manage.Settings
	// Store reports what the store of records lost.
	Store manage.Store
	// Audit records what operators do; nil records nothing.
	Audit manage.Audit
	// Keys checks API keys on every route but the probes; nil if none are required.
	Keys Keys
	// KeyStore has the keys for the routes that manage them, also if none are required.
	KeyStore manage.KeyStore
	// Known are the models of the catalogue.
	Known []gen.KnownModel
	// Presented checks the keys that requests send although none are required; nil accepts
	// none.
	Presented Keys
	// Failures limits invalid keys per address; nil sets no limit.
	Failures *access.Failures
	// OpenMetrics makes the metrics public.
	OpenMetrics bool
	// Tracer records requests; nil disables tracing.
	Tracer Tracer
	// Traffic counts bytes and refusals; nil counts nothing.
	Traffic Traffic
	// Console serves the page for browsers; nil serves none. Sessions are its users.
	Console  *console.Console
	Sessions *console.Sessions
	// Metrics serves the Prometheus exposition.
	Metrics http.Handler
	Version gen.Version
	// Contract is openapi.yaml. The copy embedded in the generated code has changed
	// operation ids, which become method names in SDKs.
	Contract []byte
	// SpoolDir stores uploads while they are processed.
	SpoolDir string
	Log      *slog.Logger
}

// The handlers of each area, by names under which they can be embedded together.
type (
	audioHandlers  = audio.Handlers
	chatHandlers   = chat.Handlers
	jobHandlers    = jobs.Handlers
	manageHandlers = manage.Handlers

	patternHandlers  = patterns.Handlers
	pipelineHandlers = pipelines.Handlers
)

// endpoints implements the generated strict interface.
type endpoints struct {
	*audioHandlers
	*chatHandlers
	*jobHandlers
	*manageHandlers
	*patternHandlers
	*pipelineHandlers
	*handlers
}

// handlers has the middleware and its configuration.
type handlers struct {
	Dependencies
	cfg Config
	// operations are the operations of the contract.
	operations *operations
	// document is the contract as JSON.
	document []byte
	// hosts and proxies are parsed from the configuration.
	hosts   access.Hosts
	proxies access.Proxies
}

// NewHandler returns the handler of all routes.
func NewHandler(cfg Config, deps Dependencies) (http.Handler, error) {
	spec, err := openapi3.NewLoader().LoadFromData(deps.Contract)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	h := &handlers{Dependencies: deps, cfg: cfg}
	base := &web.Base{
		Executor: deps.Executor, Models: deps.Models, Sounds: deps.Recordings, StoredAudio: deps.StoredAudio, SpoolDir: deps.SpoolDir,
		Renditions: deps.Renditions, Limits: cfg.limits(), Log: deps.Log,
	}
	var bad, worse []error
	h.hosts, bad = access.ParseHosts(cfg.Hosts)
	h.proxies, worse = access.ParseProxies(cfg.TrustedProxies)
	if err := errors.Join(append(bad, worse...)...); err != nil {
		return nil, fmt.Errorf("hosts and proxies: %w", err)
	}
	if h.Traffic == nil {
		h.Traffic = noTraffic{}
	}
	if base.Remote, err = cfg.AudioURL.remote(); err != nil {
		return nil, err
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
		RequestID: func(r *http.Request) string { return web.RequestID(r.Context()) },
		OpenAI:    func(r *http.Request) bool { return h.operations.of(r).openAI },
		Refused:   refused,
	}
	jobRoutes := jobs.New(base, deps.Jobs, deps.Batches, spec)
	endpoints := &endpoints{
		audioHandlers: &audio.Handlers{Base: base, Recordings: deps.Recordings},
		chatHandlers:  &chat.Handlers{Base: base, Conversations: deps.Contexts},
		jobHandlers:   jobRoutes,

		patternHandlers:  &patterns.Handlers{Store: deps.Patterns},
		pipelineHandlers: &pipelines.Handlers{Base: base, Pipelines: deps.Pipelines, Runs: jobRoutes},
		manageHandlers: &manage.Handlers{
			Services: deps.Services, Tasks: deps.Tasks, Jobs: deps.Jobs, Models: deps.Models, Restart: deps.Restart, Reload: deps.Reload,
			Views:      deps.Views,
			Unreadable: deps.UnreadableModels, Remove: deps.RemoveModel, Settings: deps.Settings, Store: deps.Store, Audit: deps.Audit,
			Version:  deps.Version,
			Routes:   h.operations.taskRoutes(),
			KeyStore: deps.KeyStore, Known: deps.Known,
			Keys: deps.Keys != nil, Locked: deps.Keys == nil && !cfg.onLoopback(), Log: deps.Log,
		},
		handlers: h,
	}
	return h.routes(spec, base, endpoints, problems)
}

// routes mounts the middleware and the generated routes. The request id comes first, so
// that every response and log line has it; then the log, so that it includes refused
// requests; then tracing; then what can refuse, the cheapest first. All error hooks use one
// writer.
func (h *handlers) routes(
	spec *openapi3.T, base *web.Base, endpoints gen.StrictServerInterface, problems *problem.Writer,
) (http.Handler, error) {
	validator, err := h.validator(spec, problems)
	if err != nil {
		return nil, err
	}
	zip, err := compress()
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Use(h.count, h.pace, web.WithRequestID, h.findClient, h.trace, h.accessLog, zip, recoverPanics(problems), cleanPath, h.cors,
		h.onlyProbes(problems), h.serveConsole(problems), h.admit(problems), h.limitBody(problems), web.WithExchange, h.record)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problems.Write(w, r, noRoute(r.URL.Path))
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(allowed(router, r.URL.Path), ", "))
		problems.Write(w, r, &problem.HTTPError{Status: http.StatusMethodNotAllowed, Slug: "method_not_allowed", Title: "Method not allowed",
			Message: fmt.Sprintf("%s does not allow %s; see the Allow header", r.URL.Path, r.Method)})
	})
	for route, one := range h.operations.tasks() {
		router.With(validator).Handle(route, base.Serve(one, problems.Write))
	}
	strict := gen.NewStrictHandlerWithOptions(endpoints, nil, gen.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  func(w http.ResponseWriter, r *http.Request, err error) { problems.Write(w, r, web.BodyFault(err)) },
		ResponseErrorHandlerFunc: problems.Write,
	})
	gen.HandlerWithOptions(strict, gen.ChiServerOptions{
		BaseRouter:       strictPaths{router},
		Middlewares:      []gen.MiddlewareFunc{validator},
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) { problems.Write(w, r, bindFault(err)) },
	})
	return router, nil
}

// strictPaths keeps the id of a recording from matching anything else, so that a route such
// as /v1/audio/transcriptions still answers 405 to a method that it does not have.
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

// allowed returns the methods of a path, which chi passes to its own handler only.
func allowed(router *chi.Mux, path string) (list []string) {
	for _, method := range methods {
		if router.Match(chi.NewRouteContext(), method, path) {
			list = append(list, method)
		}
	}
	return list
}

// bindFault returns the fault of a parameter that the generated code could not parse.
func bindFault(err error) error {
	var invalid *gen.InvalidParamFormatError
	var required *gen.RequiredHeaderError
	var missing *gen.RequiredParamError
	switch {
	case errors.As(err, &invalid):
		var number *strconv.NumError
		if errors.As(invalid.Err, &number) {
			kind := map[string]string{"ParseBool": "true or false", "ParseFloat": "a number"}[number.Func]
			return services.Invalidf(invalid.ParamName, "must be %s, got %.40q", cmp.Or(kind, "a whole number"), number.Num)
		}
		return services.Invalidf(invalid.ParamName, "cannot be read: %v", invalid.Err)
	case errors.As(err, &required):
		return services.Invalidf(required.ParamName, "is missing")
	case errors.As(err, &missing):
		return services.Invalidf(missing.ParamName, "is missing")
	}
	return &services.Fault{Kind: services.KindInvalid, Message: "a parameter cannot be read", Err: err}
}
