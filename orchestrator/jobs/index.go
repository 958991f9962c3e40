package jobs

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// index orders the queued jobs of the collection in memory, so that choosing the next
// job needs no read of the store, and wakes the followers of a job. Safe for concurrent
// use.
type index struct {
	// ageing is the waiting time that counts as much as one priority level.
	ageing time.Duration
	// expect estimates how long a job runs.
	expect func(Job) time.Duration

	mu sync.Mutex
	// queued jobs by id, and by turn for each service.
	queued  map[string]*entry
	pending map[string][]*entry
	// taken are the jobs that this process is claiming.
	taken   map[string]bool
	bytes   int64 // of all records and stored values
	follows map[string]map[chan struct{}]struct{}
	// feeds follow all jobs; latest is the latest revision of any.
	feeds  map[*feed]struct{}
	latest Revision
}

// entry is a queued job.
type entry struct {
	job Job
	// turn orders the queue: the creation time, minus one ageing step per priority
	// level, plus the expected run time. So short jobs overtake long ones unless these
	// have waited long enough.
	turn time.Time
}

func newIndex(ageing time.Duration, expect func(Job) time.Duration) *index {
	return &index{
		ageing: ageing, expect: expect, queued: make(map[string]*entry), pending: make(map[string][]*entry),
		taken: make(map[string]bool), follows: make(map[string]map[chan struct{}]struct{}),
		feeds: make(map[*feed]struct{}),
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
	if waiting := x.queued[e.ID]; waiting != nil {
		delete(x.queued, e.ID)
		list := x.pending[waiting.job.Service]
		if at, found := slices.BinarySearchFunc(list, waiting, byTurn); found {
			x.pending[waiting.job.Service] = slices.Delete(list, at, at+1)
		}
	}
	if e.Now != nil && e.Now.Value.Status == StatusQueued {
		job := e.Now.Value
		waiting := &entry{job, job.Created.Add(-time.Duration(job.Priority) * x.ageing).Add(x.expect(job))}
		list := x.pending[job.Service]
		at, _ := slices.BinarySearchFunc(list, waiting, byTurn)
		x.queued[e.ID], x.pending[job.Service] = waiting, slices.Insert(list, at, waiting)
	}
	for ch := range x.follows[e.ID] {
		select {
		case ch <- struct{}{}:
		default: // a wake-up is pending
		}
	}
	x.notify(e)
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

// pick returns the first queued job of a service for which fits returns true, and marks
// it as taken.
func (x *index) pick(service string, fits func(Job) bool) (Job, bool) {
	now := time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.pending[service] {
		if !x.taken[e.job.ID] && !e.job.NotBefore.After(now) && fits(e.job) {
			x.taken[e.job.ID] = true
			return e.job, true
		}
	}
	return Job{}, false
}

// untake removes the mark of pick.
func (x *index) untake(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.taken, id)
}

// length returns how many jobs are queued.
func (x *index) length() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.queued)
}

// stored returns the bytes of all jobs.
func (x *index) stored() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.bytes
}
