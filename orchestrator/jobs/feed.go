package jobs

import (
	"cmp"
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// overlap is the number of revisions that a resumed feed repeats: writes at the same time
// can be observed in another order than their revisions.
const overlap = 100

// feed collects the ids of changed jobs until its follower reads them. The index's mu
// guards it.
type feed struct {
	changed map[string]struct{}
	woken   chan struct{}
}

// Feed calls changed with the state of every job of the filter that has not finished, or,
// if after is not 0, whose revision is later than after; then with every later change, each
// time with all jobs that have changed, ordered by revision. The revision is what to resume
// after. It returns with ctx's error, changed's error or ErrStopping. States are skipped
// when they arrive faster than changed returns, and states at the time of a resumption can
// be repeated.
func (m *Manager) Feed(ctx context.Context, f Filter, after Revision, changed func([]Job, Revision) error) error {
	if err := m.Database.NotReady("jobs"); err != nil {
		return err
	}
	following, stop := m.index.feed()
	defer stop()
	_, mark := m.index.drain(following)
	if after > mark {
		after = 0 // the store has been replaced
	}
	var list []Job
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if f.matches(job) && (!job.Status.Terminal() || after > 0 && job.Revision+overlap > after) {
			list = append(list, job)
		}
		return true
	})
	for {
		slices.SortFunc(list, func(a, b Job) int { return cmp.Compare(a.Revision, b.Revision) })
		if err := changed(list, mark); err != nil {
			return err
		}
		select {
		case <-following.woken:
		case <-ctx.Done():
			return ctx.Err()
		case <-m.intake.Done():
			return ErrStopping
		}
		var ids []string
		ids, mark = m.index.drain(following)
		list = nil
		for _, id := range ids {
			if job, known := m.all.Get(id); known && f.matches(job) {
				list = append(list, job)
			}
		}
	}
}

// feed returns a feed of all jobs, which receives changes until stop is called.
func (x *index) feed() (_ *feed, stop func()) {
	f := &feed{changed: make(map[string]struct{}), woken: make(chan struct{}, 1)}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.feeds[f] = struct{}{}
	return f, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.feeds, f)
	}
}

// drain returns the ids of the jobs that have changed since the last call, and the latest
// revision.
func (x *index) drain(f *feed) (ids []string, latest Revision) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range f.changed {
		ids = append(ids, id)
	}
	clear(f.changed)
	return ids, x.latest
}

// notify adds a change to every feed. The caller holds mu.
func (x *index) notify(e records.Event[Job]) {
	if e.Now != nil {
		x.latest = max(x.latest, e.Now.Value.Revision)
	}
	for f := range x.feeds {
		f.changed[e.ID] = struct{}{}
		select {
		case f.woken <- struct{}{}:
		default: // a wake-up is pending
		}
	}
}
