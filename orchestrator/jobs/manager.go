package jobs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Causes of the end of an attempt's context. None of them speaks against the
// service that was at work, which the guard tells by their kind.
var (
	// ErrStopping: the server stops; the job goes back to the queue.
	ErrStopping error = services.Faultf(services.KindCancelled, "the server is stopping")
	// ErrCancelled: somebody cancelled the job.
	ErrCancelled error = services.Faultf(services.KindCancelled, "the job was cancelled")
	// errClaimLost: another worker has the job.
	errClaimLost error = services.Faultf(services.KindCancelled, "another worker has the job")
)

// Executor runs tasks on the one road, and checks them before they wait.
type Executor interface {
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
	// Check refuses, with a fault, a task that cannot work; it runs nothing.
	Check(ctx context.Context, task services.Task) error
}

// Sender delivers webhooks.
type Sender interface {
	// CheckURL refuses, with a fault, an address that may not be called.
	CheckURL(url string) error
	// Send posts the body and gives the receiver's status; an error where there is
	// none, or it is not one of success.
	Send(ctx context.Context, url, id string, body []byte) (status int, err error)
}

// Dependencies of a Manager.
type Dependencies struct {
	Store    Store
	Executor Executor
	Sender   Sender
	// Encode makes the body of a webhook.
	Encode func(Job) ([]byte, error)
	// Describe tells what a service takes; the fault is not found.
	Describe func(service string) (services.Description, error)
	// Runs tells how many tasks of a service run at once.
	Runs map[string]int
	// Ageing is the wait that makes up for one step of priority.
	Ageing time.Duration
	// MaxAttempts bounds attempts that ended in a fault of the service.
	MaxAttempts int
	// MaxDeliveries bounds the tries to deliver a webhook.
	MaxDeliveries int
	// SpoolDir takes recordings while they are worked on.
	SpoolDir string
	Log      *slog.Logger
}

// Manager accepts jobs, runs them, and answers for them. Safe for concurrent
// use. Start before use, Stop at the end.
type Manager struct {
	Dependencies
	cfg   Config
	index *index
	speed *speeds
	// worker names this process in claims.
	worker string

	// intake ends when no further job is to be started, work when those at work
	// are to stop.
	intake       context.Context
	stopIntake   context.CancelFunc
	work         context.Context
	stopWork     context.CancelCauseFunc
	background   sync.WaitGroup
	dispatching  sync.WaitGroup // what begins the attempts
	attempts     sync.WaitGroup
	wake         chan struct{} // a job may be startable
	wakeCallback chan struct{} // a webhook may be due
	ready        atomic.Bool
	caughtUp     chan struct{}
	caughtOnce   sync.Once

	mu      sync.Mutex
	running map[string]*attempt // by job
	longs   map[string]int      // of long jobs at work, by service
	actives map[string]int      // of all jobs at work, by service
	stores  map[string]*sync.Mutex
}

// NewManager makes a manager over a store.
func NewManager(cfg Config, deps Dependencies) *Manager {
	m := &Manager{
		Dependencies: deps, cfg: cfg, speed: newSpeeds(), worker: newWorker(),
		wake: make(chan struct{}, 1), wakeCallback: make(chan struct{}, 1), caughtUp: make(chan struct{}),
		running: make(map[string]*attempt), longs: make(map[string]int), actives: make(map[string]int), stores: make(map[string]*sync.Mutex),
	}
	m.index = newIndex(deps.Ageing, m.speed.expect, m.changed)
	m.intake, m.stopIntake = context.WithCancel(context.Background())
	m.work, m.stopWork = context.WithCancelCause(context.Background())
	return m
}

// newWorker names this process, so that a person finds it.
func newWorker() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

// Start follows the store and works on its jobs until Stop. It returns at once.
func (m *Manager) Start() {
	m.background.Go(m.watch)
	m.dispatching.Go(m.dispatch)
	m.background.Go(m.tend)
	m.background.Go(m.deliver)
}

// Ready tells whether every job of the store is known here.
func (m *Manager) Ready() bool { return m.ready.Load() }

// StopIntake starts no further job and ends what follows them.
func (m *Manager) StopIntake() { m.stopIntake() }

