package resources

import (
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// arena is the memory that the runs of one model work in. ONNX Runtime keeps
// what its largest run needed until the model is unloaded, and the next run works
// in the same memory. So what counts is the larger of what runs now and what
// ran at the most, and not their sum.
type arena struct {
	model string
	// weights of the model, zero where it is not loaded.
	weights services.Bytes
	// active is leased by runs under way, high the most that stays behind them.
	active, high services.Bytes
	// strangers counts leases that were granted while the model was not loaded and did
	// not load it: each includes the bytes of a load, which it no longer needs once
	// another lease has loaded the model. loading is what active loads have beyond the
	// weights.
	strangers int
	loading   services.Bytes
	// predictors by task.
	predictors map[string]*predictor
	// leases of runs under way that are measured.
	leases map[*Lease]struct{}
	// predicted, reserved and observed are those of the run that was measured last.
	predicted, reserved, observed services.Bytes
	// uses is how often the model is asked for.
	uses rate
	// first is how long tasks held their first slot.
	first average
}

// arena returns the arena of a model, creating it if needed. The caller holds mu.
func (a *account) arena(model string) *arena {
	ar := a.arenas[model]
	if ar == nil {
		ar = &arena{model: model, predictors: make(map[string]*predictor), leases: make(map[*Lease]struct{})}
		a.arenas[model] = ar
	}
	return ar
}

// besideMark is the end of the name of the arena of a version that is loaded beside
// another one. No model has such a name.
const besideMark = "@next"

// beside returns the arena of a version of the model that is loaded beside the one in use.
// It ends with the last lease in it.
func (a *account) beside(model string) *arena { return a.arena(model + besideMark) }

// isBeside reports whether the arena is one of beside.
func (r *arena) isBeside() bool { return strings.HasSuffix(r.model, besideMark) }

// endBeside forgets the lease's arena if it is one of beside without another lease. The
// caller holds mu.
func (l *Lease) endBeside() {
	if l.arena.active == 0 && l.arena.isBeside() {
		delete(l.account.arenas, l.arena.model)
		delete(l.flow.first, l.arena)
	}
}

// held returns the bytes of the budget that the arena uses.
func (r *arena) held() services.Bytes { return max(r.active, r.high) }

// more returns what another run of the given size adds to held.
func (r *arena) more(bytes services.Bytes) services.Bytes {
	return max(r.active+bytes, r.high) - r.held()
}

// loadBytes returns what a task needs to load a model of the given size: the weights,
// and a copy of half of them while it lasts. Services estimate by the same rule.
func loadBytes(weights services.Bytes) services.Bytes { return weights + weights/2 }

// used returns the leased bytes that runs use, loads excluded. Of measured runs it is
// what they have used so far.
func (r *arena) used() services.Bytes {
	used := r.active - r.loading - services.Bytes(r.strangers)*loadBytes(r.weights)
	for l := range r.leases {
		used -= l.runs - min(l.gauge.Peak(), l.runs)
	}
	return max(used, 0)
}

// mostBytes is the most that a task is predicted to take, so that sums of
// predictions stay numbers: a petabyte.
const mostBytes = 1 << 50

// predictor returns the predictor of a task, creating it if needed. There are no more
// than the service has tasks.
func (r *arena) predictor(task string) *predictor {
	p := r.predictors[task]
	if p == nil {
		p = new(predictor)
		r.predictors[task] = p
	}
	return p
}

// arenasHeld returns the sum of the service's arenas.
func (a *account) arenasHeld() (sum services.Bytes) {
	for _, r := range a.arenas {
		sum += r.held()
	}
	return sum
}

// leased returns the bytes leased by the service's current runs.
func (a *account) leased() (sum services.Bytes) {
	for _, r := range a.arenas {
		sum += r.active
	}
	return sum
}

// booked returns all bytes of the budget that the service uses.
func (a *account) booked() services.Bytes { return a.resident + a.arenasHeld() }

// corrected returns the part of the estimate that was reserved for the run that was
// measured last; 1 before the first.
func (r *arena) corrected() float64 {
	if r.predicted == 0 {
		return 1
	}
	return float64(r.reserved) / float64(r.predicted)
}
