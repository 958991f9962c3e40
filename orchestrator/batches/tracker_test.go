package batches

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// walkItems is the number of items of the batch of the walk.
const walkItems = 6

// model is what must be known of a batch after some changes of it and of its items' jobs.
type model struct {
	batch    *Batch
	jobs     map[int]*jobs.Job
	retained map[int]bool // whether a job is that of an item that had ended at the last change
	refused  map[int]bool
}

func (w *model) open(item int) bool {
	return w.batch == nil || w.batch.States.at(item) == stateOpen
}

// fresh returns the job of an item that counts.
func (w *model) fresh(item int) *jobs.Job {
	job := w.jobs[item]
	if job == nil || w.retained[item] || w.batch.isStale(job) {
		return nil
	}
	return job
}

// status returns where an item is, "" if it waits.
func (w *model) status(item int) jobs.Status {
	switch {
	case w.refused[item]:
		return jobs.StatusFailed
	case !w.open(item):
		return w.batch.States.at(item).status()
	case w.fresh(item) != nil:
		return w.fresh(item).Status
	}
	return ""
}

// step changes the batch or a job at random, in the manager and in the model.
func (w *model) step(m *Manager, random *rand.Rand) {
	item := random.IntN(walkItems)
	switch random.IntN(8) {
	case 0: // another state of the record
		b := Batch{
			ID: "b", Owner: "alice", Items: walkItems, States: newStates(walkItems), Status: StatusRunning,
			CancelRequested: random.IntN(3) == 0, Retried: time.Unix(int64(random.IntN(3)), 0), RetriedAll: random.IntN(2) == 0,
		}
		if random.IntN(4) == 0 {
			b.Status = StatusFailed
		}
		for i := range walkItems {
			b.States.set(i, state(max(0, random.IntN(7)-3)))
		}
		w.batch = &b
		for i := range walkItems {
			w.retained[i] = !w.open(i)
			if w.retained[i] {
				delete(w.refused, i)
			}
		}
		m.changed(records.Event[Batch]{ID: "b", Now: &records.Entry[Batch]{Value: b}})
	case 1:
		if w.batch != nil && random.IntN(4) == 0 {
			w.batch = nil
			if len(w.jobs) == 0 {
				clear(w.refused)
			}
			m.changed(records.Event[Batch]{ID: "b"})
		}
	case 2:
		if w.batch != nil && w.open(item) && w.jobs[item] == nil {
			w.refused[item] = true
			m.refuse("b", item, &jobs.Failure{Message: fmt.Sprint(item)})
		}
	case 3:
		if job := w.jobs[item]; job != nil {
			delete(w.jobs, item)
			if w.batch == nil && len(w.jobs) == 0 {
				clear(w.refused)
			}
			m.itemChanged(job.ID, job, nil)
		}
	default:
		if !w.refused[item] {
			job := &jobs.Job{
				ID: fmt.Sprint("job-", item), Batch: "b", Item: item, Status: jobs.Statuses()[random.IntN(5)], Progress: 0.5,
				Finished: time.Unix(int64(random.IntN(3)), 0), Failure: &jobs.Failure{Message: "job"},
			}
			before := w.jobs[item]
			w.jobs[item], w.retained[item] = job, !w.open(item)
			m.itemChanged(job.ID, before, job)
		}
	}
}

// ended returns the items that are to be noted, with "refused", the job's id or nothing.
func (w *model) ended() (list []string, open int) {
	for i := range walkItems {
		if !w.open(i) {
			continue
		}
		open++
		switch job := w.fresh(i); {
		case w.refused[i]:
			list = append(list, fmt.Sprint(i, " refused"))
		case job != nil && job.Status.Terminal():
			list = append(list, fmt.Sprint(i, " ", job.ID))
		case job == nil && w.batch.CancelRequested:
			list = append(list, fmt.Sprint(i, " "))
		}
	}
	return list, open
}

// next returns the item that is to become a job, from a place on, or -1.
func (w *model) next(from, window int) int {
	waiting := 0
	for i, job := range w.jobs {
		if job.Status == jobs.StatusQueued && !w.retained[i] {
			waiting++
		}
	}
	if waiting >= window {
		return -1
	}
	for i := range walkItems {
		if at := (from + i) % walkItems; w.open(at) && !w.refused[at] && w.fresh(at) == nil {
			return at
		}
	}
	return -1
}

