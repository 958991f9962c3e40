package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Retry queues a failed or cancelled job again, and resets its count of attempts. What the
// steps of its task have done stays. A job of a batch is retried by its batch.
func (m *Manager) Retry(ctx context.Context, viewer, id string) (Job, error) {
	return m.RetryFrom(ctx, viewer, id, "")
}

// RetryFrom is Retry of a job whose task has steps: the step, if one is named, and those that
// depend on it run again.
func (m *Manager) RetryFrom(ctx context.Context, viewer, id, step string) (Job, error) {
	return m.edit(ctx, id, func(job *Job) (bool, error) {
		if _, err := visible(*job, viewer, nil); err != nil {
			return false, err
		}
		if job.Batch != "" {
			return false, inBatch(*job, "retry")
		}
		return true, m.retry(ctx, job, step)
	})
}

// retry queues an ended job again, from a step if one is named.
func (m *Manager) retry(ctx context.Context, job *Job, step string) error {
	if job.Status != StatusFailed && job.Status != StatusCancelled {
		return fmt.Errorf("job %s is %s: %w", job.ID, job.Status, ErrNotRetriable)
	}
	if job.Lost {
		return fmt.Errorf("the store lost the request of job %s: %w", job.ID, ErrNotRetriable)
	}
	if m.overdue(*job) {
		return fmt.Errorf("the deadline of job %s has passed: %w", job.ID, ErrNotRetriable)
	}
	if m.Restart != nil {
		if err := m.Restart(ctx, job.taskFor(nil), step); err != nil {
			return err
		}
	}
	job.Status, job.Failure, job.CancelRequested = StatusQueued, nil, false
	job.Tries, job.Redeliveries, job.NotBefore, job.Finished = 0, 0, time.Time{}, time.Time{}
	job.Progress, job.Stage, job.SecondsLeft = 0, "", 0
	if job.Callback != nil {
		job.Callback.Again()
	}
	return nil
}

// inBatch returns the error for a change that only the job's batch can make.
func inBatch(job Job, change string) error {
	return fmt.Errorf("job %s is item %d of batch %s; %s the batch: %w", job.ID, job.Item, job.Batch, change, ErrInBatch)
}

// Remove deletes the record of a finished job, with its result. The recordings that it read
// and made stay with their owner. That of a batch is deleted by its batch.
func (m *Manager) Remove(ctx context.Context, viewer, id string) error {
	return m.removeIf(ctx, id, func(job Job) error {
		if _, err := visible(job, viewer, nil); err != nil {
			return err
		}
		if job.Batch != "" {
			return inBatch(job, "delete")
		}
		return nil
	})
}

// removeIf deletes the record of a finished job unless refuse returns an error.
func (m *Manager) removeIf(ctx context.Context, id string, refuse func(Job) error) error {
	for {
		job, err := m.load(ctx, id)
		if err != nil {
			return err
		}
		if err := refuse(job); err != nil {
			return err
		}
		if !job.Status.Terminal() {
			return fmt.Errorf("job %s is %s: %w", id, job.Status, ErrNotFinished)
		}
		err = m.all.Delete(ctx, job)
		if errors.Is(err, records.ErrConflict) {
			continue // it was retried or deleted
		}
		if err != nil {
			return err
		}
		if err := m.removeValue(ctx, job); err != nil {
			// No record names it, so a sweep removes it.
			m.Log.Warn("the result of a deleted job could not be removed", "job", id, "error", err)
		}
		return nil
	}
}

// Bulk is the outcome of a change of many jobs.
type Bulk struct {
	// Matched jobs were found, and Changed ones were cancelled or deleted.
	Matched, Changed int
}

// CancelAll cancels the jobs of a filter that have not ended. It does not wait until the
// running ones have stopped. After an error the jobs before it are cancelled.
func (m *Manager) CancelAll(ctx context.Context, f Filter) (Bulk, error) {
	return m.each(ctx, f, false, func(id string) (bool, error) {
		before := StatusCancelled
		_, err := m.edit(ctx, id, func(job *Job) (bool, error) {
			before = job.Status
			return job.cancel(), nil
		})
		return !before.Terminal(), err
	})
}

// RemoveAll deletes the ended jobs of a filter, except for those of batches.
func (m *Manager) RemoveAll(ctx context.Context, f Filter) (Bulk, error) {
	return m.each(ctx, f, true, func(id string) (bool, error) {
		err := m.Remove(ctx, "", id)
		if errors.Is(err, ErrNotFinished) || errors.Is(err, ErrInBatch) {
			return false, nil
		}
		return err == nil, err
	})
}

// each calls change with every job of a filter that has ended or has not.
func (m *Manager) each(ctx context.Context, f Filter, ended bool, change func(id string) (bool, error)) (done Bulk, err error) {
	if err := m.Database.NotReady("jobs"); err != nil {
		return done, err
	}
	var ids []string
	m.all.Each(func(e records.Entry[Job]) bool {
		if job := e.Value; f.matches(job) {
			done.Matched++
			if job.Status.Terminal() == ended {
				ids = append(ids, job.ID)
			}
		}
		return true
	})
	for _, id := range ids {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		changed, err := change(id)
		if err != nil && services.KindOf(err) != services.KindNotFound {
			return done, err
		}
		if changed && err == nil {
			done.Changed++
		}
	}
	return done, nil
}

// cancel ends a waiting job or asks the worker of a running one to stop. It reports whether
// the record has changed.
func (j *Job) cancel() bool {
	switch j.Status {
	case StatusQueued:
		j.end(StatusCancelled, &Failure{Kind: services.KindCancelled, Message: "cancelled before it started"})
		return true
	case StatusRunning:
		asked := j.CancelRequested
		j.CancelRequested = true
		return !asked
	default:
		return false
	}
}
