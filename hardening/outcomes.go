package hardening

import (
	"fmt"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// mostOutcomes is how many of the latest outcomes are kept at most.
const mostOutcomes = 256

// outcomes is the health of one model, from the outcomes of its tasks within a window of
// time. Canaries are not recorded. Safe for concurrent use.
//
// A model is failing when enough of the outcomes are failures, when its breaker opens, or
// when it is being recovered. It is not failing for ever: it is unproven once it has been
// recovered, or once the window is empty and a canary has succeeded. An unproven model
// takes tasks; the first that fails makes it failing again, and only successes in a row
// make it healthy.
type outcomes struct {
	cfg HealthConfig
	// changed is called with each new status, under the lock.
	changed func(from, to services.HealthStatus, reason string)

	mu     sync.Mutex
	latest []outcome // the oldest first
	failed int       // failures among them
	status services.HealthStatus
	since  time.Time
	reason string
	last   time.Time // when the latest task ended
	// inRow counts the successes since the latest failure.
	inRow int
	// era is the number of times that the model was loaded anew or its failures were
	// forgotten. A task that began before says nothing of it.
	era int
	// byCanary is set while nothing but canaries speaks for a model that is unproven, or that is
	// failing and takes trial tasks.
	byCanary bool
	// refuted is set when a task fails meanwhile, until the model is proven.
	refuted bool
}

// outcome of one task.
type outcome struct {
	at     time.Time
	failed bool
}

func newOutcomes(cfg HealthConfig, changed func(from, to services.HealthStatus, reason string)) *outcomes {
	return &outcomes{cfg: cfg, changed: changed, status: services.HealthHealthy, since: time.Now()}
}

// begin returns the number that a task passes to add when it ends.
func (o *outcomes) begin() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.era
}

// add records the outcome of a task. It reports whether the breaker is to open because a
// model has failed for which nothing but canaries spoke.
func (o *outcomes) add(era int, failed bool) (trip bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if era != o.era {
		return false
	}
	now := time.Now()
	o.forgetBefore(now.Add(-o.cfg.Window))
	if len(o.latest) == mostOutcomes {
		o.drop(1)
	}
	o.latest, o.last = append(o.latest, outcome{now, failed}), now
	if !failed {
		o.inRow++
		o.succeeded()
		return false
	}
	o.inRow = 0
	o.failed++
	if o.byCanary {
		o.refuted, o.byCanary, trip = true, false, true
	}
	if o.status == services.HealthUnproven {
		o.set(services.HealthFailing, "a task has failed again after "+o.reason)
	} else {
		o.judge()
	}
	return trip
}

// succeeded ends the failing or unproven state after enough successes in a row. The
// caller holds mu.
func (o *outcomes) succeeded() {
	proven := o.inRow >= o.cfg.Trials
	switch o.status {
	case services.HealthUnproven:
		if proven {
			o.prove()
		}
	case services.HealthFailing:
		if proven && o.byCanary {
			o.drop(len(o.latest) - o.inRow) // those before its recovery
		}
		if proven && o.rate() < o.cfg.FailureRate {
			o.prove()
		}
	case services.HealthHealthy, services.HealthDegraded:
		o.judge()
	}
}

// prove ends the failing or unproven state. The caller holds mu.
func (o *outcomes) prove() {
	o.refuted = false
	o.set(o.verdict())
}

// judge sets the status by the outcomes in the window, unless the model is failing or
// unproven. The caller holds mu.
func (o *outcomes) judge() {
	if o.status == services.HealthHealthy || o.status == services.HealthDegraded {
		o.set(o.verdict())
	}
}

// verdict returns the status by the outcomes in the window. The caller holds mu.
func (o *outcomes) verdict() (status services.HealthStatus, reason string) {
	rate := o.rate()
	switch {
	case len(o.latest) >= o.cfg.MinCalls && rate >= o.cfg.FailureRate:
		return services.HealthFailing, o.figures()
	case o.failed > 0 && rate >= o.cfg.DegradedRate:
		return services.HealthDegraded, o.figures()
	default:
		return services.HealthHealthy, ""
	}
}

