package orchestrator

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Orchestrator runs tasks. Safe for concurrent use.
type Orchestrator struct {
	registry  *Registry
	resolver  *Resolver
	admission Admission
	observers []Observer
	tracer    services.Tracer // may be nil
	log       *slog.Logger
}

// Dependencies are what an orchestrator works with.
type Dependencies struct {
	Registry  *Registry
	Admission Admission
	// Names are those of the settings; the zero value has none.
	Names Names
	// Tracer records tasks that no trace has come with, as those of jobs; nil records
	// none of them.
	Tracer    services.Tracer
	Observers []Observer
	Log       *slog.Logger
}

// New returns an orchestrator over the services of the registry.
func New(deps Dependencies) *Orchestrator {
	return &Orchestrator{
		registry: deps.Registry, resolver: NewResolver(deps.Registry, deps.Names), admission: deps.Admission,
		observers: deps.Observers, tracer: deps.Tracer, log: deps.Log,
	}
}

// Registry returns the registry of the services.
func (o *Orchestrator) Registry() *Registry { return o.registry }

// Resolver returns the resolver of services and models.
func (o *Orchestrator) Resolver() *Resolver { return o.resolver }

// Execute runs a task: it resolves the service and the model, refuses tasks that cannot
// succeed, waits for memory and a run slot, and runs the task under the service's
// guard. The error is or wraps a fault, or is ctx's error. When Execute returns, no
// work of the task continues.
func (o *Orchestrator) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	arrived := time.Now()
	task, unknown := o.resolver.Bind(task)
	ctx, span := o.beginSpan(ctx, task)
	event := services.TaskEvent{TaskID: task.ID, Service: task.Service, TraceID: span.TraceID()}
	if !task.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, task.Deadline)
		defer cancel()
	}
	var executions services.Executions
	ctx, active, ended := o.registry.ledger.enter(ctx, task, sink)
	defer ended()
	visit := &visit{event: &event, arrived: arrived, active: active, leave: func() {}}
	// After the report, so that a forgotten model leaves no metrics behind.
	defer func() { visit.leave() }()
	var result services.TaskResult
	err := unknown
	if err == nil {
		result, err = o.run(services.WithExecutions(ctx, &executions), task, visit)
		err = active.verdict(err)
	}
	event.Executions, event.Inputs = executions.Counts()
	event.Err = err
	event.Model, event.Stages = result.Model, result.Stages
	if event.Model == "" && visit.unit != nil {
		event.Model = visit.unit.model
	}
	if known, lookupErr := o.registry.Lookup(task.Service); lookupErr != nil {
		// A name invented by a client must not become a metric's label.
		event.Service = ""
	} else if event.Model == "" && (task.Model == "" || task.Model == known.Describe().DefaultModel) {
		event.Model = known.Describe().DefaultModel
	}
	o.report(ctx, event)
	span.Note(slog.String("model", event.Model), slog.String("outcome", string(services.OutcomeOf(err))))
	span.End(err)
	return result, err
}

// visit is the state of one task in Execute.
type visit struct {
	event   *services.TaskEvent
	arrived time.Time
	active  *active
	// unit is the unit that the task runs in, nil while unknown; leave releases it.
	unit  *Unit
	leave func()
}

// beginSpan begins the task's span.
func (o *Orchestrator) beginSpan(ctx context.Context, task services.Task) (context.Context, services.Span) {
	if o.tracer != nil && !services.IsTraced(ctx) {
		ctx = services.WithTracer(ctx, o.tracer)
	}
	return services.BeginSpan(ctx, "task", slog.String("task", task.ID), slog.String("service", task.Service),
		slog.String("name", task.Name), slog.String("priority", task.Priority.String()))
}

// run runs a task. A canary also runs in an isolated unit, which refuses all other
// tasks.
func (o *Orchestrator) run(ctx context.Context, task services.Task, v *visit) (services.TaskResult, error) {
	entry, err := o.registry.Lookup(task.Service)
	if err != nil {
		return services.TaskResult{}, err
	}
	work, err := entry.admit(ctx, task)
	if err != nil {
		return services.TaskResult{}, err
	}
	task.Model = work.Model()
	v.active.runsOn(task.Model)
	unit, leave, err := entry.enter(task.Model)
	if err != nil {
		return services.TaskResult{}, err
	}
	v.unit, v.leave = unit, leave
	if !services.IsCanary(ctx) {
		// The state may have changed during the start.
		if err := cmp.Or(entry.takesTasks(task.Model), unit.refuses()); err != nil {
			return services.TaskResult{}, err
		}
	}
	if _, coordinates := work.(services.Coordinator); coordinates {
		return o.coordinate(ctx, task, work, v)
	}
	passed, err := entry.gates.enter(ctx, task.Model)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer passed()
	lease, bytes, err := o.lease(ctx, task, unit, work)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer lease.Release()
	if err := v.active.began(lease, bytes); err != nil {
		return services.TaskResult{}, err
	}
	v.event.Started, v.event.Queued = true, time.Since(v.arrived)
	started := time.Now()
	defer func() { v.event.Ran = time.Since(started) }()
	result, err := unit.execute(services.WithLease(ctx, lease), task, work, v.active)
	if measured, ok := lease.(services.MeasuredLease); ok && err == nil {
		measured.Succeeded()
	}
	return result, err
}

