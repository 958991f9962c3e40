package jobs

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// modelJob is a job of the model.
type modelJob struct {
	Job
	began time.Time // zero while it waits
	takes time.Duration
	meter *services.Meter
}

// model is the queue of one service as a list, with the work that each owner has had done.
type model struct {
	t       *testing.T
	index   *index
	room    room
	jobs    map[string]*modelJob
	work    map[string]float64 // seconds by weight
	virtual float64
	active  map[string]bool
}

// expected is the estimate of a job, which the tests keep in its size in milliseconds.
func expected(job Job) time.Duration { return time.Duration(job.AudioBytes) * time.Millisecond }

func (m *model) weight(owner string) float64 { return cmp.Or(m.index.weights[owner], 1) }

// add queues a job.
func (m *model) add(job Job, takes time.Duration) {
	job.Status, job.Service = StatusQueued, "echo"
	m.jobs[job.ID] = &modelJob{Job: job, takes: takes}
	m.index.observe(records.Event[Job]{ID: job.ID, Now: &records.Entry[Job]{Value: job}})
}

// has returns an owner's running jobs, and how many of them are long.
func (m *model) has(owner string) (all []*modelJob, longs int) {
	for _, j := range m.jobs {
		if j.Owner == owner && !j.began.IsZero() {
			all = append(all, j)
			if expected(j.Job) >= longRun {
				longs++
			}
		}
	}
	return all, longs
}

// charged is the work of an owner by weight, with that of its running jobs.
func (m *model) charged(owner string) float64 {
	running, _ := m.has(owner)
	var more time.Duration
	for _, j := range running {
		more += max(expected(j.Job), time.Since(j.began))
	}
	return m.work[owner] + more.Seconds()/m.weight(owner)
}

// candidates returns the first startable job of each owner.
func (m *model) candidates() map[string]*modelJob {
	total := 0
	for _, j := range m.jobs {
		if !j.began.IsZero() {
			total++
		}
	}
	first := make(map[string]*modelJob)
	turn := func(j *modelJob) time.Time {
		return j.Created.Add(-time.Duration(j.Priority) * m.index.ageing).Add(expected(j.Job))
	}
	for _, j := range m.jobs {
		mine, longs := m.has(j.Owner)
		long := expected(j.Job) >= longRun
		switch {
		case !j.began.IsZero(), j.NotBefore.After(time.Now()):
			continue
		case len(mine) == 0 && total >= crowd*m.room.own+guests:
			continue
		case len(mine) > 0 && (len(mine) >= m.room.own || total >= crowd*m.room.own || long && longs >= m.room.long):
			continue
		}
		if best := first[j.Owner]; best == nil || cmp.Or(turn(j).Compare(turn(best)), j.Created.Compare(best.Created),
			cmp.Compare(j.ID, best.ID)) < 0 {
			first[j.Owner] = j
		}
	}
	return first
}

// start has the index pick as many jobs as it will, and checks each choice.
func (m *model) start() {
	for {
		first := m.candidates()
		least, some := 0.0, false
		for owner, active := range m.active {
			if work := m.charged(owner); active && (!some || work < least) {
				least, some = work, true
			}
		}
		m.virtual = max(m.virtual, least)
		for owner := range m.active {
			if running, _ := m.has(owner); first[owner] == nil && len(running) == 0 {
				m.active[owner] = false
			}
		}
		for owner := range first {
			if !m.active[owner] {
				m.active[owner], m.work[owner] = true, max(m.work[owner], m.virtual)
			}
		}
		job, meter, found := m.index.pick("echo", m.room)
		require.Equal(m.t, len(first) > 0, found)
		if !found {
			return
		}
		require.Equal(m.t, first[job.Owner].ID, job.ID, "the first of its owner")
		mine, _ := m.has(job.Owner)
		for owner, other := range first {
			running, _ := m.has(owner)
			require.LessOrEqual(m.t, m.charged(job.Owner), m.charged(owner)+1e-6, "%s had more than %s", job.Owner, owner)
			if m.charged(owner) == m.charged(job.Owner) {
				require.LessOrEqual(m.t, len(mine), len(running), "%s and %s", job.ID, other.ID)
			}
		}
		m.virtual = max(m.virtual, m.charged(job.Owner))
		m.jobs[job.ID].began, m.jobs[job.ID].meter = time.Now(), meter
		meter.Begin(time.Now())
		running := job
		running.Status = StatusRunning
		m.index.observe(records.Event[Job]{ID: job.ID, Before: &records.Entry[Job]{Value: job}, Now: &records.Entry[Job]{Value: running}})
	}
}

