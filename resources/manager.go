package resources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/services"
)

// Manager grants leases on the budget. Tenants share it evenly; the tasks of a tenant
// are ordered by priority, age and work done. Safe for concurrent use.
type Manager struct {
	cfg     Config
	budget  Budget
	log     *slog.Logger
	metrics *metrics
	probe   HeldProbe             // nil measures nothing
	gauge   func() services.Gauge // nil measures no runs
	cpu     func() (time.Duration, error)

	mu       sync.Mutex
	accounts map[string]*account
	list     []*account // the accounts in the order in which they were opened
	// waiting counts the tasks in the queues of all flows, present the tenants that they
	// are of, and numbered all that ever waited.
	waiting, present int
	numbered         uint64
	tenants          map[string]*tenant
	weights          map[string]float64 // of tenants; never changed
	// doubtful is set when a waiting task may have become too large to run.
	doubtful  bool
	residents []*resident
	evicting  bool
	// missed is set if a lease ended while an eviction ran, so that a model which the
	// eviction found in use may be idle now.
	missed  bool
	closed  bool
	cleaned cleanups
	sources []func() []Resource // never changed
	advice  Advice
	// unbooked is the measured memory beyond what is booked.
	unbooked unbooked
	// cleaner unloads models that were idle for too long; Stop waits for it and for
	// evictions.
	cleaner   lifecycle.Group
	evictions sync.WaitGroup
	// waking looks at the queue when a service no longer goes first; nil if none does.
	// Stop waits for wakings.
	waking  *time.Timer
	wakings sync.WaitGroup
	used    usage
}

// account is one service's share of the books.
type account struct {
	service string
	limit   ServiceLimit
	running int
	// holders are the leases with a run slot.
	holders []*Lease
	// worked is when a task of the service got or gave up a run slot last.
	worked time.Time
	// load is the used part of its share of the cores, up to loadedAt.
	load     float64
	loadedAt time.Time
	resident services.Bytes
	arenas   map[string]*arena // by model
	// holds is a moving average of how long a run holds its slot, and shortest
	// the least that was seen; zero before the first.
	holds, shortest time.Duration
	// first is how long tasks held their first slot.
	first   average
	pattern pattern
	demand  demand
	// flows are those of the tenants, backlog the ones with tasks that wait, and virtual
	// the virtual time up to which slots were shared.
	flows   []*flow
	tenants map[string]*flow
	backlog []*flow
	virtual time.Duration
	// short is set in a pass over the queue once a task waits for bytes of this service.
	short bool
}

// Dependencies are what a manager works with.
type Dependencies struct {
	// Probe measures what the process holds beyond what is booked; nil measures nothing.
	Probe HeldProbe
	// Gauge returns a gauge for the memory of one run, from which the memory of later ones
	// is predicted. nil, or a nil gauge, leaves the services' estimates as they are.
	Gauge func() services.Gauge
	// CPU returns the processor time of the process. It shows whether the running task of
	// a service that goes first computes or hangs. With nil, every task counts as computing.
	CPU func() (time.Duration, error)
	// Sources list for the inventory what holds something else than the memory that is
	// booked here.
	Sources []func() []Resource
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// NewManager returns a manager of the budget. A service gets leases once Limit
// has given it a share.
func NewManager(cfg Config, budget Budget, deps Dependencies) *Manager {
	m := &Manager{
		cfg: cfg, budget: budget, probe: deps.Probe, gauge: deps.Gauge, cpu: deps.CPU, sources: deps.Sources, log: deps.Log,
		accounts: make(map[string]*account), tenants: make(map[string]*tenant),
	}
	m.weights, _ = ParseWeights(cfg.Weights) // Validate has refused a list with an error
	m.metrics = newMetrics(deps.Metrics, m)
	return m
}

// Limit sets a service's share of the budget, also while its tasks run.
func (m *Manager) Limit(service string, limit ServiceLimit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.account(service)
	a.limit = limit
	m.metrics.runs.WithLabelValues(service).Set(float64(a.runs()))
	m.doubtful = true
	m.grant(time.Now())
}

// account returns a service's account, creating it if needed. The caller holds mu.
func (m *Manager) account(service string) *account {
	a := m.accounts[service]
	if a == nil {
		a = &account{service: service, arenas: make(map[string]*arena), tenants: make(map[string]*flow)}
		m.accounts[service] = a
		m.list = append(m.list, a)
		m.metrics.watch(service)
	}
	return a
}

// Budget returns the budget in force.
func (m *Manager) Budget() Budget {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.budget
}

// Room returns the most memory that one task of the service may use when nothing else
// runs.
func (m *Manager) Room(service string) services.Bytes {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.cfg.Enabled {
		return math.MaxInt64
	}
	return min(m.budget.Bytes, m.account(service).limit.MaxMemory)
}

// Tune changes the budget, queue limit, ageing and dynamic switch, also while tasks run
// and wait. A smaller budget does not affect running tasks.
func (m *Manager) Tune(cfg Config, budget Budget) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budget, m.cfg.QueueLimit, m.cfg.Ageing, m.cfg.Dynamic = budget, cfg.QueueLimit, cfg.Ageing, cfg.Dynamic
	if cfg.Dynamic != On {
		for _, a := range m.list {
			a.demand.width = 0
		}
	}
	m.doubtful = true
	m.grant(time.Now())
}

// QueueLimit returns how many tasks may wait.
func (m *Manager) QueueLimit() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cfg.QueueLimit
}

