package jobs

import (
	"context"
	"encoding/json"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Items is what the batches use of a Manager: the jobs of their items, whose records they
// delete and retry. Nothing here checks an owner.
type Items struct{ manager *Manager }

// Items returns the jobs of batches. changed is called with each change of one of them, by
// any process, with the lock of the jobs held: it must neither block nor call this package. It
// must be called before the start.
func (m *Manager) Items(changed func(id string, before, now *Job)) Items {
	m.itemChanged = func(e records.Event[Job]) {
		var before, now *Job
		if e.Before != nil {
			before = &e.Before.Value
		}
		if e.Now != nil {
			now = &e.Now.Value
		}
		if before != nil && before.Batch != "" || now != nil && now.Batch != "" {
			changed(e.ID, before, now)
		}
	}
	return Items{m}
}

// Check returns a fault if the job is certain to fail. It stores nothing.
func (i Items) Check(ctx context.Context, s Submission) error {
	m := i.manager
	job, err := m.draft(s)
	if err != nil {
		return err
	}
	input, err := m.input(ctx, s)
	if err != nil {
		return err
	}
	if err := m.bind(&job); err != nil {
		return err
	}
	return m.check(ctx, job, input.source)
}

// Submit accepts the job of an item, or returns the one that exists.
func (i Items) Submit(ctx context.Context, s Submission) (Job, error) {
	job, _, err := i.manager.Submit(ctx, s)
	return job, err
}

// Retry queues the ended job of an item again.
func (i Items) Retry(ctx context.Context, id string) (Job, error) {
	m := i.manager
	return m.edit(ctx, id, func(job *Job) (bool, error) { return true, m.retry(ctx, job, "") })
}

// Cancel cancels the job of an item, without waiting until it has stopped.
func (i Items) Cancel(ctx context.Context, id string) error {
	_, err := i.manager.edit(ctx, id, func(job *Job) (bool, error) { return job.cancel(), nil })
	return err
}

// Remove deletes the ended job of an item.
func (i Items) Remove(ctx context.Context, id string) error {
	err := i.manager.removeIf(ctx, id, func(Job) error { return nil })
	if services.KindOf(err) == services.KindNotFound {
		return nil
	}
	return err
}

// Get returns a job as last written by any process.
func (i Items) Get(ctx context.Context, id string) (Job, error) { return i.manager.load(ctx, id) }

// Queue returns the state of the queue for an owner.
func (i Items) Queue(owner string) Queue { return i.manager.Queue(owner) }

// Result returns the value of a succeeded job as JSON.
func (i Items) Result(ctx context.Context, id string) (Job, json.RawMessage, error) {
	return i.manager.Result(ctx, "", id)
}
