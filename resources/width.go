package resources

import (
	"fmt"
	"math"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// The width of a service is how many of its tasks may run at once. It grows soon and shrinks
// late, so that chance does not move it to and fro: it grows when the demand of late, over
// about two minutes with the default interval, fills the slots, and shrinks when that of about
// five minutes would leave most of one slot less unused, and has done so for further five
// minutes. A width that has to grow soon after it shrank shrinks later the next time.
const (
	// slotUse is the part of the slots that may be busy before the width grows; above it
	// tasks wait although they would fit on average.
	slotUse = 0.8
	// narrowUse is the part of the remaining slots that may be busy after the width has
	// shrunk.
	narrowUse = 0.5
	// recentSamples and longSamples are about how many samples the two averages of the
	// demand cover.
	recentSamples, longSamples = 24, 60
	// insist is how many samples in a row must recommend a step before it is taken, and
	// hold how many a narrowing takes, at first and at most.
	insist, leastHold, longestHold = 3, 60, 16 * 60
	// crowdedAfter and backlogAfter are how many samples in a row must find or expect more
	// than two tasks waiting for each slot, or find any, before they widen the service.
	crowdedAfter, backlogAfter = 4, 24
)

// level is the mean of all values at first, and later a moving average.
type level struct {
	count int
	mean  float64
}

// add adds a value to an average over about so many.
func (l *level) add(value float64, over int) {
	l.count = min(l.count+1, over)
	l.mean += (value - l.mean) / float64(l.count)
}

// trend is what the width of a service follows. The manager's mu guards it.
type trend struct {
	recent, long level
	// crowded and backlog count samples in a row in which tasks waited.
	crowded, backlog int
	// pressure counts consecutive samples that recommended to widen (positive) or to
	// narrow (negative).
	pressure int
	// hold is how many of them narrow, since how long the width has not changed, in
	// samples, and narrowed is set if it shrank then.
	hold, since int
	narrowed    bool
}

// observe adds a sample: the slots that are asked for, the tasks that wait, and how many
// are expected to.
func (t *trend) observe(demand float64, waiting int, expected float64, runs int) {
	t.recent.add(demand, recentSamples)
	t.long.add(demand, longSamples)
	t.since++
	if t.hold == 0 || t.since > 8*t.hold {
		t.hold = leastHold
	}
	crowded := waiting > 0 && max(float64(waiting), expected) > float64(2*runs)
	t.crowded, t.backlog = (t.crowded+1)*flag(crowded), (t.backlog+1)*flag(waiting > 0)
}

// flag returns 1 for true.
func flag(set bool) int {
	if set {
		return 1
	}
	return 0
}

// lasting reports whether tasks have waited for so long that the demand must be
// underestimated.
func (t *trend) lasting() bool { return t.crowded >= crowdedAfter || t.backlog >= backlogAfter }

// moved records that the width has changed.
func (t *trend) moved(step int) {
	if step > 0 && t.narrowed && t.since < 4*t.hold {
		t.hold = min(2*t.hold, longestHold)
	}
	t.pressure, t.since, t.narrowed = 0, 0, step < 0
	t.crowded, t.backlog = 0, 0
}

// adviseRuns returns how many runs a service should have. The caller holds mu.
func (m *Manager) adviseRuns(a *account, outlook Outlook) RunAdvice {
	waiting := 0
	for w := range m.waiters() {
		if w.account == a && w.arena.more(w.needs()) <= m.free() {
			waiting++
		}
	}
	expected, t := outlook.Services[a.service], &a.demand.trend
	advice := RunAdvice{
		Service: a.service, Runs: a.runs(), Configured: a.limit.Runs, Max: a.maxRuns(), Action: Stay,
		Reason: "it is as wide as the demand for it",
	}
	t.observe(expected.PerSecond*a.demand.work.mean.Seconds(), waiting, expected.Waiting, advice.Runs)
	advice.Demand = t.recent.mean
	advice.Wanted = int(math.Ceil(advice.Demand / slotUse))
	if t.lasting() {
		advice.Wanted = max(advice.Wanted, advice.Runs+1)
	}
	advice.Wanted = min(max(advice.Wanted, 1), advice.Max)
	unused := advice.Wanted < advice.Runs && t.long.mean <= narrowUse*float64(advice.Runs-1) && waiting == 0
	switch room, next := m.free()+m.idle(a), a.pattern.view(time.Now()).BytesP95; {
	case !a.adaptable():
		advice.Reason = "its runs are set"
	case advice.Wanted > advice.Runs && m.cfg.Enabled && room < next:
		advice.Reason = fmt.Sprintf("another run takes %s, and %s could be had", next, room)
	case advice.Wanted > advice.Runs && outlook.IdleCores < leastIdle*float64(outlook.Cores):
		advice.Reason = fmt.Sprintf("another run would find no idle core: %.1f of %d are", outlook.IdleCores, outlook.Cores)
	case advice.Wanted > advice.Runs:
		advice.Action, advice.Reason = Widen, fmt.Sprintf("%d tasks wait, and %.2f slots are asked for", waiting, advice.Demand)
	case advice.Wanted < advice.Runs && m.othersLackBytes(a):
		advice.Action, advice.Reason = Narrow, fmt.Sprintf("only %.2f slots are asked for, and others wait for memory", advice.Demand)
	case unused && advice.Runs > advice.Configured:
		advice.Action = Narrow
		advice.Reason = fmt.Sprintf("only %.2f slots are asked for, in %d of the %d samples in a row that narrow it",
			t.long.mean, max(-t.pressure, 0)+1, t.hold)
	case advice.Wanted < advice.Runs && advice.Runs > advice.Configured:
		advice.Reason = fmt.Sprintf("only %.2f slots are asked for, but %.2f were of late", advice.Demand, t.long.mean)
	}
	return advice
}

// adapt takes the step that was advised often enough in a row, and reports whether it
// did. The caller holds mu.
func (m *Manager) adapt(a *account, advice RunAdvice) bool {
	t := &a.demand.trend
	step, after := map[Action]int{Widen: 1, Narrow: -1}[advice.Action], insist
	if step < 0 && !m.othersLackBytes(a) {
		after = t.hold
	}
	if step == 0 || step*t.pressure < 0 {
		t.pressure = 0
	}
	if t.pressure += step; step*t.pressure < after {
		return false
	}
	t.moved(step)
	a.demand.width = advice.Runs + step
	return true
}

// idle returns how many bytes unloading the idle models of other services would free.
// The caller holds mu.
func (m *Manager) idle(a *account) (sum services.Bytes) {
	for _, r := range m.residents {
		if r.account != a && !r.busy() {
			sum += r.bytes
		}
	}
	return sum
}

// othersLackBytes reports whether a task of another service waits for memory. The
// caller holds mu.
func (m *Manager) othersLackBytes(a *account) bool {
	for w := range m.waiters() {
		if w.account != a && w.arena.more(w.needs()) > m.free() {
			return true
		}
	}
	return false
}