// Stop starts no further job, lets those at work end until ctx does, sends the
// others back to the queue, and waits for everything.
func (m *Manager) Stop(ctx context.Context) {
	m.stopIntake()
	ended := make(chan struct{})
	go func() {
		m.dispatching.Wait() // no attempt begins any more
		m.attempts.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	m.stopWork(ErrStopping)
	<-ended
	m.background.Wait()
}

// watch keeps the index up to date, and begins anew when the store is lost.
func (m *Manager) watch() {
	for m.intake.Err() == nil {
		err := m.Store.Watch(m.intake, (&reading{manager: m, keys: make(map[string]bool)}).told)
		if m.intake.Err() != nil {
			return
		}
		m.Log.Error("the job store is not followed", "error", err)
		pause(m.intake, time.Second)
	}
}

// reading is one watch of the store. It remembers what there is until everything
// has been told: what was deleted while nobody watched is not told at all.
type reading struct {
	manager *Manager
	keys    map[string]bool // nil once everything has been told
	last    Revision
}

// told takes one change of the store.
func (r *reading) told(change Change) {
	switch {
	case change.CaughtUp && r.keys != nil:
		r.manager.index.keep(r.keys, r.last)
		r.keys = nil
	case r.keys != nil:
		r.keys[change.Key], r.last = true, max(r.last, change.Revision)
	}
	r.manager.told(change)
}

// told takes one change of the store.
func (m *Manager) told(change Change) {
	if change.CaughtUp {
		m.ready.Store(true)
		m.caughtOnce.Do(func() { close(m.caughtUp) })
		m.nudge()
		return
	}
	kind, id, _ := strings.Cut(change.Key, ".")
	switch {
	case kind == jobKind && change.Value == nil:
		m.index.drop(id, change.Revision)
	case kind == jobKind:
		job, err := decodeJob(change.Value, change.Revision)
		if err != nil {
			m.Log.Error("a job's record cannot be read", "job", id, "error", err)
			return
		}
		m.index.put(job, len(change.Value))
	case kind == audioKind && change.Value == nil:
		m.index.dropAudio(id, change.Revision)
	case kind == audioKind:
		audio := Audio{Revision: change.Revision}
		if err := json.Unmarshal(change.Value, &audio); err != nil {
			m.Log.Error("a recording's record cannot be read", "audio", id, "error", err)
			return
		}
		m.index.putAudio(audio)
	case kind == contextKind && change.Value == nil:
		m.index.dropContext(id, change.Revision)
	case kind == contextKind:
		one, err := decodeContext(id, change.Value, change.Revision)
		if err != nil {
			m.Log.Error("a conversation's record cannot be read", "context", id, "error", err)
			return
		}
		m.index.putContext(one)
	}
}

// changed reacts to a job's new state, from whichever process it comes.
func (m *Manager) changed(job Job) {
	switch {
	case job.Status == StatusQueued:
		m.nudge()
	case job.Status == StatusRunning && job.CancelRequested:
		m.stopAttempt(job.ID, ErrCancelled)
	case job.Callback != nil && job.Callback.State == CallbackPending:
		select {
		case m.wakeCallback <- struct{}{}:
		default:
		}
	}
}

// nudge lets the dispatcher look again.
func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// The kinds of records, by the first part of their key.
const (
	jobKind     = "job"
	audioKind   = "audio"
	contextKind = "context"
)

func decodeJob(raw []byte, at Revision) (Job, error) {
	var job Job
	err := json.Unmarshal(raw, &job)
	job.Revision = at
	return job, err
}

// load reads a job as last written by anybody.
func (m *Manager) load(ctx context.Context, id string) (Job, error) {
	raw, at, err := m.Store.Read(ctx, jobKind+"."+id)
	if errors.Is(err, ErrMissing) {
		return Job{}, &services.Fault{Kind: services.KindNotFound, Message: fmt.Sprintf("job %q does not exist", id), Err: err}
	}
	if err != nil {
		return Job{}, err
	}
	job, err := decodeJob(raw, at)
	if err != nil {
		return Job{}, services.Internal(err, "the record of job %s cannot be read", id)
	}
	return job, nil
}

// save replaces a job's record, which must be at the job's revision, and gives
// it with its new one.
func (m *Manager) save(ctx context.Context, job Job) (Job, error) {
	raw, err := json.Marshal(job)
	if err != nil {
		return job, services.Internal(err, "the record of job %s cannot be written", job.ID)
	}
	if job.Revision, err = m.Store.Replace(ctx, jobKind+"."+job.ID, raw, job.Revision); err != nil {
		return job, err
	}
	m.index.put(job, len(raw))
	return job, nil
}

// edit changes a job by compare-and-set, as often as it takes; change gives
// false to leave the job as it is.
func (m *Manager) edit(ctx context.Context, id string, change func(*Job) (bool, error)) (Job, error) {
	for {
		job, err := m.load(ctx, id)
		if err != nil {
			return Job{}, err
		}
		if changed, err := change(&job); err != nil || !changed {
			return job, err
		}
		saved, err := m.save(ctx, job)
		if !errors.Is(err, ErrConflict) {
			return saved, err
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