// rate returns the fraction of failures; 0 for an empty window. The caller holds mu.
func (o *outcomes) rate() float64 {
	if len(o.latest) == 0 {
		return 0
	}
	return float64(o.failed) / float64(len(o.latest))
}

// figures returns the numbers behind the status. The caller holds mu.
func (o *outcomes) figures() string {
	return fmt.Sprintf("%d of the latest %d tasks within %s have failed", o.failed, len(o.latest), o.cfg.Window)
}

// set changes the status. The caller holds mu.
func (o *outcomes) set(to services.HealthStatus, reason string) {
	from := o.status
	o.reason = reason
	if from == to {
		return
	}
	o.status, o.since, o.byCanary = to, time.Now(), false
	o.changed(from, to, reason)
}

// fail makes the model failing for another reason than its outcomes.
func (o *outcomes) fail(reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byCanary = false
	if o.status != services.HealthFailing {
		o.set(services.HealthFailing, reason)
	}
}

// closed records that trial calls have closed the breaker. The outcomes before count no
// more.
func (o *outcomes) closed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.status != services.HealthFailing || o.byCanary {
		return
	}
	o.drop(len(o.latest))
	o.set(services.HealthUnproven, "its circuit breaker was open")
	o.succeeded()
}

// recovered records that the model was loaded again and that its canaries have succeeded. If
// that has been so before, again and again, and tasks have failed each time, the model stays
// failing, and takes tasks as trials: their successes in a row prove it.
func (o *outcomes) recovered(cause string, again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if again && o.refuted {
		o.era++
		o.inRow = 0
		o.set(services.HealthFailing, "tasks have failed after its recoveries: "+cause)
		o.byCanary = true
		return
	}
	o.renew()
	o.set(services.HealthUnproven, "its recovery: "+cause)
	o.byCanary = true
}

// forget records that an operator has restarted the model or reset its breaker.
func (o *outcomes) forget(cause string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renew()
	o.refuted = false
	if o.status == services.HealthFailing || o.status == services.HealthUnproven {
		o.set(services.HealthUnproven, cause)
		o.byCanary = false
		return
	}
	o.judge()
}

// renew begins an era without outcomes. The caller holds mu.
func (o *outcomes) renew() {
	o.era++
	o.inRow = 0
	o.drop(len(o.latest))
}

// review drops outcomes that are older than the window and sets the status accordingly. A
// failing model without outcomes in the window is unproven if nothing else speaks against
// it.
func (o *outcomes) review(works bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgetBefore(time.Now().Add(-o.cfg.Window))
	o.judge()
	if works && o.status == services.HealthFailing && len(o.latest) == 0 {
		o.inRow = 0
		o.set(services.HealthUnproven, fmt.Sprintf("%s without tasks", o.cfg.Window))
		o.byCanary = true
	}
}

// idle reports whether no task has ended for so long.
func (o *outcomes) idle(long time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.last) >= long
}

// isRefuted reports whether the tasks after the latest recovery have failed.
func (o *outcomes) isRefuted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refuted
}

// view returns the health as it is now.
func (o *outcomes) view() services.Health {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgetBefore(time.Now().Add(-o.cfg.Window))
	o.judge()
	health := services.Health{Status: o.status, Since: o.since, Reason: o.reason, Tasks: len(o.latest), Failed: o.failed}
	if o.status == services.HealthUnproven {
		health.Reason = "no task has shown yet that it works after " + o.reason
	}
	return health
}

// forgetBefore drops the outcomes before a time. The caller holds mu.
func (o *outcomes) forgetBefore(start time.Time) {
	n := 0
	for n < len(o.latest) && !o.latest[n].at.After(start) {
		n++
	}
	o.drop(n)
}

// drop removes the oldest outcomes. The caller holds mu.
func (o *outcomes) drop(n int) {
	for _, old := range o.latest[:n] {
		if old.failed {
			o.failed--
		}
	}
	o.latest = append(o.latest[:0], o.latest[n:]...)
}
