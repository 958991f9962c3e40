package app

import (
	"context"

	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// replace has another version of a model take its place, within the time of one attempt of a
// recovery, which loads a model too.
func (s *system) replace(ctx context.Context, r orchestrator.Replacement) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SystemHardening.ErrorRecovery.Timeout)
	defer cancel()
	return s.orchestrator.Replace(ctx, r)
}

// replacePulled has the pulled version in the folder dir take the place of a model. A model
// of no service is replaced as it is.
func (s *system) replacePulled(ctx context.Context, model, dir string, gap bool, commit func() error) error {
	for _, entry := range s.registry.List() {
		finder, ok := entry.Service.(services.ModelFinder)
		if !ok {
			continue
		}
		if has, err := finder.HasModel(model); err != nil || !has {
			continue
		}
		if _, ok := entry.Service.(services.ModelReplacer); ok {
			return s.replace(ctx, orchestrator.Replacement{Service: entry.Name(), Model: model, Dir: dir, Gap: gap, Commit: commit})
		}
	}
	return commit()
}

// reload has the files of a model, which have changed, take its place.
func (s *system) reload(ctx context.Context, service, model string, gap bool) error {
	return s.replace(ctx, orchestrator.Replacement{Service: service, Model: model, Gap: gap})
}

// replaceOutdated replaces the loaded models that another process has pulled anew. One that
// cannot be replaced stays, and the next pull is tried again.
func (s *system) replaceOutdated(ctx context.Context) {
	for _, entry := range s.registry.List() {
		replacer, ok := entry.Service.(services.ModelReplacer)
		if !ok {
			continue
		}
		for _, model := range replacer.Outdated() {
			// It logs its error.
			_ = s.replace(ctx, orchestrator.Replacement{Service: entry.Name(), Model: model})
		}
	}
}