// admit prepares a task, and refuses it if its unit cannot run it or its service does
// not start.
func (e *Registration) admit(ctx context.Context, task services.Task) (services.Work, error) {
	if services.IsCanary(ctx) {
		return e.prepare(ctx, task)
	}
	if err := e.takesTasks(task.Model); err != nil {
		return nil, err
	}
	if task.Model != "" {
		// A task is not read if its model is known to be unavailable.
		if unit := e.find(task.Model); unit != nil {
			if err := unit.refuses(); err != nil {
				return nil, err
			}
		}
	}
	work, err := e.prepare(ctx, task)
	if err != nil && !services.IsServiceFault(err) {
		return nil, err
	}
	model := cmp.Or(task.Model, task.DefaultModel, e.description.DefaultModel)
	if err == nil {
		model = work.Model()
	}
	if err := e.takesTasks(model); err != nil {
		return nil, err
	}
	// The fault of an unavailable service takes precedence over that of one task.
	if err := e.open(ctx, model); err != nil {
		return nil, err
	}
	if unit := e.find(model); err != nil && unit != nil {
		unit.Guard.Failed(ctx, err)
	}
	return work, err
}

// lease waits for memory and a run slot.
func (o *Orchestrator) lease(
	ctx context.Context, task services.Task, unit *Unit, work services.Work,
) (services.Lease, services.Bytes, error) {
	bytes, err := unit.entry.bytes(ctx, work)
	if err != nil {
		unit.Guard.Failed(ctx, err)
		return nil, 0, err
	}
	ctx, span := services.BeginSpan(ctx, "wait for lease", slog.Int64("bytes", int64(bytes)))
	lease, err := o.admission.Acquire(ctx, services.Claim{
		Service: task.Service, Model: task.Model, Task: task.Name, Bytes: bytes, Plan: services.PlanOf(work),
		Priority: task.Priority, Deadline: task.Deadline, Tenant: task.Caller.Key,
	})
	span.End(err)
	return lease, bytes, err
}

// prepare checks a task's parameters against their schema, and has the service check the
// rest.
func (e *Registration) prepare(ctx context.Context, task services.Task) (work services.Work, err error) {
	ctx, span := services.BeginSpan(ctx, "prepare")
	// A task that is not known has no schema; the service refuses it.
	if err = e.schemas[task.Name].Validate(task.Params); err == nil {
		err = e.call(func() error { work, err = e.Service.Prepare(ctx, task); return err })
	}
	span.End(err)
	return work, err
}

// bytes returns how much memory a task needs now.
func (e *Registration) bytes(ctx context.Context, work services.Work) (bytes services.Bytes, err error) {
	err = e.call(func() error { bytes, err = work.Bytes(ctx); return err })
	return bytes, err
}

// modelOf returns the model that the task will run on, if that is known before the task
// is prepared.
func (e *Registration) modelOf(task services.Task) string {
	if task.Model != "" {
		return task.Model
	}
	if chooser, ok := e.Service.(services.ModelChooser); ok {
		return chooser.ModelFor(task)
	}
	return cmp.Or(task.DefaultModel, e.description.DefaultModel)
}

// Canary runs the service's smallest task on a model, or on the default model for an
// empty name. It runs as every other task, but also while the model is isolated. It
// returns nil for a service without a canary.
func (o *Orchestrator) Canary(ctx context.Context, service, model string) error {
	entry, err := o.registry.Lookup(service)
	if err != nil {
		return err
	}
	task, ok := entry.canary(model)
	if !ok {
		return nil
	}
	task.ID, task.Priority = "canary-"+service, services.PriorityHigh
	if model != "" {
		task.ID += "-" + model
	}
	var event services.TaskEvent
	task.Service = service
	ctx, active, ended := o.registry.ledger.enter(services.WithCanary(ctx), task, services.DiscardSink{})
	defer ended()
	visit := &visit{event: &event, arrived: time.Now(), active: active, leave: func() {}}
	defer func() { visit.leave() }()
	result, err := o.run(ctx, task, visit)
	if err != nil && !event.Started && ctx.Err() != nil {
		// It waited for memory or a slot all the time, so the service was not tested.
		return &services.Fault{Kind: services.KindBusy, Message: "the canary did not get to run", Err: err}
	}
	if removeErr := result.Audio.Remove(); err == nil && removeErr != nil {
		err = removeErr
	}
	return err
}

// canary returns the smallest task of a model. It returns false if the service has
// none.
func (e *Registration) canary(model string) (services.Task, bool) {
	canary, ok := e.Service.(services.Canary)
	if !ok {
		return services.Task{}, false
	}
	if model == "" {
		return canary.CanaryTask(), true
	}
	task := canary.CanaryTask()
	if chooser, ok := e.Service.(services.ModelCanary); ok {
		task = chooser.CanaryTaskFor(model)
	}
	task.Model = model
	return task, true
}

// report calls the observers and logs the task.
func (o *Orchestrator) report(ctx context.Context, event services.TaskEvent) {
	for _, observer := range o.observers {
		observer.TaskEnded(event)
	}
	level := slog.LevelInfo
	if services.IsPart(ctx) && event.Err == nil {
		level = slog.LevelDebug
	}
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

// Check returns the fault with which Execute would refuse the task before waiting. It
// starts and runs nothing.
func (o *Orchestrator) Check(ctx context.Context, task services.Task) error {
	task, err := o.resolver.Bind(task)
	if err != nil {
		return err
	}
	entry, err := o.registry.Lookup(task.Service)
	if err != nil {
		return err
	}
	_, err = entry.prepare(ctx, task)
	return err
}
