package resources

import (
	"math"
	"runtime/debug"

	"github.com/grym-synth/grym-synth/services"
)

// MemoryProbe reports how much memory there is. An error means that it is unknown.
type MemoryProbe interface {
	// Machine returns the memory of the machine.
	Machine() (services.Bytes, error)
	// CgroupLimit returns the limit of the process's control group.
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

// FindBudget returns the smallest of the configured maximum, the control group's limit
// and the machine's memory, the latter two less the reserve.
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

// leastHeap is the minimum of the Go heap limit.
const leastHeap = 96 * services.MiB

// LimitHeap limits the Go heap to a quarter of the budget, which is what the reserve
// below a control group's limit is at most. GOMEMLIMIT overrides it.
func LimitHeap(budget Budget) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(max(budget.Bytes/4, leastHeap)))
	}
}
