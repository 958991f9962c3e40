package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Causes of the cancellation of an attempt. By their kind the guard does not count them
// as failures of the service.
var (
	// ErrStopping is the cause when the server stops; the job returns to the queue.
	ErrStopping error = services.Faultf(services.KindCancelled, "the server is stopping")
	// ErrCancelled is the cause when the job was cancelled.
	ErrCancelled error = services.Faultf(services.KindCancelled, "the job was cancelled")
	// errClaimLost is the cause when another worker has claimed the job.
	errClaimLost error = services.Faultf(services.KindCancelled, "another worker has the job")
)

// Executor checks and runs tasks.
type Executor interface {
	// Execute runs the task, as Orchestrator.Execute does.
	Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
	// Check returns a fault if the task cannot succeed. It runs nothing.
	Check(ctx context.Context, task services.Task) error
}

// Sender delivers webhooks.
type Sender interface {
	// CheckURL returns a fault if the address may not be called.
	CheckURL(url string) error
	// Send posts the body and returns the receiver's status; and an error if there is
	// none or it is not 2xx.
	Send(ctx context.Context, url, id string, body []byte) (status int, err error)
}

// Dependencies are what a Manager needs.
type Dependencies struct {
	// Database holds the records; it must not have been started.
	Database *records.Database
	Library  *library.Library
	Executor Executor
	Sender   Sender
	// Encode returns the body of a webhook.
	Encode func(Job) ([]byte, error)
	// Describe returns the description of a service, or a fault of kind not found.
	Describe func(service string) (services.Description, error)
	// Bind returns a task with its service, and with the model in place of an alias.
	// The faults name the fields task and model.
	Bind func(services.Task) (services.Task, error)
	// Pin returns the parameters of a task that has been checked, with what they name as it
	// is now; nil for services whose tasks depend on nothing that may change.
	Pin func(context.Context, services.Task) ([]byte, error)
	// Restart is called before an ended job is queued again, from a step if one is named.
	Restart func(ctx context.Context, task services.Task, step string) error
	// Held reports whether a task must wait because an operator has drained its service
	// or model; nil holds none.
	Held func(services.Task) bool
	// Runs is how many tasks of a service run at once, where Width is nil; the services
	// are those that run jobs.
	Runs map[string]int
	// Width returns how many tasks of a service may run at once now, which follows demand.
	Width func(service string) int
	// Weights are the parts of the owners in the places of a service; that of an owner
	// without one is 1.
	Weights map[string]float64
	// Ageing is the waiting time that counts as much as one priority level.
	Ageing time.Duration
	// MaxAttempts bounds the attempts that failed by a fault of the service.
	MaxAttempts int
	// MaxDeliveries bounds the tries to deliver a webhook.
	MaxDeliveries int
	Log           *slog.Logger
}

// Manager accepts jobs, runs them and delivers their webhooks. Safe for concurrent use.
// Its calls need a started database.
type Manager struct {
	Dependencies
	cfg   Config
	store records.Store
	all   *records.Collection[Job]
	index *index
	speed *speeds
	// worker identifies this process in claims.
	worker string

	// intake ends when no further job may start, work when the running ones must stop.
	intake       context.Context
	stopIntake   context.CancelFunc
	work         context.Context
	stopWork     context.CancelCauseFunc
	background   sync.WaitGroup
	dispatching  sync.WaitGroup // what begins the attempts
	attempts     sync.WaitGroup
	wake         chan struct{} // a job may be startable
	wakeCallback chan struct{} // a webhook may be due
	// itemChanged is called with the changes of the jobs of batches; nil for none.
	itemChanged func(records.Event[Job])

	mu      sync.Mutex
	started bool
	stopped bool
	running map[string]*attempt // by job
}

// NewManager returns a manager of the jobs of a database.
func NewManager(cfg Config, deps Dependencies) *Manager {
	m := &Manager{
		Dependencies: deps, cfg: cfg, store: deps.Database.Store(), speed: newSpeeds(), worker: newWorker(),
		wake: make(chan struct{}, 1), wakeCallback: make(chan struct{}, 1),
		running: make(map[string]*attempt),
	}
	m.index = newIndex(deps.Ageing, deps.Weights, m.speed.expect)
	m.intake, m.stopIntake = context.WithCancel(context.Background())
	m.work, m.stopWork = context.WithCancelCause(context.Background())
	m.all = records.NewCollection(deps.Database, record, m.changed)
	deps.Library.OnNeeds(m.needs)
	deps.Library.OnUses(m.uses)
	deps.Database.OnSweep(m.sweep)
	return m
}

// newWorker returns a name of this process with its host and process id.
func newWorker() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

// Start runs jobs until Stop is called. It returns at once, with lifecycle.ErrStarted
// if the manager was started or stopped before.
func (m *Manager) Start(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started || m.stopped {
		return lifecycle.ErrStarted
	}
	m.started = true
	m.dispatching.Go(m.dispatch)
	m.background.Go(m.tend)
	m.background.Go(m.deliver)
	return nil
}

// Ready reports whether every job of the store is known here.
func (m *Manager) Ready() bool { return m.Database.Ready() }

// StopIntake stops starting jobs and ends Follow calls.
func (m *Manager) StopIntake() { m.stopIntake() }

// Stop stops starting jobs, waits for the running ones until ctx ends, returns the
// others to the queue and waits for all goroutines. It can be repeated.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	m.stopIntake()
	ended := make(chan struct{})
	go func() {
		m.dispatching.Wait() // no attempt begins from here on
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
	return nil
}

// changed applies a change of a job by any process. It is called with the collection's
// lock held.
func (m *Manager) changed(e records.Event[Job]) {
	m.index.observe(e)
	if m.itemChanged != nil {
		m.itemChanged(e)
	}
	if e.Now == nil {
		return
	}
	switch job := e.Now.Value; {
	case job.Status == StatusQueued:
		m.nudge()
	case job.Status == StatusRunning && job.CancelRequested:
		m.stopAttempt(job.ID, ErrCancelled)
	case job.owesCallback():
		select {
		case m.wakeCallback <- struct{}{}:
		default:
		}
	}
}

// needs reports the recordings that jobs need: those of unfinished ones must not be
// deleted, and the sounds that finished ones made stay as long as the job.
func (m *Manager) needs(need library.Need) {
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if !job.Status.Terminal() {
			need(job.Owner, job.AudioID, "job "+job.ID)
			for _, id := range job.Recordings {
				need(job.Owner, id, "job "+job.ID)
			}
		}
		if job.Result != nil {
			need(job.Owner, job.Result.AudioID, "")
			for _, sound := range job.Result.More {
				need(job.Owner, sound.AudioID, "")
			}
		}
		return true
	})
}

// nudge wakes the dispatcher.
func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// load reads a job as last written by any process.
func (m *Manager) load(ctx context.Context, id string) (Job, error) {
	job, err := m.all.Load(ctx, id)
	return job, missing(id, err)
}

// edit changes a job by compare-and-set; change returns false to leave the job as
// it is.
func (m *Manager) edit(ctx context.Context, id string, change func(*Job) (bool, error)) (Job, error) {
	job, err := m.all.Edit(ctx, id, change)
	return job, missing(id, m.orFull(err))
}

// missing returns the fault for a job that does not exist, or err unchanged.
func missing(id string, err error) error {
	if errors.Is(err, records.ErrMissing) {
		return &services.Fault{Kind: services.KindNotFound, Message: fmt.Sprintf("job %q does not exist", id), Err: err}
	}
	return err
}
