package orchestrator

import (
	"context"
	"log/slog"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Orchestrator runs tasks. Safe for concurrent use.
type Orchestrator struct {
	registry  *Registry
	admission Admission
	observers []Observer
	log       *slog.Logger
}

// New makes an orchestrator over the services of the registry.
func New(registry *Registry, admission Admission, log *slog.Logger, observers ...Observer) *Orchestrator {
	return &Orchestrator{registry: registry, admission: admission, observers: observers, log: log}
}

// Registry of the services.
func (o *Orchestrator) Registry() *Registry { return o.registry }

// Execute is the one road of a task, whoever brings it: it finds the service,
// refuses what cannot work, waits for memory and a run slot, and runs the task
// under the service's guard. The error is or wraps a fault, or ctx's error; when
// it returns, no work goes on.
func (o *Orchestrator) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	arrived := time.Now()
	event := services.TaskEvent{TaskID: task.ID, Service: task.Service}
	if !task.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, task.Deadline)
		defer cancel()
	}
	result, err := o.road(ctx, task, sink, &event, arrived)
	event.Err = err
	event.Model, event.Stages = result.Model, result.Stages
	if known, lookupErr := o.registry.Lookup(task.Service); lookupErr != nil {
		// A name that a client made up must not become a metric's label.
		event.Service = ""
	} else if event.Model == "" && (task.Model == "" || task.Model == known.Describe().DefaultModel) {
		event.Model = known.Describe().DefaultModel
	}
	o.report(ctx, event)
	return result, err
}

func (o *Orchestrator) road(ctx context.Context, task services.Task, sink services.Sink, event *services.TaskEvent, arrived time.Time) (services.TaskResult, error) {
	entry, err := o.registry.Lookup(task.Service)
	if err != nil {
		return services.TaskResult{}, err
	}
	if _, open := entry.Guard.Open(); open {
		return services.TaskResult{}, entry.Guard.Refusal()
	}
	if err := entry.Initialize(ctx); err != nil {
		return services.TaskResult{}, err
	}
	bytes, err := entry.Service.Estimate(ctx, task)
	if err != nil {
		return services.TaskResult{}, err
	}
	lease, err := o.admission.Acquire(ctx, task.Service, bytes, task.Priority, task.Deadline)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer lease.Release()
	event.Started, event.Queued = true, time.Since(arrived)

	started := time.Now()
	defer func() { event.Ran = time.Since(started) }()
	var result services.TaskResult
	watched := &watchedSink{Sink: sink, lease: lease}
	err = entry.Guard.Do(lease.Bind(ctx), func(ctx context.Context) error {
		var err error
		result, err = entry.Service.ExecuteTask(ctx, task, watched)
		return watched.settle(err)
	})
	return result, err
}

// report tells the observers and writes the task's one line.
func (o *Orchestrator) report(ctx context.Context, event services.TaskEvent) {
	for _, observer := range o.observers {
		observer.TaskEnded(event)
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("task", event.TaskID), slog.String("service", event.Service), slog.String("model", event.Model),
		slog.String("outcome", string(services.OutcomeOf(event.Err))),
		slog.Duration("queued", event.Queued), slog.Duration("ran", event.Ran),
	}
	if event.Err != nil {
		attrs = append(attrs, slog.Any("error", event.Err))
		if services.IsServiceFault(event.Err) {
			level = slog.LevelError
		}
	}
	o.log.LogAttrs(ctx, level, "task ended", attrs...)
}

// watchedSink yields through the lease and remembers whether the client has
// seen part of the answer.
type watchedSink struct {
	services.Sink
	lease   Lease
	partial bool
}

// Partial implements services.Sink.
func (s *watchedSink) Partial(value any) {
	s.partial = true
	s.Sink.Partial(value)
}

// Yield implements services.Sink.
func (s *watchedSink) Yield(ctx context.Context) error { return s.lease.Yield(ctx) }

// settle keeps an attempt from being retried once part of its answer is out.
func (s *watchedSink) settle(err error) error {
	if err == nil || !s.partial || !services.IsTransient(err) {
		return err
	}
	return &services.Fault{Kind: services.KindOf(err), Message: "the answer broke off", Err: err}
}
