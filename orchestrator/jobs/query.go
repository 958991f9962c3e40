package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// visible returns a not found fault if the job belongs to another viewer.
func visible(job Job, viewer string, err error) (Job, error) {
	if err == nil && viewer != "" && job.Owner != viewer {
		return Job{}, services.Faultf(services.KindNotFound, "job %q does not exist", job.ID)
	}
	return job, err
}

// Get returns a job as last written by any process.
func (m *Manager) Get(ctx context.Context, viewer, id string) (Job, error) {
	job, err := m.load(ctx, id)
	return visible(job, viewer, err)
}

// List returns a page of jobs, the newest first, once the stored ones are known.
func (m *Manager) List(ctx context.Context, f Filter) (Page, error) {
	if err := m.Database.NotReady("jobs"); err != nil {
		return Page{}, err
	}
	page, err := m.all.List(records.Query[Job]{Matches: f.matches, From: f.CreatedFrom, Limit: f.Limit, Cursor: f.Cursor})
	if err != nil {
		return Page{}, err
	}
	if f.WithParams {
		for i, job := range page.Data {
			whole, err := m.all.Load(ctx, job.ID)
			if err != nil && !errors.Is(err, records.ErrMissing) {
				return Page{}, err
			}
			page.Data[i].Params = whole.Params // none if it has been deleted meanwhile
		}
	}
	return Page{Jobs: page.Data, Next: page.Next, Counts: m.index.countsOf(f.Owner)}, nil
}

func (f Filter) matches(job Job) bool {
	switch {
	case f.Owner != "" && job.Owner != f.Owner,
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, job.Status),
		f.Service != "" && job.Service != f.Service,
		f.Batch != "" && job.Batch != f.Batch,
		!f.CreatedTo.IsZero() && !job.Created.Before(f.CreatedTo):
		return false
	}
	for key, value := range f.Labels {
		if have, ok := job.Labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// Follow calls changed with the job's current state if its revision is later than
// after, and with later states up to the terminal one. It returns after that, or with
// ctx's error, changed's error or ErrStopping. States are skipped when they arrive
// faster than changed returns.
func (m *Manager) Follow(ctx context.Context, viewer, id string, after Revision, changed func(Job) error) error {
	woken, stop := m.index.follow(id)
	defer stop()
	// A viewer that knows a revision of the job is served from the index.
	job, known := m.all.Get(id)
	job, err := visible(job, viewer, nil)
	if !known || after == 0 || job.Revision < after {
		job, err = m.Get(ctx, viewer, id)
	}
	for {
		if err != nil {
			return err
		}
		if job.Revision > after {
			after = job.Revision
			if err := changed(job); err != nil {
				return err
			}
		}
		if job.Status.Terminal() {
			return nil
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return ctx.Err()
		case <-m.intake.Done():
			return ErrStopping
		}
		if job, known = m.all.Get(id); !known {
			err = services.Faultf(services.KindNotFound, "job %q does not exist", id)
		}
	}
}

// Cancel cancels a job: a waiting one never starts, a running one stops as fast as when
// a client disconnects. An ended job is not changed.
func (m *Manager) Cancel(ctx context.Context, viewer, id string) (Job, error) {
	job, err := m.edit(ctx, id, func(job *Job) (bool, error) {
		if _, err := visible(*job, viewer, nil); err != nil {
			return false, err
		}
		return job.cancel(), nil
	})
	if err != nil || job.Status != StatusRunning {
		return job, err
	}
	// Its worker, in this process or another, writes the end.
	bounded, cancel := context.WithTimeout(ctx, cancelWait)
	defer cancel()
	err = m.Follow(bounded, viewer, id, 0, func(state Job) error { job = state; return nil })
	if err != nil && ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrStopping)) {
		err = nil // the record shows that the cancellation was requested
	}
	return job, err
}

// cancelWait is how long Cancel waits for a running job to stop.
const cancelWait = 2 * time.Second

// Result returns the value of a succeeded job as JSON.
func (m *Manager) Result(ctx context.Context, viewer, id string) (Job, json.RawMessage, error) {
	job, err := m.Get(ctx, viewer, id)
	switch {
	case err != nil:
		return job, nil, err
	case !job.Status.Terminal():
		return job, nil, fmt.Errorf("job %s is %s: %w", id, job.Status, ErrNotFinished)
	case job.Status != StatusSucceeded:
		return job, nil, fmt.Errorf("job %s is %s: %w", id, job.Status, ErrNoResult)
	case job.Result.ValueID == "":
		return job, job.Result.Value, nil
	}
	object, err := m.store.Object(ctx, job.Result.ValueID)
	if err != nil {
		return job, nil, unreadable(id, err)
	}
	defer object.Close()
	value, err := io.ReadAll(object)
	if err != nil {
		return job, nil, unreadable(id, err)
	}
	return job, value, nil
}

// unreadable returns the fault for a result that cannot be read. While the store is
// unavailable it stays the store's: the result may be read later.
func unreadable(id string, err error) error {
	if services.KindOf(err) == services.KindUnavailable {
		return fmt.Errorf("read the result of job %s: %w", id, err)
	}
	return services.Internal(err, "the result of job %s cannot be read", id)
}

// end sets the terminal status of the job.
func (j *Job) end(status Status, failure *Failure) {
	j.Status, j.Failure, j.Finished = status, failure, time.Now().UTC()
	j.Claim, j.CancelRequested, j.SecondsLeft = nil, false, 0
	if status == StatusSucceeded {
		j.Progress, j.Stage = 1, ""
	}
	if j.Callback != nil {
		j.Callback.End()
	}
}

// Exists reports whether a job is stored, as far as this process knows.
func (m *Manager) Exists(id string) bool {
	_, known := m.all.Get(id)
	return known
}

// Count returns the number of jobs of a status.
func (m *Manager) Count(status Status) int { return m.index.countsOf("")[status] }

// OldestQueued returns the age of the job that has been queued longest.
func (m *Manager) OldestQueued() (age time.Duration) {
	m.all.Each(func(e records.Entry[Job]) bool {
		if e.Value.Status == StatusQueued {
			age = time.Since(e.Value.Created)
		}
		return e.Value.Status != StatusQueued
	})
	return age
}
