package resources

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Outlook is what is expected of the next minute.
type Outlook struct {
	// IdleCores is how many of Cores are idle now.
	IdleCores float64
	Cores     int
	// Resident is the resident set expected in some minutes; zero if unknown.
	Resident services.Bytes
	// Services by name; a missing one is expected not to change.
	Services map[string]ServiceOutlook
}

// ServiceOutlook is what is expected of a service.
type ServiceOutlook struct {
	// PerSecond is the expected arrival rate, Waiting the expected queue length.
	PerSecond, Waiting float64
}

// Action is a recommended step.
type Action string

// The actions: Widen, Narrow and Stay of runs, Keep and Unload of models.
const (
	Widen  Action = "widen"
	Narrow Action = "narrow"
	Stay   Action = "stay"
	Keep   Action = "keep"
	Unload Action = "unload"
)

// Advice is what Adapt recommends for an outlook.
type Advice struct {
	// At is when the advice was made; zero before the first.
	At       time.Time
	Services []RunAdvice
	Models   []ModelAdvice
}

// RunAdvice is how many tasks of a service should run at once.
type RunAdvice struct {
	Service string
	// Runs is the number of concurrent runs now, Configured the configured one, Max the
	// upper bound.
	Runs, Configured, Max int
	// Demand is how many slots would be busy if there were no limit: arrivals by
	// the time that a task holds a slot (Little's law).
	Demand float64
	// Wanted is the number of runs for that demand; Reason explains the action.
	Wanted int
	Action Action
	Reason string
}

// ModelAdvice reports whether a loaded model should stay loaded.
type ModelAdvice struct {
	Service, Model string
	Bytes          services.Bytes
	UsesPerMinute  float64
	Action         Action
	Reason         string
}

const (
	// leastIdle is the part of the cores that must be idle for another run to be
	// worth its memory; a busy machine would only do both more slowly.
	leastIdle = 0.1
	// fullAt is the part of the budget at which memory counts as short.
	fullAt = 0.9
	// keepFor is how far ahead a use must be expected for a model to be kept.
	keepFor = 10 * time.Minute
)

// Adapt advises on the outlook and, where the dynamic switch is on, acts: a service is
// widened or narrowed by one run at a time, and when memory is about to run short,
// models without expected use are unloaded.
func (m *Manager) Adapt(outlook Outlook) Advice {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	advice := Advice{At: now}
	for _, a := range m.list {
		advice.Services = append(advice.Services, m.adviseRuns(a, outlook))
	}
	slices.SortFunc(advice.Services, func(a, b RunAdvice) int { return strings.Compare(a.Service, b.Service) })
	short := m.shortOfMemory(outlook)
	var unload []*resident
	for _, r := range m.residents {
		one := m.adviseModel(r, now, short)
		advice.Models = append(advice.Models, one)
		if one.Action == Unload && short && !r.busy() {
			unload = append(unload, r)
		}
	}
	slices.SortFunc(advice.Models, func(a, b ModelAdvice) int {
		return cmp.Or(cmp.Compare(b.UsesPerMinute, a.UsesPerMinute), strings.Compare(a.Service+a.Model, b.Service+b.Model))
	})
	m.advice = advice
	if m.cfg.Dynamic == On {
		m.act(advice.Services, unload)
	}
	return advice
}

// Advice returns the latest advice.
func (m *Manager) Advice() Advice {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.advice
}

// Dynamic reports whether advice is acted on.
func (m *Manager) Dynamic() Switch {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cfg.Dynamic
}

// shortOfMemory reports whether the budget is about to be full. The caller holds mu.
func (m *Manager) shortOfMemory(outlook Outlook) bool {
	full := services.Bytes(fullAt * float64(m.budget.Bytes))
	return m.cfg.Enabled && (outlook.Resident > full || m.budget.Bytes-m.free() > full)
}

// adviseModel reports whether resident memory should stay. The caller holds mu.
func (m *Manager) adviseModel(r *resident, now time.Time, short bool) ModelAdvice {
	advice := ModelAdvice{Service: r.service, Model: r.name, Bytes: r.bytes, UsesPerMinute: r.uses(now), Action: Keep}
	switch expected := advice.UsesPerMinute * keepFor.Minutes(); {
	case expected >= 1:
		advice.Reason = fmt.Sprintf("about %.0f uses are expected in the next ten minutes", expected)
	case short:
		advice.Action, advice.Reason = Unload, "no use is expected in the next ten minutes, and memory is short"
	default:
		advice.Reason = "no use is expected in the next ten minutes, and there is room"
	}
	return advice
}

// act takes the steps that were advised often enough in a row. The caller holds mu.
func (m *Manager) act(list []RunAdvice, unload []*resident) {
	for _, one := range list {
		a := m.accounts[one.Service]
		if !m.adapt(a, one) {
			continue
		}
		m.metrics.runs.WithLabelValues(one.Service).Set(float64(a.runs()))
		m.metrics.adapted.WithLabelValues(one.Service, string(one.Action)).Inc()
		m.log.Info("runs of a service adapted", "service", one.Service, "runs", a.runs(), "before", one.Runs, "reason", one.Reason)
	}
	if len(unload) > 0 && !m.evicting && !m.closed {
		m.byWorth(unload)
		m.evicting = true
		m.evictions.Go(func() { m.evictOne(unload) })
	}
	m.grant(time.Now())
}