func (w *model) compare(t *testing.T, m *Manager, random *rand.Rand) {
	t.Helper()
	m.mu.Lock()
	one := m.trackers["b"]
	m.mu.Unlock()
	if w.batch == nil {
		require.Equal(t, len(w.jobs) > 0, one != nil, "nothing is remembered of what does not exist")
		ended, open := m.endedItems("b")
		require.Empty(t, ended)
		require.Equal(t, -1, open)
		_, _, found := (&driver{manager: m, id: "b"}).choose()
		require.False(t, found)
		return
	}
	counts, parts := Counts{}, 0.0
	for i := range walkItems {
		got := one.state(i)
		status := w.status(i)
		require.Equal(t, status, got.Status)
		counts.add(status)
		switch {
		case status == "":
			counts.Pending++
			require.Nil(t, got.Job)
		case status == jobs.StatusRunning && w.open(i):
			parts += 0.5
		}
		switch {
		case w.refused[i]:
			require.Equal(t, fmt.Sprint(i), got.Failure.Message)
		case got.Job != nil && status != jobs.StatusSucceeded:
			require.Equal(t, "job", got.Failure.Message)
		default:
			require.Nil(t, got.Failure)
		}
	}
	view := m.view(*w.batch)
	require.Equal(t, counts, view.Counts)
	if w.batch.Status.Terminal() {
		require.InDelta(t, 1, view.Progress, 0)
	} else {
		require.InDelta(t, (float64(counts.Ended())+parts)/walkItems, view.Progress, 1e-9)
	}
	w.compareWork(t, m, random)
}

// compareWork compares what is to be noted and what is to become a job.
func (w *model) compareWork(t *testing.T, m *Manager, random *rand.Rand) {
	t.Helper()
	want, wantOpen := w.ended()
	ended, open := m.endedItems("b")
	var got []string
	for _, e := range ended {
		switch {
		case e.refused != nil:
			got = append(got, fmt.Sprint(e.item, " refused"))
		case e.job != nil:
			got = append(got, fmt.Sprint(e.item, " ", e.job.ID))
		default:
			got = append(got, fmt.Sprint(e.item, " "))
		}
	}
	require.Equal(t, want, got)
	require.Equal(t, wantOpen, open)
	d := &driver{manager: m, id: "b", next: random.IntN(2 * walkItems)}
	next := w.next(d.next, m.cfg.Window)
	item, stale, found := d.choose()
	require.Equal(t, next >= 0, found)
	if found {
		require.Equal(t, next, item)
		require.Equal(t, next+1, d.next)
		require.Equal(t, w.jobs[next], stale)
	}
}

// TestWhatIsKnownOfABatch changes a batch and the jobs of its items at random, in any order,
// and compares what the manager knows with a list after each step.
func TestWhatIsKnownOfABatch(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 5))
		m := over(recordstest.NewMemory())
		m.cfg.Window = 1 + int(seed%3)
		w := &model{jobs: make(map[int]*jobs.Job), retained: make(map[int]bool), refused: make(map[int]bool)}
		for range 200 {
			w.step(m, random)
			w.compare(t, m, random)
		}
	}
}

func TestTheRecordingsThatBatchesNeed(t *testing.T) {
	t.Parallel()
	m := over(recordstest.NewMemory())
	list := func() (lines []string) {
		m.needs(func(owner, id, why string) { lines = append(lines, owner+" "+strings.TrimLeft(id, "0")+" "+why) })
		slices.Sort(lines)
		return lines
	}
	id := func(n byte) audioID { return audioID{31: n} }
	m.expect("b", []audioID{id(1), {}, id(2)})
	require.Empty(t, list(), "the batch does not exist yet")
	b := Batch{ID: "b", Owner: "alice", Items: 3, States: newStates(3), Status: StatusRunning, Sounds: 1, Outputs: make([]Segment, 1)}
	set := func(b Batch) { m.changed(records.Event[Batch]{ID: "b", Now: &records.Entry[Batch]{Value: b}}) }
	set(b)
	require.Error(t, m.pending(), "the sounds are not known")
	m.trackers["b"].sounds, m.trackers["b"].outputs = []audioID{id(9)}, 1
	require.NoError(t, m.pending())
	require.Equal(t, []string{"alice  batch b", "alice 1 batch b", "alice 2 batch b", "alice 9 "}, list())
	b.States = newStates(3)
	b.States.set(0, stateFailed)
	set(b)
	require.Equal(t, []string{"alice  batch b", "alice 2 batch b", "alice 9 "}, list(), "what has ended needs nothing")
	b.Status = StatusCancelled
	set(b)
	require.Equal(t, []string{"alice 9 "}, list())
	require.NoError(t, m.pending())
	require.Nil(t, m.trackers["b"].audio)
	b.Status = StatusRunning // retried
	set(b)
	require.ErrorContains(t, m.pending(), "batch b is still being loaded")
	b.Sounds, b.Outputs, b.Status = 0, nil, StatusFailed
	set(b)
	require.NoError(t, m.pending())
	b.Sounds, b.Outputs = 2, make([]Segment, 2)
	set(b)
	require.ErrorContains(t, m.pending(), "batch b is still being loaded")
	require.True(t, m.needsStep(b))
	m.trackers["b"].outputs = 2
	require.False(t, m.needsStep(b))
	require.False(t, m.needsStep(Batch{ID: "c", Status: StatusFailed}))
	require.True(t, m.needsStep(Batch{ID: "c", Status: StatusRunning}))
}

