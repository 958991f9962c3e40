package jobs

import (
	"cmp"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// index orders the queued jobs of the collection in memory, so that choosing the next
// job needs no read of the store, and wakes the followers of a job. Safe for concurrent
// use.
type index struct {
	// ageing is the waiting time that counts as much as one priority level.
	ageing time.Duration
	// expect estimates how long a job runs.
	expect func(Job) time.Duration
	// weights are the tenants' parts of the places; that of others is one.
	weights map[string]float64

	mu sync.Mutex
	// queued jobs by id, and in a line for each service; backlogs counts those of each
	// owner, and all those of everyone.
	queued   map[string]*entry
	lines    map[string]*line
	backlogs map[string]*backlog
	all      backlog
	// taken are the jobs that this process is claiming.
	taken map[string]bool
	bytes int64 // of all records and stored values
	// counts of all jobs by owner and status.
	counts  map[string]map[Status]int
	follows map[string]map[chan struct{}]struct{}
	// feeds follow all jobs; latest is the latest revision of any.
	feeds  map[*feed]struct{}
	latest Revision
}

// entry is a queued job.
type entry struct {
	job Job
	// turn orders the owner's queue: the creation time, minus one ageing step per priority
	// level, plus the expected run time. So short jobs overtake long ones unless these
	// have waited long enough.
	turn time.Time
}

func newIndex(ageing time.Duration, weights map[string]float64, expect func(Job) time.Duration) *index {
	return &index{
		ageing: ageing, expect: expect, weights: weights, queued: make(map[string]*entry), lines: make(map[string]*line),
		backlogs: make(map[string]*backlog), taken: make(map[string]bool), counts: make(map[string]map[Status]int),
		follows: make(map[string]map[chan struct{}]struct{}),
		feeds:   make(map[*feed]struct{}),
	}
}

func byTurn(a, b *entry) int {
	return cmp.Or(a.turn.Compare(b.turn), a.job.Created.Compare(b.job.Created), cmp.Compare(a.job.ID, b.job.ID))
}

// observe applies a change of a job.
func (x *index) observe(e records.Event[Job]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.bytes += size(e.Now) - size(e.Before)
	x.count(e.Before, -1)
	x.count(e.Now, 1)
	if waiting := x.queued[e.ID]; waiting != nil {
		x.dequeue(waiting)
	}
	if e.Now != nil && e.Now.Value.Status == StatusQueued {
		x.enqueue(e.Now.Value)
	}
	for ch := range x.follows[e.ID] {
		select {
		case ch <- struct{}{}:
		default: // a wake-up is pending
		}
	}
	x.notify(e)
}

// count adds to the count of jobs like one. The caller holds mu.
func (x *index) count(e *records.Entry[Job], add int) {
	if e == nil {
		return
	}
	owner, status := e.Value.Owner, e.Value.Status
	if x.counts[owner] == nil {
		x.counts[owner] = make(map[Status]int)
	}
	if x.counts[owner][status] += add; x.counts[owner][status] == 0 {
		delete(x.counts[owner], status)
	}
	if len(x.counts[owner]) == 0 {
		delete(x.counts, owner)
	}
}

// countsOf returns the numbers of an owner's jobs by status, or with "" of all jobs.
func (x *index) countsOf(owner string) map[Status]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	sum := make(map[Status]int)
	for of, counts := range x.counts {
		if owner == "" || owner == of {
			for status, n := range counts {
				sum[status] += n
			}
		}
	}
	return sum
}

// enqueue adds a waiting job. The caller holds mu.
func (x *index) enqueue(job Job) {
	waiting := &entry{job, job.Created.Add(-time.Duration(job.Priority) * x.ageing).Add(x.expect(job))}
	x.queued[job.ID] = waiting
	x.line(job.Service).tenant(job.Owner, x.weight(job.Owner)).insert(waiting)
	if x.backlogs[job.Owner] == nil {
		x.backlogs[job.Owner] = &backlog{}
	}
	x.backlogs[job.Owner].came()
	x.all.came()
}

// dequeue removes a waiting job. The caller holds mu.
func (x *index) dequeue(waiting *entry) {
	job, now := waiting.job, time.Now()
	delete(x.queued, job.ID)
	l := x.line(job.Service)
	t := l.tenant(job.Owner, x.weight(job.Owner))
	t.remove(waiting)
	l.forget(t)
	x.all.left(now)
	if mine := x.backlogs[job.Owner]; mine.left(now) == 0 {
		delete(x.backlogs, job.Owner)
	}
}

// line returns the line of a service. The caller holds mu.
func (x *index) line(service string) *line {
	l := x.lines[service]
	if l == nil {
		l = &line{tenants: make(map[string]*tenant)}
		x.lines[service] = l
	}
	return l
}

// weight returns the weight of an owner.
func (x *index) weight(owner string) float64 {
	if w, ok := x.weights[owner]; ok {
		return w
	}
	return 1
}

// size returns the bytes of a job's record and stored value.
func size(e *records.Entry[Job]) int64 {
	if e == nil {
		return 0
	}
	bytes := int64(e.Bytes)
	if e.Value.Result != nil {
		bytes += e.Value.Result.ValueBytes
	}
	return bytes
}

// follow returns a channel that receives a value after each change of a job until stop
// is called.
func (x *index) follow(id string) (woken <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.follows[id] == nil {
		x.follows[id] = make(map[chan struct{}]struct{})
	}
	x.follows[id][ch] = struct{}{}
	return ch, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.follows[id], ch)
		if len(x.follows[id]) == 0 {
			delete(x.follows, id)
		}
	}
}

// pick returns the job of a service that starts next, and gives it a place, which leave
// returns. The meter measures its work.
func (x *index) pick(service string, r room) (Job, *services.Meter, bool) {
	now := time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.line(service)
	t, e := l.pick(now, r, x.taken, x.expect)
	if e == nil {
		return Job{}, nil, false
	}
	x.taken[e.job.ID] = true
	c := l.take(t, e, x.expect(e.job), now)
	return e.job, &c.meter, true
}

// leave returns the place of a job.
func (x *index) leave(job Job) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.taken, job.ID)
	l := x.line(job.Service)
	l.leave(l.tenants[job.Owner], job.ID, time.Now())
}

// stored returns the bytes of all jobs.
func (x *index) stored() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.bytes
}
