package performance

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Warning is a threshold that is exceeded.
type Warning struct {
	// Name is cpu, memory, memoryTrend, scheduling, goroutines, or the latency of a
	// service such as "latency/wav2vec2".
	Name string
	// Detail is a readable text with the figures and the limit.
	Detail string
	// Since is when the warning began, Until when it ended; zero until then.
	Since, Until time.Time
}

// pastWarnings is how many past warnings are remembered.
const pastWarnings = 64

// beyondThresholds returns the details of the thresholds that a sample exceeds, by the
// warning's name. The caller holds mu.
func (m *Monitor) beyondThresholds(s Sample) map[string]string {
	cfg, wrong := m.cfg, make(map[string]string)
	if limit := cfg.MaxCPU * float64(runtime.NumCPU()); limit > 0 && s.CPU > limit {
		wrong["cpu"] = fmt.Sprintf("%.2f cores are busy, the threshold is %.2f", s.CPU, limit)
	}
	if limit := services.Bytes(cfg.MaxMemory * float64(m.budget)); limit > 0 && s.Resident > limit {
		wrong["memory"] = fmt.Sprintf("%s are resident, the threshold is %s", s.Resident, limit)
	}
	// Allocations at start are not a trend, so the budget must be half full.
	if f := m.memory; f.FullIn > 0 && f.FullIn <= cfg.Horizon && s.Resident > m.budget/2 {
		wrong["memoryTrend"] = fmt.Sprintf("the resident set grows by %s a minute and reaches the budget of %s in %s",
			services.Bytes(f.BytesPerSecond*60), m.budget, f.FullIn.Round(time.Second))
	}
	if limit := cfg.MaxSchedulingLatency; limit > 0 && s.SchedulingP99 > limit {
		wrong["scheduling"] = fmt.Sprintf("one in a hundred goroutines waits %s for a processor, the threshold is %s", s.SchedulingP99, limit)
	}
	if limit := cfg.MaxGoroutines; limit > 0 && s.Goroutines > limit {
		wrong["goroutines"] = fmt.Sprintf("there are %d goroutines, the threshold is %d", s.Goroutines, limit)
	}
	for _, service := range s.Services {
		if limit := cfg.MaxLatency; limit > 0 && service.P95 > limit {
			wrong["latency/"+service.Name] = fmt.Sprintf("one in twenty tasks of %s took %s or more, the threshold is %s",
				service.Name, service.P95.Round(time.Millisecond), limit)
		}
	}
	return wrong
}

// judge begins and ends warnings. The caller holds mu.
func (m *Monitor) judge(wrong map[string]string, now time.Time) {
	for name, warning := range m.warnings {
		if _, still := wrong[name]; !still {
			warning.Until = now
			delete(m.warnings, name)
			m.over = append(m.over, warning)
			m.over = slices.Clone(m.over[max(len(m.over)-pastWarnings, 0):])
			m.active.WithLabelValues(name).Set(0)
			m.deps.Log.Info("performance warning over", "warning", name, "lasted", now.Sub(warning.Since))
		}
	}
	for name := range m.beyond {
		if _, still := wrong[name]; !still {
			delete(m.beyond, name)
		}
	}
	for name, detail := range wrong {
		m.beyond[name]++
		warning, lasting := m.warnings[name]
		if !lasting {
			if m.beyond[name] < m.cfg.Sustain {
				continue
			}
			warning = Warning{Name: name, Since: now}
			m.active.WithLabelValues(name).Set(1)
			m.total.WithLabelValues(name).Inc()
			m.deps.Log.Warn("performance warning", "warning", name, "detail", detail)
		}
		warning.Detail = detail
		m.warnings[name] = warning
	}
}