// Acquire waits until the task may run. It refuses at once, with a fault, a
// task that is too large ever to fit, one that finds the queue full, and one
// that is sure to start after its deadline.
func (m *Manager) Acquire(ctx context.Context, claim services.Claim) (services.Lease, error) {
	m.mu.Lock()
	now := time.Now()
	w, err := m.enqueue(claim, now)
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	w.lease.meter = services.MeterOf(ctx)
	m.grant(now)
	m.mu.Unlock()
	if err := m.wait(ctx, w); err != nil {
		return nil, err
	}
	return w.lease, nil
}

// enqueue checks a claim and adds it to the queue. The caller holds mu.
func (m *Manager) enqueue(claim services.Claim, now time.Time) (*waiter, error) {
	account := m.accounts[claim.Service]
	if account == nil || account.runs() < 1 {
		return nil, services.Faultf(services.KindNotFound, "service %q has no share of the memory budget", claim.Service)
	}
	if m.closed {
		return nil, services.Faultf(services.KindUnavailable, "the server is shutting down")
	}
	account.demand.arrived++
	ar, there := account.arena(claim.Model), services.Bytes(0)
	if claim.Beside {
		there = ar.weights + ar.held()
		ar = account.beside(claim.Model)
	}
	runs := ar.predictor(claim.Task).reserve(claim.Plan.Runs, claim.Plan.Sizes)
	bytes := min(max(claim.Bytes-claim.Plan.Runs, 0)+runs, mostBytes)
	// A model that is loaded is not unloaded for its own task.
	need := bytes + ar.weights + there
	if m.cfg.Enabled && need > min(m.budget.Bytes, account.limit.MaxMemory) {
		m.refuse(account, RefusedTooLarge)
		return nil, m.tooLarge(account, need)
	}
	f := m.flow(account, claim.Tenant, now)
	if fault := m.full(f.tenant); fault != nil {
		fault.RetryAfter = m.turnIn(f, claim.Priority, now)
		m.refuse(account, RefusedQueueFull)
		return nil, fault
	}
	w := &waiter{
		turn:    now.Add(-time.Duration(claim.Priority) * m.cfg.Ageing),
		since:   now,
		bytes:   bytes,
		weights: ar.weights,
		account: account,
		arena:   ar,
		granted: make(chan struct{}),
		lease: &Lease{
			manager: m, account: account, arena: ar, flow: f, priority: claim.Priority, due: now,
			task: claim.Task, plan: claim.Plan, runs: runs, runsLeased: runs,
		},
	}
	ahead := m.insert(w, now)
	if !claim.Deadline.IsZero() {
		// Nothing ran faster than the shortest run, so this start is the soonest.
		soonest := now.Add(time.Duration(ahead/account.runs()) * account.shortest)
		if account.running >= account.runs() && !soonest.Before(claim.Deadline) || !now.Before(claim.Deadline) {
			m.remove(w, now)
			fault := services.Faultf(services.KindBusy, "%d tasks are ahead; this one would start after its deadline", ahead)
			fault.RetryAfter = m.turnIn(f, claim.Priority, now)
			m.refuse(account, RefusedDeadline)
			return nil, fault
		}
	}
	return w, nil
}

// tooLarge returns the fault for a task that can never run. The caller holds mu.
func (m *Manager) tooLarge(a *account, need services.Bytes) error {
	limit := min(m.budget.Bytes, a.limit.MaxMemory)
	return services.Faultf(services.KindTooLarge, "the task needs %d bytes of memory (%s), %s may use %d (%s)",
		int64(need), need, a.service, int64(limit), limit)
}

// refuse counts a refusal. The caller holds mu.
func (m *Manager) refuse(a *account, why Refusal) {
	a.pattern.refuse(why)
	m.metrics.refusals.WithLabelValues(a.service, string(why)).Inc()
}

// wait blocks until w is granted or ctx ends; a grant that arrives too late is
// released.
func (m *Manager) wait(ctx context.Context, w *waiter) error {
	select {
	case <-w.granted:
		m.metrics.waited(0, services.SpanOf(ctx).TraceID())
		return w.refused
	default:
	}
	started := time.Now()
	select {
	case <-w.granted:
	case <-ctx.Done():
		m.mu.Lock()
		now := time.Now()
		queued := m.remove(w, now)
		if queued {
			// It may have held back others that fit.
			m.grant(now)
		}
		m.mu.Unlock()
		if !queued {
			// The grant came at the same time.
			w.lease.Release()
		}
		return fmt.Errorf("wait for memory and a run slot: %w", ctx.Err())
	}
	m.metrics.waited(time.Since(started), services.SpanOf(ctx).TraceID())
	return w.refused
}

// free returns what is left of the budget, negative when a model was loaded beyond its
// lease. The caller holds mu.
func (m *Manager) free() services.Bytes {
	if !m.cfg.Enabled {
		return math.MaxInt64
	}
	free := m.budget.Bytes - m.overdrawn()
	for _, a := range m.list {
		free -= a.booked()
	}
	return free
}

// OldestWait returns how long the oldest waiting task has waited.
func (m *Manager) OldestWait() (oldest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for w := range m.waiters() {
		oldest = max(oldest, time.Since(w.since))
	}
	return oldest
}

// Stop refuses new and waiting tasks, ends the cleanup and waits for running evictions.
// Granted leases stay valid, and yielded tasks get their run slots back.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.stopWaking()
	now := time.Now()
	for _, w := range slices.Collect(m.waiters()) {
		if w.yielded {
			m.give(w, now)
			continue
		}
		m.turnAway(w, now, services.Faultf(services.KindUnavailable, "the server is shutting down"))
	}
	m.mu.Unlock()
	return errors.Join(m.cleaner.Stop(ctx), lifecycle.Wait(ctx, &m.evictions), lifecycle.Wait(ctx, &m.wakings))
}