// finish ends the jobs that have run.
func (m *model) finish() {
	for _, id := range slices.Sorted(func(yield func(string) bool) {
		for id, j := range m.jobs {
			if !j.began.IsZero() && time.Since(j.began) >= j.takes && !yield(id) {
				return
			}
		}
	}) {
		j := m.jobs[id]
		j.meter.End(time.Now())
		m.index.leave(j.Job)
		delete(m.jobs, id)
		m.work[j.Owner] += time.Since(j.began).Seconds() / m.weight(j.Owner)
		if !slices.ContainsFunc(slices.Collect(maps.Values(m.jobs)), func(other *modelJob) bool { return other.Owner == j.Owner }) {
			m.active[j.Owner] = false
		}
		if len(m.jobs) == 0 {
			clear(m.work)
			clear(m.active)
			m.virtual = 0
		}
	}
}

// TestPlacesAreSharedAsTheModelSays plays random queues of up to forty owners against the model.
func TestPlacesAreSharedAsTheModelSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				m := &model{
					t: t, room: room{own: 1 + r.IntN(6), long: 1}, jobs: make(map[string]*modelJob), work: make(map[string]float64),
					active: make(map[string]bool),
				}
				m.room.long = min(m.room.own, 1+r.IntN(3))
				m.index = newIndex(30*time.Second, map[string]float64{"owner-1": 3, "owner-2": 0.25}, expected)
				owners := 1 + r.IntN(40)
				for step := range 300 {
					for range r.IntN(4) {
						job := Job{
							ID: fmt.Sprintf("job-%03d-%d", step, r.Int32()), Owner: fmt.Sprintf("owner-%d", r.IntN(owners)), Created: time.Now(),
							Priority: services.Priority(r.IntN(3) - 1), AudioBytes: []int64{10, 1000, longRun.Milliseconds()}[r.IntN(3)],
						}
						if r.IntN(8) == 0 {
							job.NotBefore = time.Now().Add(time.Duration(r.IntN(20)) * time.Second)
						}
						m.add(job, time.Duration(float64(expected(job))*(0.2+2*r.Float64())))
					}
					m.start()
					time.Sleep(time.Duration(r.Int64N(int64(4 * time.Second))))
					m.finish()
					if r.IntN(50) == 0 { // everything ends, and debts with it
						time.Sleep(time.Hour)
						for len(m.jobs) > 0 {
							m.finish()
							m.start()
							time.Sleep(time.Hour)
						}
					}
				}
			})
		})
	}
}

// TestOwnersThatWentAreForgotten has a thousand owners come one after the other while one
// stays.
func TestOwnersThatWentAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{
			t: t, room: room{own: 2, long: 1}, jobs: make(map[string]*modelJob), work: make(map[string]float64), active: make(map[string]bool),
		}
		m.index = newIndex(30*time.Second, nil, expected)
		m.add(Job{ID: "stays", Owner: "stays", Created: time.Now(), AudioBytes: 10}, 24*time.Hour)
		for i := range 1000 {
			m.add(Job{ID: fmt.Sprint(i), Owner: fmt.Sprint(i), Created: time.Now(), AudioBytes: 10}, time.Second)
			m.start()
			time.Sleep(time.Second)
			m.finish()
		}
		require.LessOrEqual(t, len(m.index.lines["echo"].tenants), 3)
		gone := Job{ID: "gone", Owner: "gone", Service: "echo", Created: time.Now(), NotBefore: time.Now().Add(time.Hour)}
		m.add(gone, time.Second)
		m.start()
		m.index.observe(records.Event[Job]{ID: "gone"}) // cancelled while it waits
		delete(m.jobs, "gone")
		require.Nil(t, m.index.lines["echo"].tenants["gone"])
		time.Sleep(24 * time.Hour)
		m.finish()
		require.Empty(t, m.index.lines["echo"].tenants)
		q, _ := m.index.queue("stays", 10)
		require.Equal(t, Queue{Limit: 10}, q)
	})
}
