package resources

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestAverages(t *testing.T) {
	t.Parallel()
	var v average
	for i, want := range []time.Duration{10, 15, 20} {
		v.add(time.Duration(10*(i+1)) * time.Second)
		require.Equal(t, want*time.Second, v.mean)
	}
	for range 100 {
		v.add(20 * time.Second)
	}
	require.Equal(t, average{averageOver, 20 * time.Second}, v)
	v.add(20*time.Second + averageOver*time.Second)
	require.Equal(t, 21*time.Second, v.mean, "one of so many")
	var l level
	for i, want := range []float64{1, 1.5, 2} {
		l.add(float64(i+1), 3)
		require.InDelta(t, want, l.mean, 1e-12)
	}
	l.add(5, 3)
	require.InDelta(t, 3, l.mean, 1e-12)
}

// TestHowLongATaskIsExpectedToTake takes the most special figure that is known.
func TestHowLongATaskIsExpectedToTake(t *testing.T) {
	t.Parallel()
	ar := &arena{}
	a := &account{holds: time.Second, first: average{1, 2 * time.Second}}
	f := &flow{first: make(map[*arena]*average)}
	w := &waiter{account: a, arena: ar, lease: &Lease{flow: f}}
	require.Equal(t, 2*time.Second, w.expected(), "of the service")
	ar.first = average{1, 3 * time.Second}
	require.Equal(t, 3*time.Second, w.expected(), "of the model")
	f.first[ar] = &average{1, 4 * time.Second}
	require.Equal(t, 4*time.Second, w.expected(), "of the tenant with the model")
	w.yielded = true
	require.Equal(t, time.Second, w.expected(), "of a later slot")
}

// TestHowMuchMoreUrgentTasksUse has a flow of which half was of high priority.
func TestHowMuchMoreUrgentTasksUse(t *testing.T) {
	t.Parallel()
	f := &flow{}
	f.note(services.PriorityHigh, useMemory)
	require.Equal(t, [3]float64{0, 0, 0.5}, f.parts)
	f.note(services.PriorityNormal, useMemory)
	require.Equal(t, [3]float64{0, 0.5, 0.25}, f.parts)
	f.used = 2
	const ageing = 10 * time.Second
	for _, c := range []struct {
		priority services.Priority
		waits    time.Duration
		want     time.Duration
	}{
		{services.PriorityHigh, time.Hour, 0},
		{services.PriorityNormal, 4 * time.Second, 2 * time.Second},        // a quarter of two slots
		{services.PriorityNormal, time.Hour, 5 * time.Second},              // at most one ageing step
		{services.PriorityLow, 4 * time.Second, 6 * time.Second},           // also those of normal priority
		{services.PriorityLow, time.Hour, 10*time.Second + 10*time.Second}, // two steps ahead of high ones
	} {
		require.Equal(t, c.want, f.overtaking(c.priority, c.waits, ageing), "%+v", c)
	}
}

// TestTheWorkOfAFlow has two tasks at work and two waiting, of a tenant of double weight.
func TestTheWorkOfAFlow(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	w := &waiter{}
	f := &flow{weight: 2, running: 2, fresh: []*waiter{w}, yielded: []*waiter{w}, at: start, usedAt: start}
	f.advance(start.Add(useMemory))
	require.Equal(t, []time.Duration{useMemory, useMemory / 2}, []time.Duration{f.tag, f.rounds})
	require.InDelta(t, 2*(1-1/math.E), f.used, 1e-9)
	require.Zero(t, f.spent)
	require.Equal(t, start.Add(useMemory), f.usedAt)
	f.running = 0
	f.advance(start.Add(2 * useMemory))
	require.InDelta(t, 2*(1-1/math.E)/math.E, f.used, 1e-9, "it fades")
	f.running = 1
	f.advance(start.Add(2*useMemory + time.Second - 1))
	require.Equal(t, time.Second-1, f.spent, "a sample takes a second")
	f.advance(start.Add(2*useMemory + time.Second))
	require.Zero(t, f.spent)
}

// TestWhenANewTaskWouldStart has tasks of ten seconds in two slots.
func TestWhenANewTaskWouldStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		running, waiting int
		priority         services.Priority
		want             time.Duration
	}{
		{"nothing runs", 0, 0, services.PriorityNormal, leastPause},
		{"one runs", 1, 0, services.PriorityNormal, 2500 * time.Millisecond}, // half of it, in two slots
		{"both run", 2, 0, services.PriorityNormal, 5 * time.Second},
		{"one waits", 2, 1, services.PriorityNormal, 10 * time.Second},
		{"three wait", 2, 3, services.PriorityNormal, 20 * time.Second},
		{"three wait, less urgent", 2, 3, services.PriorityHigh, 5 * time.Second},
		// A quarter of the work was of normal priority, in 1-exp(-1/3) slots.
		{"three wait, more urgent", 2, 3, services.PriorityLow, time.Duration(20 / (1 - 0.125*(1-math.Exp(-1.0/3))) * 1e9)},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newManager()
			past := acquire(t, m, request(mb))
			time.Sleep(10 * time.Second)
			past.Release()
			var held []*Lease
			for range c.running {
				held = append(held, acquire(t, m, request(mb)))
			}
			order := make(chan string, c.waiting)
			for range c.waiting {
				queued(t, m, order, "waits", request(mb))
			}
			m.mu.Lock()
			got := m.turnIn(m.flow(m.accounts["echo"], "", time.Now()), c.priority, time.Now())
			require.Equal(t, c.waiting, m.accounts["echo"].waiting())
			m.mu.Unlock()
			require.InDelta(t, c.want.Seconds(), got.Seconds(), 1e-6, c.name)
			for _, lease := range held {
				lease.Release()
			}
			synctest.Wait()
		})
	}
}

