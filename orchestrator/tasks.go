package orchestrator

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// ActivityState is the state of a task under way.
type ActivityState string

// The states. A task that runs has its lease, even while it has lent its run slot.
const (
	ActivityWaiting   ActivityState = "waiting"
	ActivityRunning   ActivityState = "running"
	ActivityCancelled ActivityState = "cancelled" // it has not returned yet
)

// Activity is a task under way.
type Activity struct {
	// ID is made by the server and unique. Task is the task as it was asked for, with
	// its service and model as far as they are known, without parameters and input.
	ID    string
	Task  services.Task
	State ActivityState
	// Canary is set for a health check's task.
	Canary bool
	// Since is when the task arrived, Started when it got its lease.
	Since, Started time.Time
	// Stage and Fraction are the latest progress report.
	Stage    string
	Fraction float64
	// Bytes are leased, and Slot reports whether it holds its run slot; zero before the
	// lease.
	Bytes services.Bytes
	Slot  bool
}

// ledger lists the tasks under way. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	tasks map[string]*active
}

func newLedger() *ledger { return &ledger{tasks: make(map[string]*active)} }

// active is one task in the ledger, and the sink between the run and the caller's.
type active struct {
	services.Sink
	stop context.CancelCauseFunc

	mu    sync.Mutex
	view  Activity
	lease services.Lease
	// cause is why the task was cancelled; nil if it was not.
	cause error
}

// enter adds a task and returns the context that it must run in; leave removes it.
func (l *ledger) enter(ctx context.Context, task services.Task, sink services.Sink) (_ context.Context, a *active, leave func()) {
	task.Params, task.Audio = nil, nil
	a = &active{Sink: sink, view: Activity{
		ID: "task-" + strings.ToLower(rand.Text()), Task: task, State: ActivityWaiting, Since: time.Now(), Canary: services.IsCanary(ctx),
	}}
	ctx, a.stop = context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks[a.view.ID] = a
	return ctx, a, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.tasks, a.view.ID)
		a.stop(nil)
	}
}

// all returns the tasks in the order of their arrival.
func (l *ledger) all() []*active {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*active, 0, len(l.tasks))
	for _, a := range l.tasks {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *active) int {
		return cmp.Or(a.view.Since.Compare(b.view.Since), strings.Compare(a.view.ID, b.view.ID))
	})
	return list
}

// refuse ends the waiting tasks of the services and models for which matches returns
// true. Those whose model is not known yet are checked when it is.
func (l *ledger) refuse(matches func(service, model string) bool, why error) {
	for _, a := range l.all() {
		a.mu.Lock()
		if a.view.State == ActivityWaiting && !a.view.Canary && matches(a.view.Task.Service, a.view.Task.Model) {
			a.end(why)
		}
		a.mu.Unlock()
	}
}

// running returns the number of tasks with a lease in a service, or in one model of it.
func (l *ledger) running(service, model, standard string) (n int) {
	for _, a := range l.all() {
		a.mu.Lock()
		task := a.view.Task
		if !a.view.Started.IsZero() && !a.view.Canary && task.Service == service && (model == "" || model == cmp.Or(task.Model, standard)) {
			n++
		}
		a.mu.Unlock()
	}
	return n
}

// end cancels the task. The caller holds mu.
func (a *active) end(why error) {
	a.view.State, a.cause = ActivityCancelled, why
	a.stop(why)
}

// runsOn sets the model that the task was prepared for.
func (a *active) runsOn(model string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.view.Task.Model = model
}

// began records the lease. It returns the cause if the task was cancelled while it waited.
func (a *active) began(lease services.Lease, bytes services.Bytes) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		return a.cause
	}
	a.view.State, a.view.Started, a.view.Bytes, a.lease = ActivityRunning, time.Now(), bytes, lease
	return nil
}

// verdict returns the error of the task: the cause of its cancellation if that ended it.
func (a *active) verdict(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil || a.cause == nil || services.KindOf(err) != services.KindCancelled {
		return err
	}
	return a.cause
}

// Progress implements services.Sink.
func (a *active) Progress(fraction float64, stage string) {
	a.mu.Lock()
	a.view.Fraction, a.view.Stage = fraction, stage
	a.mu.Unlock()
	a.Sink.Progress(fraction, stage)
}

// look returns a snapshot.
func (a *active) look() Activity {
	a.mu.Lock()
	view, lease := a.view, a.lease
	a.mu.Unlock()
	if lease != nil {
		_, view.Slot = lease.Slot()
	}
	return view
}

// shows reports whether the caller sees the task; those of health checks belong to no one.
func (a *active) shows(viewer services.Caller) bool {
	return viewer.All || !a.view.Canary && viewer.Sees(a.view.Task.Caller.Key)
}

// Tasks returns the tasks under way that the viewer sees, the longest first. Queued jobs
// are not tasks yet.
func (o *Orchestrator) Tasks(viewer services.Caller) []Activity {
	list := []Activity{}
	for _, a := range o.registry.ledger.all() {
		if a.shows(viewer) {
			list = append(list, a.look())
		}
	}
	return list
}

// FindTask returns a task under way, or a not found fault, also if the viewer does not see
// it.
func (o *Orchestrator) FindTask(viewer services.Caller, id string) (Activity, error) {
	a, err := o.registry.ledger.find(viewer, id)
	if err != nil {
		return Activity{}, err
	}
	return a.look(), nil
}

func (l *ledger) find(viewer services.Caller, id string) (*active, error) {
	l.mu.Lock()
	a := l.tasks[id]
	l.mu.Unlock()
	if a == nil || !a.shows(viewer) {
		return nil, services.Faultf(services.KindNotFound, "task %.64q does not exist, or has ended", id)
	}
	return a, nil
}

// CancelTask cancels a task under way. It does not wait. The task's own caller gets a
// fault that names who cancelled it.
func (o *Orchestrator) CancelTask(viewer services.Caller, id string) (Activity, error) {
	a, err := o.registry.ledger.find(viewer, id)
	if err != nil {
		return Activity{}, err
	}
	by := "an operator"
	a.mu.Lock()
	if viewer.Key == a.view.Task.Caller.Key && viewer.Key != "" {
		by = "its caller"
	}
	if a.cause == nil {
		a.end(services.Faultf(services.KindCancelled, "the task was cancelled by %s", by))
	}
	a.mu.Unlock()
	return a.look(), nil
}
