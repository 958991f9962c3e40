package jobs

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// index is what this process knows of all jobs, recordings and conversations, fed by its own
// writes and by the store's watch: lists and the choice of the next job cost no
// read of the store. Safe for concurrent use.
type index struct {
	// ageing is the wait that makes up for one step of priority.
	ageing time.Duration
	// expect guesses how long a job runs.
	expect func(Job) time.Duration
	// changed is called, with no lock held, after each change of a job.
	changed func(Job)

	mu sync.Mutex
	// jobs by id, and all in the order of their creation.
	jobs    map[string]*entry
	ordered []*entry
	// pending are the queued jobs of each service, by turn.
	pending map[string][]*entry
	audio   map[string]Audio
	talks   map[string]services.StoredContext
	bytes   int64 // of all records and stored values
	audioed int64 // bytes of all recordings
	follows map[string]map[chan struct{}]struct{}
}

// entry is a job in the index, without params, fingerprint and result value.
type entry struct {
	job   Job
	bytes int64
	// turn orders the queue: the creation, moved ahead by one ageing step for each
	// step of priority, and back by the time that the job is expected to run. So
	// short jobs overtake long ones, but none that has waited long enough.
	turn time.Time
	// taken tells that this process tries to claim the job just now.
	taken bool
	// seen is when the latest revision came.
	seen time.Time
}

func newIndex(ageing time.Duration, expect func(Job) time.Duration, changed func(Job)) *index {
	return &index{
		ageing: ageing, expect: expect, changed: changed,
		jobs: make(map[string]*entry), pending: make(map[string][]*entry), audio: make(map[string]Audio), talks: make(map[string]services.StoredContext),
		follows: make(map[string]map[chan struct{}]struct{}),
	}
}

func byCreation(a, b *entry) int {
	return cmp.Or(a.job.Created.Compare(b.job.Created), cmp.Compare(a.job.ID, b.job.ID))
}

func byTurn(a, b *entry) int { return cmp.Or(a.turn.Compare(b.turn), byCreation(a, b)) }

// put enters a job's state of so many bytes, unless a later one is known.
func (x *index) put(job Job, bytes int) {
	job.Params, job.Fingerprint = nil, ""
	size := int64(bytes)
	if job.Result != nil {
		light := *job.Result
		light.Value = nil
		size += job.Result.ValueBytes
		job.Result = &light
	}
	x.mu.Lock()
	e := x.jobs[job.ID]
	if e != nil && e.job.Revision >= job.Revision {
		x.mu.Unlock()
		return
	}
	if e == nil {
		e = &entry{job: job}
		x.jobs[job.ID] = e
		at, _ := slices.BinarySearchFunc(x.ordered, e, byCreation)
		x.ordered = slices.Insert(x.ordered, at, e)
	} else {
		x.unqueue(e)
	}
	x.bytes += size - e.bytes
	e.job, e.bytes, e.seen = job, size, time.Now()
	if job.Status == StatusQueued {
		e.turn = job.Created.Add(-time.Duration(job.Priority) * x.ageing).Add(x.expect(job))
		list := x.pending[job.Service]
		at, _ := slices.BinarySearchFunc(list, e, byTurn)
		x.pending[job.Service] = slices.Insert(list, at, e)
	}
	x.tell(job.ID)
	x.mu.Unlock()
	x.changed(job)
}

// unqueue takes a job out of its service's queue, if it is there. The caller
// holds mu.
func (x *index) unqueue(e *entry) {
	list := x.pending[e.job.Service]
	if at, found := slices.BinarySearchFunc(list, e, byTurn); found {
		x.pending[e.job.Service] = slices.Delete(list, at, at+1)
	}
}

// drop forgets a job that was deleted at a revision.
func (x *index) drop(id string, at Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.jobs[id]
	if e == nil || e.job.Revision > at {
		return
	}
	x.unqueue(e)
	delete(x.jobs, id)
	x.bytes -= e.bytes
	if where, found := slices.BinarySearchFunc(x.ordered, e, byCreation); found {
		x.ordered = slices.Delete(x.ordered, where, where+1)
	}
	x.tell(id)
}

// keep forgets all but the records of these keys that are not newer than a
// revision.
func (x *index) keep(keys map[string]bool, until Revision) {
	x.mu.Lock()
	var gone []Job
	for id, e := range x.jobs {
		if !keys[jobKind+"."+id] && e.job.Revision <= until {
			gone = append(gone, e.job)
		}
	}
	var silent []Audio
	for id, audio := range x.audio {
		if !keys[audioKind+"."+id] && audio.Revision <= until {
			silent = append(silent, audio)
		}
	}
	var over []services.StoredContext
	for id, one := range x.talks {
		if !keys[contextKind+"."+id] && Revision(one.Revision) <= until {
			over = append(over, one)
		}
	}
	x.mu.Unlock()
	for _, one := range over {
		x.dropContext(one.ID, Revision(one.Revision))
	}
	for _, job := range gone {
		x.drop(job.ID, job.Revision)
	}
	for _, audio := range silent {
		x.dropAudio(audio.ID, audio.Revision)
	}
}

// tell wakes those who follow a job. The caller holds mu.
func (x *index) tell(id string) {
	for ch := range x.follows[id] {
		select {
		case ch <- struct{}{}:
		default: // it has a wake-up waiting
		}
	}
}

// follow gives a channel that is woken at each change of a job, until stop.
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

// get gives a job's state as known here.
func (x *index) get(id string) (Job, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.jobs[id]
	if e == nil {
		return Job{}, false
	}
	return e.job, true
}

// pick takes the queued job of a service whose turn it is and that fits, and
// marks it as taken.
func (x *index) pick(service string, fits func(Job) bool) (Job, bool) {
	now := time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.pending[service] {
		if !e.taken && !e.job.NotBefore.After(now) && fits(e.job) {
			e.taken = true
			return e.job, true
		}
	}
	return Job{}, false
}

// untake ends a try to claim a job.
func (x *index) untake(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.jobs[id]; e != nil {
		e.taken = false
	}
}

// each calls for every job, the oldest first, with when its state came, until
// the call gives false. It must not call the index.
func (x *index) each(call func(job Job, seen time.Time) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.ordered {
		if !call(e.job, e.seen) {
			return
		}
	}
}

// putAudio enters a recording, dropAudio forgets one.
func (x *index) putAudio(audio Audio) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, known := x.audio[audio.ID]
	if known && old.Revision >= audio.Revision {
		return
	}
	x.audio[audio.ID] = audio
	x.audioed += audio.Bytes - old.Bytes
}

func (x *index) dropAudio(id string, at Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, known := x.audio[id]; known && old.Revision <= at {
		delete(x.audio, id)
		x.audioed -= old.Bytes
	}
}
