package batches

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Counts are the numbers of a batch's items. Pending ones wait in the batch, queued ones as
// jobs.
type Counts struct{ Pending, Queued, Running, Succeeded, Failed, Cancelled int }

// Ended returns how many items have ended.
func (c Counts) Ended() int { return c.Succeeded + c.Failed + c.Cancelled }

// View is a batch with the state of its items.
type View struct {
	Batch
	Counts Counts
	// Progress is the mean of the items', 0 to 1.
	Progress float64
	// SecondsLeft is an estimate from the items that have ended; zero if unknown.
	SecondsLeft float64
}

// view returns a batch with the state of its items.
func (m *Manager) view(b Batch) View {
	v := View{Batch: b}
	states := b.States.counts()
	c := &v.Counts
	c.Succeeded, c.Failed, c.Cancelled = states[stateSucceeded], states[stateFailed], states[stateCancelled]
	parts := 0.0
	m.mu.Lock()
	if t := m.trackers[b.ID]; t != nil {
		for item, job := range t.live {
			if item < b.Items && b.States.at(item) == stateOpen && !b.isStale(job) {
				c.add(job.Status)
				if job.Status == jobs.StatusRunning {
					parts += job.Progress
				}
			}
		}
		c.Failed += len(t.refused)
	}
	m.mu.Unlock()
	c.Pending = b.Items - c.Queued - c.Running - c.Ended()
	v.Progress = min((float64(c.Ended())+parts)/float64(b.Items), 1)
	if b.Status.Terminal() {
		v.Progress = 1
		return v
	}
	since := b.Created
	if b.Retried.After(since) {
		since = b.Retried
	}
	if v.Progress > 0.001 {
		v.SecondsLeft = time.Since(since).Seconds() * (1 - v.Progress) / v.Progress
	}
	return v
}

// add counts the job of an item.
func (c *Counts) add(status jobs.Status) {
	switch status {
	case jobs.StatusQueued:
		c.Queued++
	case jobs.StatusRunning:
		c.Running++
	case jobs.StatusSucceeded:
		c.Succeeded++
	case jobs.StatusFailed:
		c.Failed++
	case jobs.StatusCancelled:
		c.Cancelled++
	}
}

// missing returns the fault for a batch that does not exist, or err unchanged.
func missing(id string, err error) error {
	if errors.Is(err, records.ErrMissing) {
		return &services.Fault{Kind: services.KindNotFound, Message: fmt.Sprintf("batch %q does not exist", id), Err: err}
	}
	return err
}

// visible returns a not found fault if the batch belongs to another viewer.
func visible(b Batch, viewer string, err error) (Batch, error) {
	if err == nil && viewer != "" && b.Owner != viewer {
		return Batch{}, missing(b.ID, records.ErrMissing)
	}
	return b, err
}

// load returns a batch as last written by any process.
func (m *Manager) load(ctx context.Context, viewer, id string) (Batch, error) {
	b, err := m.all.Load(ctx, id)
	return visible(b, viewer, missing(id, err))
}

// Get returns a batch; an empty viewer sees all.
func (m *Manager) Get(ctx context.Context, viewer, id string) (View, error) {
	if err := m.Database.NotReady("batches"); err != nil {
		return View{}, err
	}
	b, err := m.load(ctx, viewer, id)
	if err != nil {
		return View{}, err
	}
	return m.view(b), nil
}

// Filter selects batches of a list. Zero fields select everything.
type Filter struct {
	Owner  string
	Status Status
	Labels map[string]string
	// Limit of the page; Cursor as the page before returned it.
	Limit  int
	Cursor string
}

func (f Filter) matches(b Batch) bool {
	if f.Owner != "" && b.Owner != f.Owner || f.Status != "" && b.Status != f.Status {
		return false
	}
	for key, value := range f.Labels {
		if have, ok := b.Shared.Labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// List returns a page of batches, the newest first, and the cursor of the next page.
func (m *Manager) List(_ context.Context, f Filter) ([]View, string, error) {
	if err := m.Database.NotReady("batches"); err != nil {
		return nil, "", err
	}
	page, err := m.all.List(records.Query[Batch]{Matches: f.matches, Limit: f.Limit, Cursor: f.Cursor})
	if err != nil {
		return nil, "", err
	}
	views := make([]View, 0, len(page.Data))
	for _, b := range page.Data {
		views = append(views, m.view(b))
	}
	return views, page.Next, nil
}

// cancelWait is how long Cancel waits for the jobs of a batch to stop.
const cancelWait = 2 * time.Second

// Cancel cancels a batch: what waits never starts, what runs stops. It waits for that for a
// short time. An ended batch is not changed.
func (m *Manager) Cancel(ctx context.Context, viewer, id string) (View, error) {
	b, err := m.edit(ctx, viewer, id, func(b *Batch) (bool, error) {
		if b.Status.Terminal() || b.CancelRequested {
			return false, nil
		}
		b.CancelRequested = true
		return true, nil
	})
	if err != nil || b.Status.Terminal() {
		return m.view(b), err
	}
	m.nudge()
	view := m.view(b)
	bounded, cancel := context.WithTimeout(ctx, cancelWait)
	defer cancel()
	err = m.Follow(bounded, viewer, id, func(c Change) error { view = c.View; return nil })
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil // the record shows that the cancellation was requested
	}
	return view, err
}

// Retry opens the items of an ended batch again: the failed and cancelled ones, or all.
func (m *Manager) Retry(ctx context.Context, viewer, id string, all bool) (View, error) {
	b, err := m.edit(ctx, viewer, id, func(b *Batch) (bool, error) {
		if !b.Status.Terminal() {
			return false, fmt.Errorf("batch %s is %s: %w", id, b.Status, ErrNotFinished)
		}
		b.States = append(States(nil), b.States...)
		opened := 0
		for item := range b.Items {
			if all || b.States.at(item) != stateSucceeded {
				b.States.set(item, stateOpen)
				opened++
			}
		}
		if opened == 0 {
			return false, nil
		}
		b.Status, b.Finished, b.Claim, b.CancelRequested = StatusRunning, time.Time{}, nil, false
		b.Retried, b.RetriedAll = time.Now().UTC(), all
		if b.Callback != nil {
			b.Callback.Again()
		}
		return true, nil
	})
	if err != nil {
		return View{}, err
	}
	m.nudge()
	return m.view(b), nil
}

// Remove deletes an ended batch with its items and outcomes. The recordings that it read and
// made stay with their owner.
func (m *Manager) Remove(ctx context.Context, viewer, id string) error {
	for {
		b, err := m.load(ctx, viewer, id)
		if err != nil {
			return err
		}
		if !b.Status.Terminal() {
			return fmt.Errorf("batch %s is %s: %w", id, b.Status, ErrNotFinished)
		}
		if err := m.remove(ctx, b); !errors.Is(err, records.ErrConflict) {
			return err
		}
	}
}

// edit changes a batch by compare-and-set.
func (m *Manager) edit(ctx context.Context, viewer, id string, change func(*Batch) (bool, error)) (Batch, error) {
	b, err := m.all.Edit(ctx, id, func(b *Batch) (bool, error) {
		if _, err := visible(*b, viewer, nil); err != nil {
			return false, err
		}
		return change(b)
	})
	return b, missing(id, records.OrFull(m.store, err, 0))
}
