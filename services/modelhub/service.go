package modelhub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/hub"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Service pulls models. Safe for concurrent use.
type Service struct {
	cfg    Config
	dir    string
	memory services.Bytes
	hub    hub.Settings
	// catalogue has the names of known models.
	catalogue hub.Catalogue
	// replace has a version take the place of a loaded model; nil takes every version.
	replace func(ctx context.Context, model, dir string, gap bool, commit func() error) error

	recorder    services.Recorder
	initialized atomic.Bool
	since       atomic.Pointer[time.Time]
	running     sync.WaitGroup
}

// New returns the service of the models folder dir. memory is the budget that the weights
// of a model must fit into. catalogue has the names of known models.
func New(cfg Config, dir string, memory services.Bytes, catalogue hub.Catalogue, settings hub.Settings) *Service {
	s := &Service{cfg: cfg, dir: dir, memory: memory, hub: settings, catalogue: catalogue}
	s.enter(false)
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name: Name, Summary: "Downloads models from a model hub to the models folder.",
		Tasks: []services.TaskKind{tasks.Kind(tasks.Pull)},
	}
}

// Initialize implements services.ModelService. The hub is not asked: it may be out of reach
// without a fault of this server.
func (s *Service) Initialize(context.Context) error {
	if s.initialized.Load() {
		return nil
	}
	s.enter(true)
	return nil
}

func (s *Service) enter(ready bool) {
	now := time.Now()
	s.since.Store(&now)
	s.initialized.Store(ready)
}

// Initialized implements services.ModelService.
func (s *Service) Initialized() bool { return s.initialized.Load() }

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(ctx context.Context) error {
	s.enter(false)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("models are still being pulled: %w", ctx.Err())
	}
}

// Status implements services.ModelService.
func (s *Service) Status() services.ServiceStatus {
	status := services.ServiceStatus{State: services.StateRegistered, Since: *s.since.Load()}
	status.LastError, status.LastSuccess = s.recorder.Last()
	if s.Initialized() {
		status.State = services.StateReady
	}
	return status
}

// Metrics implements services.ModelService.
func (s *Service) Metrics() services.ServiceMetrics { return s.recorder.Metrics() }

// Prepare implements services.ModelService.
func (s *Service) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	if task.Name != tasks.Pull {
		return nil, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s", Name, task.Name, tasks.Pull)
	}
	if task.Model != "" {
		return nil, services.Invalidf("model", "must be left out: service %s has no models, got %q", Name, task.Model)
	}
	// A pull changes the server for everybody.
	if !task.Caller.Admin {
		return nil, services.Invalidf("task",
			"pull needs a key with the scope admin; without keys, the server must listen on the loopback interface")
	}
	if task.Audio != nil {
		return nil, services.Invalidf("audio", "is not used by %s", tasks.Pull)
	}
	var params tasks.PullParams
	if err := tasks.DecodeParams(task.Params, &params); err != nil {
		return nil, err
	}
	if params.Source == "" {
		return nil, services.Invalidf("source", "is missing; want owner/name")
	}
	return &pull{service: s, params: params}, nil
}

// pull is a task, which waits for the network and needs neither memory nor a core.
type pull struct {
	service *Service
	params  tasks.PullParams
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.Coordinator  = (*pull)(nil)
)

// Coordinates implements services.Coordinator.
func (*pull) Coordinates() {}

// Model implements services.Work.
func (*pull) Model() string { return "" }

// Bytes implements services.Work. They are those of the connection.
func (*pull) Bytes(context.Context) (services.Bytes, error) { return services.MiB, nil }

// Run implements services.Work.
func (p *pull) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	p.service.running.Add(1)
	defer p.service.running.Done()
	started := time.Now()
	result, err := p.run(ctx, sink)
	p.service.recorder.Record(err, time.Since(started))
	return result, err
}

func (p *pull) run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	clock := services.NewStageClock(ctx)
	client := hub.NewClient(p.service.hub)
	defer client.Close()
	puller := hub.NewPuller(client, p.service.dir, hub.Weights(p.service.memory), hub.Free, p.service.cfg.Reserve)
	if replace := p.service.replace; replace != nil {
		puller.Replace = func(ctx context.Context, model, dir string, commit func() error) error {
			return replace(ctx, model, dir, p.params.Gap, commit)
		}
	}
	request := p.service.catalogue.Request(p.params.Source, p.params.Name, p.params.Precision)
	pulled, err := puller.Pull(ctx, request, func(now hub.Progress) {
		sink.Progress(float64(now.Done)/float64(max(now.Total, 1)), now.File)
	})
	if err != nil {
		return services.TaskResult{}, err
	}
	if err := ctx.Err(); err != nil {
		return services.TaskResult{}, err
	}
	clock.Book(services.StageInput)
	m := pulled.Manifest
	return services.TaskResult{Stages: clock.Times(), Value: &tasks.Pulled{
		Model: pulled.Name, Source: m.Source, Revision: m.Revision, Precision: m.Precision, License: m.License,
		Files: len(m.Files), Bytes: m.Bytes(), Present: pulled.Present,
		Replaced: pulled.Replaced,
	}}, nil
}
