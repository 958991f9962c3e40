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

// road is what every task goes through. A canary passes where an isolated
// service refuses all others.
func (o *Orchestrator) road(ctx context.Context, task services.Task, sink services.Sink, event *services.TaskEvent, arrived time.Time) (services.TaskResult, error) {
	entry, err := o.registry.Lookup(task.Service)
	if err != nil {
		return services.TaskResult{}, err
	}
	if !services.IsCanary(ctx) {
		if err := entry.admits(); err != nil {
			return services.TaskResult{}, err
		}
		if _, open := entry.Guard.Open(); open {
			return services.TaskResult{}, entry.Guard.Refusal()
		}
		if err := entry.Initialize(ctx); err != nil {
			return services.TaskResult{}, err
		}
	}
	var bytes services.Bytes
	if err := entry.calm(func() (err error) { bytes, err = entry.Service.Estimate(ctx, task); return err }); err != nil {
		return services.TaskResult{}, err
	}
	lease, err := o.admission.Acquire(ctx, Claim{Service: task.Service, Model: entry.model(task), Bytes: bytes, Priority: task.Priority, Deadline: task.Deadline})
	if err != nil {
		return services.TaskResult{}, err
	}
	defer lease.Release()
	event.Started, event.Queued = true, time.Since(arrived)
	started := time.Now()
	defer func() { event.Ran = time.Since(started) }()
	return entry.execute(lease.Bind(ctx), task, sink, lease)
}

// model is the one that the task runs on, as far as can be told before.
func (e *Registration) model(task services.Task) string {
	if task.Model != "" {
		return task.Model
	}
	return e.description.DefaultModel
}

// execute runs a task that has its lease, under the guard and in sight of the
// watchdog.
func (e *Registration) execute(ctx context.Context, task services.Task, sink services.Sink, lease Lease) (services.TaskResult, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	task.Model = e.model(task)
	r := e.begin(task, sink, lease, stop)
	defer e.end(r)
	var result services.TaskResult
	err := e.Guard.Do(ctx, func(ctx context.Context) error {
		r.sign(func(*services.Run) {})
		var err error
		result, err = e.Service.ExecuteTask(ctx, task, r)
		return r.settle(err)
	})
	return result, err
}

// Canary runs the service's own smallest task, on the same road as every other
// one but also while the service is isolated. A service without one has nothing
// to prove.
func (o *Orchestrator) Canary(ctx context.Context, service string) error {
	entry, err := o.registry.Lookup(service)
	if err != nil {
		return err
	}
	canary, ok := entry.Service.(services.Canary)
	if !ok {
		return nil
	}
	task := canary.CanaryTask()
	task.ID, task.Priority = "canary-"+service, services.PriorityHigh
	var event services.TaskEvent
	result, err := o.road(services.WithCanary(ctx), task, services.DiscardSink{}, &event, time.Now())
	if err != nil && !event.Started && ctx.Err() != nil {
		// It waited for memory or a slot all the time: nothing is known of the service.
		return &services.Fault{Kind: services.KindBusy, Message: "the canary did not get to run", Err: err}
	}
	if removeErr := result.Audio.Remove(); err == nil && removeErr != nil {
		err = removeErr
	}
	return err
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

// Check refuses a task that cannot work, as Execute would before it waits. It
// starts and runs nothing.
func (o *Orchestrator) Check(ctx context.Context, task services.Task) error {
	entry, err := o.registry.Lookup(task.Service)
	if err != nil {
		return err
	}
	return entry.calm(func() error {
		_, err := entry.Service.Estimate(ctx, task)
		return err
	})
}
