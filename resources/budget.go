package resources

import (
	"math"
	"runtime/debug"

	"github.com/grym-synth/grym-synth/services"
)

// MemoryProbe tells what memory there is; an error means that it is not known.
type MemoryProbe interface {
	Machine() (services.Bytes, error)
	CgroupLimit() (services.Bytes, error)
}

// Budget is the memory that models and tasks may use, and what decided it.
type Budget struct {
	Bytes services.Bytes
	// Bound is "maxMemory", "cgroup" or "machine".
	Bound string
	// Limit is the smaller of the control group's limit and the machine's memory;
	// zero where neither is known.
	Limit services.Bytes
}

// FindBudget gives the smallest of the configured maximum, the control group's
// limit and the machine's memory, the latter two less the reserve.
func FindBudget(cfg Config, probe MemoryProbe) Budget {
	budget := Budget{Bytes: cfg.MaxMemory, Bound: "maxMemory"}
	consider := func(bound string, limit services.Bytes, err error) {
		if err != nil {
			return
		}
		if budget.Limit == 0 || limit < budget.Limit {
			budget.Limit = limit
		}
		limit -= min(cfg.Reserve, limit/4)
		if limit < budget.Bytes {
			budget.Bytes, budget.Bound = limit, bound
		}
	}
	limit, err := probe.CgroupLimit()
	consider("cgroup", limit, err)
	limit, err = probe.Machine()
	consider("machine", limit, err)
	return budget
}

// leastHeap is the room that the Go heap always has.
const leastHeap = 96 * services.MiB

// LimitHeap holds the Go heap to a quarter of the budget, which is what the
// reserve below a control group's limit is at most. A limit that the process was
// started with (GOMEMLIMIT) stays.
func LimitHeap(budget Budget) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(max(budget.Bytes/4, leastHeap)))
	}
}