// TestTheTimeLeft is measured from the submission or the last retry.
func TestTheTimeLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := over(recordstest.NewMemory())
		b := Batch{ID: "b", Items: 4000, States: newStates(4000), Status: StatusRunning, Created: time.Now()}
		for i := range 1000 {
			b.States.set(i, stateSucceeded)
		}
		time.Sleep(time.Minute)
		require.InDelta(t, 180, m.view(b).SecondsLeft, 1e-9)
		b.Retried = b.Created.Add(-time.Hour)
		require.InDelta(t, 180, m.view(b).SecondsLeft, 1e-9)
		b.Retried = b.Created.Add(30 * time.Second)
		require.InDelta(t, 90, m.view(b).SecondsLeft, 1e-9)
		b.Status = StatusFailed
		require.Zero(t, m.view(b).SecondsLeft)
		b.Status, b.States = StatusRunning, newStates(4000)
		require.Zero(t, m.view(b).SecondsLeft, "nothing has ended")
		for i := range 4 {
			b.States.set(i, stateFailed)
			require.Zero(t, m.view(b).SecondsLeft, "too little to know it")
		}
		b.States.set(4, stateFailed)
		require.InDelta(t, 30*3995/5.0, m.view(b).SecondsLeft, 1e-6)
	})
}

// TestTheDriverIsWoken by what lets a batch go on.
func TestTheDriverIsWoken(t *testing.T) {
	t.Parallel()
	m := over(recordstest.NewMemory())
	woken := func() bool {
		select {
		case <-m.wake:
			return true
		default:
			return false
		}
	}
	m.changed(records.Event[Batch]{ID: "b", Now: &records.Entry[Batch]{Value: Batch{ID: "b", Items: 1, States: newStates(1)}}})
	require.True(t, woken())
	job := &jobs.Job{Batch: "b", Status: jobs.StatusQueued}
	m.itemChanged("j", nil, job)
	require.True(t, woken())
	m.itemChanged("j", job, &jobs.Job{Batch: "b", Status: jobs.StatusRunning})
	require.False(t, woken(), "nothing has ended")
	m.itemChanged("j", job, &jobs.Job{Batch: "b", Status: jobs.StatusFailed})
	require.True(t, woken())
	m.itemChanged("j", job, nil)
	m.nudge()
	require.True(t, woken())
	require.False(t, woken())
}

// TestAFollowerLearnsOfEachChange of an item's state in the record, of its job, and of its
// refusal.
func TestAFollowerLearnsOfEachChange(t *testing.T) {
	t.Parallel()
	m := over(recordstest.NewMemory())
	b := Batch{ID: "b", Items: 4, States: newStates(4), Status: StatusRunning}
	set := func() { m.changed(records.Event[Batch]{ID: "b", Now: &records.Entry[Batch]{Value: b}}) }
	set()
	m.itemChanged("j", nil, &jobs.Job{Batch: "b", Item: 1, Status: jobs.StatusRunning})
	m.itemChanged("k", nil, &jobs.Job{Batch: "b", Item: 2, Status: jobs.StatusFailed})
	f := &follower{items: make(map[int]struct{}), woken: make(chan struct{}, 1)}
	stop := m.follow("b", f)
	drained := func() (items []int) {
		for _, one := range m.drain("b", f) {
			items = append(items, one.Item)
		}
		return items
	}
	woken := func() bool {
		select {
		case <-f.woken:
			return true
		default:
			return false
		}
	}
	require.Equal(t, []int{1}, drained(), "whose jobs have not ended")
	require.Empty(t, drained())
	require.False(t, woken())
	m.itemChanged("l", nil, &jobs.Job{Batch: "b", Item: 3, Status: jobs.StatusQueued})
	m.refuse("b", 0, &jobs.Failure{})
	require.True(t, woken())
	require.False(t, woken(), "once for all")
	require.Equal(t, []int{0, 3}, drained())
	b.States = newStates(4)
	b.States.set(2, stateFailed)
	set()
	require.True(t, woken())
	require.Equal(t, []int{2}, drained())
	b.Title = "changed"
	set()
	require.True(t, woken())
	require.Empty(t, drained())
	m.changed(records.Event[Batch]{ID: "b"})
	require.True(t, woken())
	require.Empty(t, drained())
	for i, id := range []string{"j", "k", "l"} {
		m.itemChanged(id, &jobs.Job{Batch: "b", Item: i + 1}, nil)
	}
	require.Contains(t, m.trackers, "b", "it is followed")
	stop()
	require.Empty(t, m.trackers)
	require.Empty(t, m.drain("b", f))
}
