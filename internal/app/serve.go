package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/grym-synth/grym-synth/api"
	"github.com/grym-synth/grym-synth/api/console"
	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/manage"
	"github.com/grym-synth/grym-synth/internal/access"
	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/internal/version"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
)

// serve runs the server until ctx ends, and then drains it. restoreSignals restores default
// signal handling, so a second signal kills the process.
func serve(
	ctx context.Context, restoreSignals func(), contract []byte, source config.Source, loaded *config.Loaded, level *slog.LevelVar,
	log *slog.Logger, stdout io.Writer,
) (err error) {
	cfg := loaded.Config
	logReplaced(loaded, log)
	if err := keyBeforeProxy(cfg); err != nil {
		return err
	}
	dir, err := datadir.Open(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	spool, err := dir.Spool()
	if err != nil {
		return err
	}
	stored, err := openStorage(cfg, log)
	if err != nil {
		return err
	}
	s, err := build(cfg, spool, stored, log)
	if err != nil {
		return err
	}
	if err := s.keepDrains(dir); err != nil {
		return errors.Join(err, s.parts.Stop(context.Background()))
	}
	server, opened, err := s.open(ctx, stored, dir, contract, source, loaded, level)
	if err == nil {
		greet(stdout, opened.addr, opened.firstKey)
		err = s.run(ctx, server, opened.addr)
		restoreSignals()
		log.Info("draining", "timeout", cfg.API.DrainTimeout)
	}
	bounded, cancel := context.WithTimeout(context.Background(), cfg.API.ShutdownDelay+cfg.API.DrainTimeout)
	defer cancel()
	err = errors.Join(err, s.parts.Stop(bounded))
	log.Info("stopped")
	return err
}

// logReplaced logs the settings that others have replaced.
func logReplaced(loaded *config.Loaded, log *slog.Logger) {
	for _, warning := range loaded.Warnings() {
		log.Warn("a setting is replaced", "problem", warning)
	}
}

// run starts the parts and returns when ctx ends or the listener fails.
func (s *system) run(ctx context.Context, server *api.Server, addr string) error {
	if err := s.parts.Start(ctx); err != nil {
		return err
	}
	budget := s.memory.Budget()
	s.log.Info("listening", "listen", addr, "onnxruntime", s.runtime.Version(), "budget_bytes", int64(budget.Bytes), "budget_bound",
		budget.Bound)
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.Failed():
		return err
	}
}

// opening is what is printed before the server starts.
type opening struct {
	addr string
	// firstKey is the key created at this start, or "".
	firstKey string
}

// open opens the listener and adds the store, the jobs and the server to the parts.
func (s *system) open(
	ctx context.Context, stored *storage, dir *datadir.Dir, contract []byte, source config.Source, loaded *config.Loaded, level *slog.LevelVar,
) (*api.Server, opening, error) {
	cfg := loaded.Config
	async, err := s.openJobs(cfg, stored, dir)
	if err != nil {
		return nil, opening{}, err
	}
	s.addJobs(async)
	live := config.NewLive(source, loaded, func(changed *config.Loaded) {
		level.Set(changed.Log.Level)
		s.apply(changed)
	})
	listener, err := api.Listen(ctx, cfg.API)
	if err != nil {
		return nil, opening{}, err
	}
	found := opening{addr: listener.Addr().String()}
	keys, firstKey, err := keysFor(cfg, found.addr, s.log)
	if err != nil {
		return nil, opening{}, errors.Join(err, listener.Close())
	}
	found.firstKey = firstKey
	deps := s.dependencies(cfg, s.spool, contract, async, keys, settings{live})
	if cfg.Console.Enabled {
		if deps.Console, err = console.New(console.Files()); err != nil {
			return nil, opening{}, errors.Join(err, listener.Close())
		}
		deps.Sessions = console.NewSessions(keys)
	}
	handler, err := api.NewHandler(cfg.API, deps)
	if err != nil {
		return nil, opening{}, errors.Join(err, listener.Close())
	}
	server := api.NewServer(cfg.API, listener, handler, s.log)
	s.addServing(server, live, async.jobs.StopIntake)
	return server, found, nil
}