// TestWhenMemoryIsShort has the limit of the booked and of the expected memory.
func TestWhenMemoryIsShort(t *testing.T) {
	t.Parallel()
	m := newManager()
	const full = 90 * mb
	require.False(t, m.shortOfMemory(Outlook{Resident: full}))
	require.True(t, m.shortOfMemory(Outlook{Resident: full + 1}))
	lease := acquire(t, m, request(full))
	require.False(t, m.shortOfMemory(Outlook{}))
	more := acquire(t, m, request(1))
	require.True(t, m.shortOfMemory(Outlook{}))
	m.cfg.Enabled = false
	require.False(t, m.shortOfMemory(Outlook{Resident: 1000 * mb}))
	lease.Release()
	more.Release()
}

// TestWhatIsACrowd has waiting tasks for two slots.
func TestWhatIsACrowd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		waiting          int
		expected         float64
		crowded, backlog int
	}{{0, 100, 0, 0}, {1, 0, 0, 1}, {4, 0, 0, 1}, {5, 0, 1, 1}, {1, 4, 0, 1}, {1, 4.1, 1, 1}} {
		var trend trend
		trend.observe(0, c.waiting, c.expected, 2)
		require.Equal(t, []int{c.crowded, c.backlog, leastHold, 1}, []int{trend.crowded, trend.backlog, trend.hold, trend.since}, "%+v", c)
	}
	for n, want := range map[int]bool{crowdedAfter - 1: false, crowdedAfter: true} {
		require.Equal(t, want, (&trend{crowded: n}).lasting())
	}
	for n, want := range map[int]bool{backlogAfter - 1: false, backlogAfter: true} {
		require.Equal(t, want, (&trend{backlog: n}).lasting())
	}
	moved := trend{narrowed: true, since: 4*leastHold - 1, hold: leastHold}
	moved.moved(1)
	require.Equal(t, trend{hold: 2 * leastHold}, moved, "it was a mistake to narrow")
	moved = trend{narrowed: true, since: 4 * leastHold, hold: leastHold}
	moved.moved(-1)
	require.Equal(t, trend{hold: leastHold, narrowed: true}, moved)
	moved = trend{narrowed: true, hold: longestHold}
	moved.moved(1)
	require.Equal(t, longestHold, moved.hold)
}

// TestACleanupIsCounted has a model that is in use at first, one whose eviction fails, and
// one that goes.
func TestACleanupIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		for name, vec := range map[string]prometheus.Collector{
			"evictions": m.metrics.evictions, "loads": m.metrics.loads, "predicted": m.metrics.predicted, "used": m.metrics.used,
		} {
			require.Equal(t, 2, testutil.CollectAndCount(vec), "%s: each service has its series from the start", name)
		}
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, KeepAlive: time.Minute})
		inUse := true
		var resident services.Resident
		resident = m.Hold(t.Context(), "echo", "tiny", 10*mb, func(context.Context) error {
			if inUse {
				return services.ErrInUse
			}
			resident.Release()
			return nil
		})
		time.Sleep(time.Minute)
		m.Cleanup()
		require.Equal(t, Cleanups{Runs: 1, Last: time.Now()}, m.cleaned.view(time.Now()), "not before its time is over")
		time.Sleep(1)
		m.Cleanup()
		require.Zero(t, m.cleaned.total.Models)
		require.NoError(t, m.residents[0].failed, "one in use is no failure")
		inUse = false
		m.Cleanup()
		got := m.cleaned.view(time.Now())
		require.Equal(t, []any{3, 1, 10 * mb, time.Now()}, []any{int(got.Runs), int(got.Models), got.Bytes, got.Last})
		require.Equal(t, 1, int(got.LastHour.Models))
		time.Sleep(time.Hour)
		require.Equal(t, 1, int(m.cleaned.view(time.Now()).LastHour.Models))
		time.Sleep(1)
		require.Zero(t, int(m.cleaned.view(time.Now()).LastHour.Models))
		require.InDelta(t, 1, testutil.ToFloat64(m.metrics.evictions.WithLabelValues("echo")), 0)
		require.Zero(t, totals(m).Resident)
	})
	p := new(predictor)
	p.learn(20*mb, sized(2), 40*mb)
	require.Equal(t, services.Bytes(-5), p.reserve(-5, sized(2)), "no estimate is corrected")
}
