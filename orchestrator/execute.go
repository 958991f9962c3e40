package orchestrator

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Orchestrator runs tasks. Safe for concurrent use.
type Orchestrator struct {
	registry  *Registry
	admission Admission
	observers []Observer
	tracer    services.Tracer // nil traces nothing
	log       *slog.Logger
}

// New makes an orchestrator over the services of the registry.
func New(registry *Registry, admission Admission, log *slog.Logger, observers ...Observer) *Orchestrator {
	return &Orchestrator{registry: registry, admission: admission, observers: observers, log: log}
}

// Trace records tasks that no trace has come with, as those of jobs. It is called
// before the first task.
func (o *Orchestrator) Trace(tracer services.Tracer) { o.tracer = tracer }

// Registry of the services.
func (o *Orchestrator) Registry() *Registry { return o.registry }

// Execute is the one road of a task, whoever brings it: it finds the service,
// refuses what cannot work, waits for memory and a run slot, and runs the task
// under the service's guard. The error is or wraps a fault, or ctx's error; when
// it returns, no work goes on.
func (o *Orchestrator) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	arrived := time.Now()
	ctx, span := o.beginSpan(ctx, task)
	event := services.TaskEvent{TaskID: task.ID, Service: task.Service, TraceID: span.TraceID()}
	if !task.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, task.Deadline)
		defer cancel()
	}
	var executions services.Executions
	result, err := o.road(services.WithExecutions(ctx, &executions), task, sink, &event, arrived)
	event.Executions, event.Inputs = executions.Counts()
	event.Err = err
	event.Model, event.Stages = result.Model, result.Stages
	if known, lookupErr := o.registry.Lookup(task.Service); lookupErr != nil {
		// A name that a client made up must not become a metric's label.
		event.Service = ""
	} else if event.Model == "" && (task.Model == "" || task.Model == known.Describe().DefaultModel) {
		event.Model = known.Describe().DefaultModel
	}
	o.report(ctx, event)
	span.Note(slog.String("model", event.Model), slog.String("outcome", string(services.OutcomeOf(err))))
	span.End(err)
	return result, err
}

// beginSpan begins the task's step of a trace.
func (o *Orchestrator) beginSpan(ctx context.Context, task services.Task) (context.Context, services.Span) {
	if o.tracer != nil && !services.IsTraced(ctx) {
		ctx = services.WithTracer(ctx, o.tracer)
	}
	return services.BeginSpan(ctx, "task", slog.String("task", task.ID), slog.String("service", task.Service),
		slog.String("name", task.Name), slog.String("priority", task.Priority.String()))
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
	bytes, err := entry.estimate(ctx, task)
	if err != nil {
		return services.TaskResult{}, err
	}
	lease, err := o.lease(ctx, Claim{Service: task.Service, Model: entry.model(task), Bytes: bytes, Priority: task.Priority, Deadline: task.Deadline})
	if err != nil {
		return services.TaskResult{}, err
	}
	defer lease.Release()
	event.Started, event.Queued = true, time.Since(arrived)
	started := time.Now()
	defer func() { event.Ran = time.Since(started) }()
	return entry.execute(lease.Bind(ctx), task, sink, lease)
}

// lease waits for memory and a run slot.
func (o *Orchestrator) lease(ctx context.Context, claim Claim) (Lease, error) {
	ctx, span := services.BeginSpan(ctx, "wait for lease", slog.Int64("bytes", int64(claim.Bytes)))
	lease, err := o.admission.Acquire(ctx, claim)
	span.End(err)
	return lease, err
}

// estimate asks the service what the task needs.
func (e *Registration) estimate(ctx context.Context, task services.Task) (bytes services.Bytes, err error) {
	ctx, span := services.BeginSpan(ctx, "estimate")
	err = e.calm(func() error { bytes, err = e.Service.Estimate(ctx, task); return err })
	span.Note(slog.Int64("bytes", int64(bytes)))
	span.End(err)
	return bytes, err
}

// model is the one that the task runs on, as far as can be told before.
func (e *Registration) model(task services.Task) string {
	if task.Model != "" {
		return task.Model
	}
	if chooser, ok := e.Service.(services.ModelChooser); ok {
		return chooser.ModelFor(task)
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
	attempts := 0
	err := e.Guard.Do(ctx, func(ctx context.Context) (err error) {
		attempts++
		result, err = e.attempt(ctx, task, r, attempts)
		return err
	})
	return result, err
}

// errPanicked is what a trace tells of an attempt that did not return; the guard
// tells the rest.
var errPanicked = errors.New("panicked")

// attempt calls the service once.
func (e *Registration) attempt(ctx context.Context, task services.Task, r *run, number int) (result services.TaskResult, err error) {
	ctx, span := services.BeginSpan(ctx, "attempt", slog.Int("number", number))
	err = errPanicked
	defer func() { span.End(err) }()
	r.sign(func(*services.Run) {})
	result, err = e.Service.ExecuteTask(ctx, task, r)
	err = r.settle(err)
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
	if event.TraceID != "" {
		attrs = append(attrs, slog.String("trace", event.TraceID))
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
