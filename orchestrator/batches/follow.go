package batches

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// coalesce is the time for which changes are collected before they are reported.
const coalesce = 100 * time.Millisecond

// follower collects the changed items of a batch. The manager's mu guards it.
type follower struct {
	items map[int]struct{}
	woken chan struct{}
}

// add notes that an item has changed.
func (f *follower) add(item int) {
	f.items[item] = struct{}{}
	f.signal()
}

func (f *follower) signal() {
	select {
	case f.woken <- struct{}{}:
	default: // a wake-up is pending
	}
}

// notify wakes the followers after a change of the record. The caller holds the manager's mu.
func (t *tracker) notify(before *Batch) {
	for f := range t.followers {
		if before != nil && t.batch != nil && before.Items == t.batch.Items {
			for item := range before.Items {
				if before.States.at(item) != t.batch.States.at(item) {
					f.items[item] = struct{}{}
				}
			}
		}
		f.signal()
	}
}

// ItemState is an item as it is now.
type ItemState struct {
	Item int
	// Status is empty for an item that waits in the batch.
	Status jobs.Status
	// Job is nil for an item without one.
	Job     *jobs.Job
	Failure *jobs.Failure
}

// Change is a batch with the items that have changed, by their place.
type Change struct {
	View  View
	Items []ItemState
}

// Follow calls changed with the batch and the items whose jobs have not ended, then with each
// later change, up to the end of the batch. It returns after that, or with ctx's error or
// changed's. Changes that come shortly after each other are reported together.
func (m *Manager) Follow(ctx context.Context, viewer, id string, changed func(Change) error) error {
	if _, err := m.Get(ctx, viewer, id); err != nil {
		return err
	}
	f := &follower{items: make(map[int]struct{}), woken: make(chan struct{}, 1)}
	stop := m.follow(id, f)
	defer stop()
	for {
		b, known := m.all.Get(id)
		if !known {
			return missing(id, records.ErrMissing)
		}
		change := Change{View: m.view(b), Items: m.drain(id, f)}
		if err := changed(change); err != nil {
			return err
		}
		if b.Status.Terminal() {
			return nil
		}
		select {
		case <-f.woken:
		case <-ctx.Done():
			return ctx.Err()
		}
		records.Pause(ctx, coalesce)
	}
}

// follow adds a follower, with the items whose jobs have not ended.
func (m *Manager) follow(id string, f *follower) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tracker(id)
	t.followers[f] = struct{}{}
	for item, job := range t.live {
		if !job.Status.Terminal() {
			f.items[item] = struct{}{}
		}
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(t.followers, f)
		m.forget(id, t)
	}
}

// drain returns the items that have changed.
func (m *Manager) drain(id string, f *follower) (items []ItemState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.trackers[id]
	if t == nil || t.batch == nil {
		return nil
	}
	for item := range f.items {
		items = append(items, t.state(item))
	}
	clear(f.items)
	slices.SortFunc(items, func(a, b ItemState) int { return cmp.Compare(a.Item, b.Item) })
	return items
}

// state returns an item as it is now.
func (t *tracker) state(item int) ItemState {
	now := ItemState{Item: item, Failure: t.refused[item]}
	job := t.live[item]
	switch {
	case now.Failure != nil:
		now.Status = jobs.StatusFailed
	case !t.isOpen(item):
		now.Status, now.Job = t.batch.States.at(item).status(), t.retained[item]
	case job != nil && !t.batch.isStale(job):
		now.Status, now.Job = job.Status, job
	}
	if now.Job != nil && now.Failure == nil && now.Status != jobs.StatusSucceeded {
		now.Failure = now.Job.Failure
	}
	return now
}
