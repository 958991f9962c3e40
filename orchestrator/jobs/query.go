package jobs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// visible hides a job from whom it is not for, as if it did not exist.
func visible(job Job, viewer string, err error) (Job, error) {
	if err == nil && viewer != "" && job.Owner != viewer {
		return Job{}, services.Faultf(services.KindNotFound, "job %q does not exist", job.ID)
	}
	return job, err
}

// Get gives a job, as last written by anybody.
func (m *Manager) Get(ctx context.Context, viewer, id string) (Job, error) {
	job, err := m.load(ctx, id)
	return visible(job, viewer, err)
}

// queued counts the jobs that wait.
func (x *index) queued() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, list := range x.pending {
		n += len(list)
	}
	return n
}

// List gives a page of jobs, the newest first, once the stored ones are known.
func (m *Manager) List(_ context.Context, f Filter) (Page, error) {
	var page Page
	if !m.Ready() {
		return page, &services.Fault{Kind: services.KindUnavailable, Message: "the stored jobs are still to be read", RetryAfter: 2 * time.Second}
	}
	before, err := parseCursor(f.Cursor)
	if err != nil {
		return page, err
	}
	x := m.index
	x.mu.Lock()
	defer x.mu.Unlock()
	at := len(x.ordered)
	if before != nil {
		at = sort.Search(len(x.ordered), func(i int) bool { return byCreation(x.ordered[i], before) >= 0 })
	}
	for i := at - 1; i >= 0; i-- {
		job := x.ordered[i].job
		if !f.CreatedFrom.IsZero() && job.Created.Before(f.CreatedFrom) {
			break // all others are older
		}
		if !f.matches(job) {
			continue
		}
		if len(page.Jobs) == f.Limit {
			page.Next = cursorOf(page.Jobs[f.Limit-1])
			break
		}
		page.Jobs = append(page.Jobs, job)
	}
	return page, nil
}

func (f Filter) matches(job Job) bool {
	switch {
	case f.Owner != "" && job.Owner != f.Owner,
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, job.Status),
		f.Service != "" && job.Service != f.Service,
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

// A cursor is the place of a page's last job in the order of creation.
func cursorOf(job Job) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(job.Created.UnixNano(), 10) + " " + job.ID))
}

func parseCursor(cursor string) (*entry, error) {
	if cursor == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	nanos, id, found := strings.Cut(string(raw), " ")
	created, numberErr := strconv.ParseInt(nanos, 10, 64)
	if err != nil || !found || numberErr != nil {
		return nil, services.Invalidf("cursor", "is not one that a page gave as next_cursor, got %q", cursor)
	}
	return &entry{job: Job{ID: id, Created: time.Unix(0, created)}}, nil
}

// Follow tells a job's state now, unless it is not after the revision, and every
// later one, the last of them terminal. It returns after that, with ctx's error,
// with told's, or ErrStopping. States may be passed over when they come faster
// than they are taken.
func (m *Manager) Follow(ctx context.Context, viewer, id string, after Revision, told func(Job) error) error {
	woken, stop := m.index.follow(id)
	defer stop()
	// Who knows a state of the job needs no read of one that is known here too.
	job, known := m.index.get(id)
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
			if err := told(job); err != nil {
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
		if job, known = m.index.get(id); !known {
			err = services.Faultf(services.KindNotFound, "job %q does not exist", id)
		}
	}
}

// Cancel ends a job: one that waits never starts, one at work stops as fast as
// when its client hangs up. A job at its end stays as it is.
func (m *Manager) Cancel(ctx context.Context, viewer, id string) (Job, error) {
	job, err := m.edit(ctx, id, func(job *Job) (bool, error) {
		if _, err := visible(*job, viewer, nil); err != nil {
			return false, err
		}
		switch job.Status {
		case StatusQueued:
			job.end(StatusCancelled, &Failure{Kind: services.KindCancelled, Message: "cancelled before it started"})
			return true, nil
		case StatusRunning:
			asked := job.CancelRequested
			job.CancelRequested = true
			return !asked, nil
		default:
			return false, nil
		}
	})
	if err != nil || job.Status != StatusRunning {
		return job, err
	}
	// Its worker, here or elsewhere, writes the end.
	bounded, cancel := context.WithTimeout(ctx, cancelWait)
	defer cancel()
	err = m.Follow(bounded, viewer, id, 0, func(state Job) error { job = state; return nil })
	if err != nil && ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrStopping)) {
		err = nil // the job says that its end is asked for
	}
	return job, err
}

// cancelWait is how long Cancel waits for a job at work to stop.
const cancelWait = 2 * time.Second

// Retry sends a failed or cancelled job to the queue again, with all its
// attempts before it.
func (m *Manager) Retry(ctx context.Context, viewer, id string) (Job, error) {
	return m.edit(ctx, id, func(job *Job) (bool, error) {
		if _, err := visible(*job, viewer, nil); err != nil {
			return false, err
		}
		if job.Status != StatusFailed && job.Status != StatusCancelled {
			return false, fmt.Errorf("job %s is %s: %w", id, job.Status, ErrNotRetriable)
		}
		if !job.Deadline.IsZero() && !job.Deadline.After(time.Now()) {
			return false, fmt.Errorf("the deadline of job %s is over: %w", id, ErrNotRetriable)
		}
		job.Status, job.Failure, job.CancelRequested = StatusQueued, nil, false
		job.Tries, job.Redeliveries, job.NotBefore, job.Finished = 0, 0, time.Time{}, time.Time{}
		job.Progress, job.Stage, job.SecondsLeft = 0, "", 0
		if job.Callback != nil {
			job.Callback.State, job.Callback.Next = CallbackWaiting, time.Time{}
		}
		return true, nil
	})
}

// Result gives the value of a succeeded job as JSON.
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
	object, err := m.Store.Object(ctx, job.Result.ValueID)
	if err != nil {
		return job, nil, services.Internal(err, "the result of job %s cannot be read", id)
	}
	defer object.Close()
	value, err := io.ReadAll(object)
	if err != nil {
		return job, nil, services.Internal(err, "the result of job %s cannot be read", id)
	}
	return job, value, nil
}

// end puts a job at its end.
func (j *Job) end(status Status, failure *Failure) {
	j.Status, j.Failure, j.Finished = status, failure, time.Now().UTC()
	j.Claim, j.CancelRequested, j.SecondsLeft = nil, false, 0
	if status == StatusSucceeded {
		j.Progress, j.Stage = 1, ""
	}
	if j.Callback != nil {
		j.Callback.State = CallbackPending
	}
}

// Count gives the number of jobs of a status.
func (m *Manager) Count(status Status) (n int) {
	m.index.each(func(job Job, _ time.Time) bool {
		if job.Status == status {
			n++
		}
		return true
	})
	return n
}

// OldestQueued is how long the job has waited that has done so the longest.
func (m *Manager) OldestQueued() (age time.Duration) {
	m.index.each(func(job Job, _ time.Time) bool {
		if job.Status == StatusQueued {
			age = time.Since(job.Created)
		}
		return job.Status != StatusQueued
	})
	return age
}
