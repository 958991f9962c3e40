package resources

import (
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// patternWindow is how many of a service's latest leases its pattern covers.
const patternWindow = 256

// Pattern describes how a service uses memory, from its latest leases.
type Pattern struct {
	// Leases that ended since the start; PerMinute is the rate of the latest ones.
	Leases    uint64
	PerMinute float64
	// Refused leases since the start, by reason.
	Refused map[Refusal]uint64
	// Bytes leased, time waited and time held: percentiles of the latest leases.
	BytesP50, BytesP95, BytesMax services.Bytes
	WaitP50, WaitP95             time.Duration
	HeldP50, HeldP95             time.Duration
	// Peak is the most that was leased at once.
	Peak services.Bytes
	// Measured runs, what was booked for them and what they used. Exceeded counts those
	// that used more than was reserved; what they used is booked.
	Measured, Exceeded uint64
	Reserved, Used     services.Bytes
}

// Efficiency returns the fraction of the booked memory that the measured runs used; zero
// before the first. It is at most one, because what a run uses beyond its lease is
// booked as well.
func (p Pattern) Efficiency() float64 {
	if p.Reserved == 0 {
		return 0
	}
	return float64(p.Used) / float64(p.Reserved)
}

// Refusal is why a lease was refused.
type Refusal string

// The reasons of a refusal.
const (
	RefusedTooLarge  Refusal = "too_large"
	RefusedQueueFull Refusal = "queue_full"
	RefusedDeadline  Refusal = "deadline"
)

// refusals lists every Refusal.
var refusals = []Refusal{RefusedTooLarge, RefusedQueueFull, RefusedDeadline}

// pattern collects a service's leases. The manager's mu guards it.
type pattern struct {
	leases  uint64
	latest  services.Recent[past]
	refused [3]uint64 // as in refusals
	peak    services.Bytes
	// measured counts runs, exceeded those beyond their leases, reserved is what was booked
	// for them.
	measured, exceeded uint64
	reserved, used     services.Bytes
	measurements       services.Recent[Measurement]
}

// past is a lease that has ended.
type past struct {
	at           time.Time
	bytes        services.Bytes
	waited, held time.Duration
}

// add records a lease that has ended.
func (p *pattern) add(l past) {
	if p.leases == 0 {
		p.latest = services.NewRecent[past](patternWindow)
	}
	p.leases++
	p.latest.Add(l)
}

// measure records a measured run.
func (p *pattern) measure(one Measurement) {
	if p.measured == 0 {
		p.measurements = services.NewRecent[Measurement](patternWindow)
	}
	p.measurements.Add(one)
	p.measured++
	if one.Used > one.Reserved {
		p.exceeded++
	}
	p.reserved += max(one.Reserved, one.Used)
	p.used += one.Used
}

// refuse counts a refusal.
func (p *pattern) refuse(why Refusal) { p.refused[slices.Index(refusals, why)]++ }

// view returns the pattern as of now.
func (p *pattern) view(now time.Time) Pattern {
	v := Pattern{
		Leases: p.leases, Refused: make(map[Refusal]uint64), Peak: p.peak,
		Measured: p.measured, Exceeded: p.exceeded, Reserved: p.reserved, Used: p.used,
	}
	for i, why := range refusals {
		v.Refused[why] = p.refused[i]
	}
	if p.latest.Len() == 0 {
		return v
	}
	latest := slices.Collect(p.latest.All())
	v.PerMinute = float64(len(latest)) / max(now.Sub(latest[0].at).Minutes(), 1)
	v.BytesP50, v.BytesP95, v.BytesMax = percentiles(latest, func(l past) services.Bytes { return l.bytes })
	v.WaitP50, v.WaitP95, _ = percentiles(latest, func(l past) time.Duration { return l.waited })
	v.HeldP50, v.HeldP95, _ = percentiles(latest, func(l past) time.Duration { return l.held })
	return v
}

// Patterns returns how each service uses memory, by service name.
func (m *Manager) Patterns() map[string]Pattern {
	m.mu.Lock()
	defer m.mu.Unlock()
	patterns := make(map[string]Pattern, len(m.accounts))
	for name, a := range m.accounts {
		patterns[name] = a.pattern.view(time.Now())
	}
	return patterns
}

// percentiles returns the median, the 95th percentile and the largest.
func percentiles[T services.Bytes | time.Duration](list []past, of func(past) T) (p50, p95, largest T) {
	values := make([]T, 0, len(list))
	for _, l := range list {
		values = append(values, of(l))
	}
	p := services.Percentiles(values, 50, 95, 100)
	return p[0], p[1], p[2]
}
