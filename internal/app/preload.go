package app

import (
	"context"
	"errors"
	"sync"

	"github.com/grym-synth/grym-synth/internal/modules"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// preloads are the models that could not be loaded at the start. The server is not ready
// until they are loaded. Safe for concurrent use.
type preloads struct {
	mu     sync.Mutex
	failed []preload
}

// preload is a model that could not be loaded, and why.
type preload struct {
	service, model, reason string
	loaded                 func(model string) bool
}

// reasons returns a sentence for each model that has not been loaded since. It reads memory
// only.
func (p *preloads) reasons() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	missing := p.failed[:0]
	for _, one := range p.failed {
		if !one.loaded(one.model) {
			missing = append(missing, one)
			list = append(list, "model "+one.model+" of service "+one.service+" was not loaded at the start: "+one.reason)
		}
	}
	p.failed = missing
	return list
}

// add adds a model that could not be loaded.
func (p *preloads) add(one preload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = append(p.failed, one)
}

// preload loads the models that the settings name, one after another, within the memory
// budget, and tries each with its canary. One that cannot be loaded does not keep the others
// from it.
func (s *system) preload(ctx context.Context, missing *preloads) {
	type loaded struct{ service, model string }
	var done []loaded
	for _, m := range modules.All() {
		for _, model := range module.Preload(s.cfg.Services.Section(m.Name)) {
			if err := s.preloadOne(ctx, m.Name, model); err != nil {
				s.missPreload(missing, m.Name, model, reasonOf(err))
				continue
			}
			s.log.Info("model loaded at the start", "service", m.Name, "model", model)
			done = append(done, loaded{m.Name, model})
		}
	}
	for _, one := range done {
		if presence := s.presence(one.service); !presence(one.model) {
			s.missPreload(missing, one.service, one.model, "it was unloaded again to make room: the models do not fit into the memory together")
		}
	}
}

// preloadOne starts the service of a model and loads it by its canary, which waits for
// memory as every task does.
func (s *system) preloadOne(ctx context.Context, service, model string) error {
	entry, err := s.registry.Lookup(service)
	if err != nil {
		return err
	}
	release, err := entry.Hold(model)
	if err != nil {
		return err
	}
	defer release()
	if model == entry.Describe().DefaultModel {
		if err := entry.Initialize(ctx); err != nil {
			return err
		}
	}
	return s.orchestrator.Canary(ctx, service, model)
}

// missPreload logs a model that could not be loaded.
func (s *system) missPreload(missing *preloads, service, model, reason string) {
	s.log.Error("a model could not be loaded at the start", "service", service, "model", model, "reason", reason)
	missing.add(preload{service, model, reason, s.presence(service)})
}

// presence returns a function that reports whether a model of a service is loaded.
func (s *system) presence(service string) func(model string) bool {
	entry, err := s.registry.Lookup(service)
	if err != nil {
		return func(string) bool { return false }
	}
	presence, ok := entry.Service.(services.ModelPresence)
	if !ok {
		return func(string) bool { return false }
	}
	return presence.ModelLoaded
}

// reasonOf returns the text of a fault for a client.
func reasonOf(err error) string {
	var fault *services.Fault
	if errors.As(err, &fault) {
		return fault.Detail()
	}
	return err.Error()
}
