package batches

import (
	"context"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// Result is an item that has ended, with its outcome.
type Result struct {
	// Request is the item with what all items of the batch have in common.
	Request Item
	Outcome
}

// Results calls visit with the items that have ended, in their order. What the batch has at
// the call counts; the memory that it takes does not depend on the number of items, except for
// some bytes each.
func (m *Manager) Results(ctx context.Context, viewer, id string, visit func(Result) error) error {
	if err := m.Database.NotReady("batches"); err != nil {
		return err
	}
	b, err := m.load(ctx, viewer, id)
	if err != nil {
		return err
	}
	places, err := m.locate(ctx, b)
	if err != nil {
		return err
	}
	items, lines := m.newReader(b), m.newPicker(b)
	defer items.close()
	defer lines.close()
	for item := range b.Items {
		out, ended, err := m.resultOf(ctx, b, item, places[item], lines)
		if err != nil {
			return err
		}
		if !ended {
			continue
		}
		one, err := items.item(ctx, item)
		if err != nil {
			return err
		}
		if err := visit(Result{one, out}); err != nil {
			return err
		}
	}
	return nil
}

// resultOf returns the outcome of an item; ended is false if it has none yet.
func (m *Manager) resultOf(ctx context.Context, b Batch, item int, at place, lines *picker) (out Outcome, ended bool, err error) {
	state := b.States.at(item)
	if state == stateOpen {
		return m.liveResult(ctx, b, item)
	}
	if at.bytes > 0 {
		out, err = lines.line(ctx, at)
		if err != nil || stateOf(out.Status) == state {
			return out, true, err
		}
	}
	return Outcome{Item: item, Status: state.status()}, true, nil
}

// liveResult returns the outcome of an item whose job has ended a short time ago.
func (m *Manager) liveResult(ctx context.Context, b Batch, item int) (out Outcome, ended bool, err error) {
	m.mu.Lock()
	one := endedItem{item: item}
	if t := m.trackers[b.ID]; t != nil {
		one.refused = t.refused[item]
		if job := t.live[item]; job != nil && job.Status.Terminal() && !b.isStale(job) {
			one.job = job
		}
	}
	m.mu.Unlock()
	if one.job == nil && one.refused == nil {
		return out, false, nil
	}
	return m.outcome(ctx, one)
}

// AsJob returns the ended job of a result, as far as the forms of its value depend on it.
func (r Result) AsJob() jobs.Job {
	job := jobs.Job{ID: r.Job, Task: r.Task, Params: r.Request.Params, Result: &jobs.Result{Model: r.Model}}
	if len(r.Sounds) > 0 {
		first := r.Sounds[0]
		job.Result.AudioID, job.Result.ContentType, job.Result.AudioBytes = first.AudioID, first.ContentType, first.AudioBytes
	}
	return job
}