// dependencies returns what the handler needs.
func (s *system) dependencies(
	cfg config.Config, spool string, contract []byte, async *asynchronous, keys api.Keys, inForce manage.Settings,
) api.Dependencies {
	views := s.views(async.check)
	views.Capacity = func() gen.Capacity { return s.capacity(async.jobs) }
	return api.Dependencies{
		Executor: s.orchestrator, Services: s.registry, Tasks: s.orchestrator, Models: s.orchestrator.Resolver(),
		Restart: s.restart, Reload: s.reload, Contexts: s.contexts, Patterns: s.patterns,
		Pipelines: s.pipelines, Jobs: async.jobs, Batches: async.batches,
		Recordings: async.library, StoredAudio: async.library, Store: losses{async.database}, Audit: async.actions, Renditions: async.renditions,
		Views: views, UnreadableModels: s.catalog.Unreadable, RemoveModel: s.removeModel, Settings: inForce,
		Keys: keys, Presented: access.Open(cfg.DataDir), KeyStore: access.Open(cfg.DataDir), Known: knownModels(s.known),
		Failures:    access.NewFailures(cfg.Auth.FailuresPerMinute),
		OpenMetrics: cfg.Auth.OpenMetrics, Traffic: s.performance.Traffic(),
		Metrics: promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}),
		Version: gen.Version{Version: version.Version, Commit: version.Commit(), Go: runtime.Version(), Onnxruntime: s.runtime.Version(),
			Platform: version.Platform()},
		Contract: contract, Tracer: s.requestTracer(), SpoolDir: spool, Log: s.log,
	}
}

// knownModels returns the catalogue as the API shows it.
func knownModels(catalogue hub.Catalogue) []gen.KnownModel {
	list := make([]gen.KnownModel, len(catalogue))
	for i, m := range catalogue {
		list[i] = gen.KnownModel{
			Name: m.Name, Source: m.Source, Task: m.Task, Service: m.Service, Parameters: m.Parameters, License: m.License, About: m.About,
		}
		if len(m.Languages) > 0 {
			list[i].Languages = &m.Languages
		}
	}
	return list
}

// greet prints the address, an example, and firstKey unless it is "".
func greet(out io.Writer, addr, firstKey string) {
	try := addr
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsUnspecified() {
		try = net.JoinHostPort("localhost", port) // clients cannot connect to the wildcard address
	}
	fmt.Fprintf(out, "grym-synth listens on %s\nTry: curl -F file=@speech.wav http://%s/v1/audio/transcriptions\n", addr, try)
	if firstKey != "" {
		fmt.Fprintf(out, "The first API key, with the scope admin; it is not shown again:\n%s\n", firstKey)
	}
}

// keyBeforeProxy refuses to start behind a reverse proxy without a valid key: the first one
// would be printed while the server is already reachable by everybody.
func keyBeforeProxy(cfg config.Config) error {
	if !cfg.API.Proxied() {
		return nil
	}
	known, err := access.Open(cfg.DataDir).List()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(k access.Key) bool { return !k.Expired(time.Now()) }) {
		return nil
	}
	return fmt.Errorf("api.hosts or api.trustedProxies is set, so every request needs an API key, but no valid key exists; create one first: "+
		"grym-synth keys create --scopes admin --data-dir %s", cfg.DataDir)
}

// keysFor returns the keys to require on an address, or nil if none are required. If keys
// are required and none exists, it creates the first one, of scope admin.
func keysFor(cfg config.Config, addr string, log *slog.Logger) (api.Keys, string, error) {
	host, _, err := net.SplitHostPort(addr)
	loopback := err == nil && access.IsLoopback(host)
	if cfg.Auth.Mode == access.ModeOff || cfg.Auth.Mode == access.ModeAuto && loopback && !cfg.API.Proxied() {
		if !loopback {
			log.Warn("auth.mode is off: everybody who can reach the address can use the server", "listen", addr)
		}
		return nil, "", nil
	}
	store := access.Open(cfg.DataDir)
	known, err := store.List()
	if err != nil || len(known) > 0 {
		return store, "", err
	}
	_, text, err := store.Create([]access.Scope{access.ScopeAdmin}, 0)
	return store, text, err
}
