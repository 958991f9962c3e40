package app

import (
	"context"

	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/module"
)

// registerPipelines makes the service that runs pipelines and registers it.
func (s *system) registerPipelines(stored *storage) error {
	var err error
	s.pipelines, err = pipelines.New(s.cfg.Pipelines, pipelines.Dependencies{
		Database: stored.database, Library: stored.library, World: world{s}, Log: s.log,
		JobExists: func(id string) bool { return s.jobExists(id) },
	})
	if err != nil {
		return err
	}
	// Its tasks have no leases, so that the memory and the cores are without effect.
	s.register(s.pipelines, module.Limits{MaxMemory: 16 * services.MiB, Recoverable: true}, s.cfg.Pipelines.MaxRuns, 0, 1)
	return nil
}

// world is what pipelines know of the services.
type world struct{ s *system }

// Execute implements pipelines.World.
func (w world) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	return w.s.orchestrator.Execute(ctx, task, sink)
}

// Check implements pipelines.World.
func (w world) Check(ctx context.Context, task services.Task) error {
	return w.s.orchestrator.Check(ctx, task)
}

// Bind implements pipelines.World.
func (w world) Bind(task services.Task) (services.Task, error) {
	return w.s.orchestrator.Resolver().Bind(task)
}

// Describe implements pipelines.World.
func (w world) Describe(name string) (services.Description, error) {
	entry, err := w.s.registry.Lookup(name)
	if err != nil {
		return services.Description{}, err
	}
	return entry.Describe(), nil
}

// pin returns the parameters of a job's task with what they name as it is now.
func (s *system) pin(ctx context.Context, task services.Task) ([]byte, error) {
	entry, err := s.registry.Lookup(task.Service)
	if err != nil {
		return nil, err
	}
	if pinner, ok := entry.Service.(services.Pinner); ok {
		return pinner.Pin(ctx, task)
	}
	return task.Params, nil
}

// restartJob prepares a job that is queued again.
func (s *system) restartJob(ctx context.Context, task services.Task, step string) error {
	entry, err := s.registry.Lookup(task.Service)
	if err != nil {
		return err
	}
	if restarter, ok := entry.Service.(services.Restarter); ok {
		return restarter.Restart(ctx, task, step)
	}
	if step != "" {
		return services.Invalidf("from_step", "must be empty: the jobs of service %s have no steps", task.Service)
	}
	return nil
}
