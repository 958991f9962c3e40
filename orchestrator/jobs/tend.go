package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

const (
	// tendInterval is how often lost claims and passed deadlines are checked.
	tendInterval = time.Second
	// sweepBatch bounds how much one sweep deletes.
	sweepBatch = 1000
)

// tend requeues jobs whose worker is gone and fails queued jobs whose deadline has
// passed.
func (m *Manager) tend() {
	if !m.Database.AwaitReady(m.intake) {
		return
	}
	ticker := time.NewTicker(tendInterval)
	defer ticker.Stop()
	for {
		m.freeLost()
		m.endOverdue()
		m.freeDelayed()
		select {
		case <-ticker.C:
		case <-m.intake.Done():
			return
		}
	}
}

// freeLost requeues jobs whose worker showed no sign of life for ClaimTimeout, or, in a
// store that only this process uses, that an earlier process left running.
func (m *Manager) freeLost() {
	var lost []Job
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if job.Status == StatusRunning && job.Claim != nil && m.abandoned(*job.Claim, job.ID, e.Seen) {
			lost = append(lost, job)
		}
		return true
	})
	for _, known := range lost {
		freed := false
		ctx, cancel := context.WithTimeout(m.intake, storeTimeout)
		job, err := m.edit(ctx, known.ID, func(job *Job) (bool, error) {
			// The record may have changed since the index was updated.
			freed = job.Revision == known.Revision && job.Claim != nil
			if freed {
				m.lose(job)
			}
			return freed, nil
		})
		cancel()
		switch {
		case err != nil && m.intake.Err() == nil:
			m.Log.Error("a job whose worker is gone could not be freed", "job", known.ID, "error", err)
		case err == nil && freed:
			m.Log.Warn("job freed: its worker is gone", "job", job.ID, "worker", known.Claim.Worker,
				"redeliveries", job.Redeliveries, "status", string(job.Status))
		}
	}
}

// abandoned reports whether no worker holds the claim whose last sign of life was at
// seen.
func (m *Manager) abandoned(claim Claim, id string, seen time.Time) bool {
	silent := time.Since(seen) > m.cfg.ClaimTimeout
	if claim.Worker != m.worker {
		return silent || m.store.Exclusive()
	}
	// A claim by this process whose write was stored although it returned an error.
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.running[id]
	return silent && (a == nil || a.token != claim.Token)
}

// lose ends an attempt whose process is gone.
func (m *Manager) lose(job *Job) {
	last := &job.Attempts[len(job.Attempts)-1]
	last.Ended, last.Outcome, last.Error = time.Now().UTC(), OutcomeLost, "the process ended"
	if job.CancelRequested {
		job.end(StatusCancelled, &Failure{Kind: services.KindCancelled, Message: "cancelled while it ran"})
		return
	}
	job.Redeliveries++
	if job.Redeliveries > m.cfg.MaxRedeliveries {
		job.end(StatusFailed, &Failure{
			Kind: services.KindInternal,
			Message: fmt.Sprintf("the process ended %d times while it worked on this job, and jobs.maxRedeliveries allows %d",
				job.Redeliveries, m.cfg.MaxRedeliveries),
		})
		return
	}
	// A job that crashes the process must not do so repeatedly before other jobs have
	// run. The first redelivery has no delay.
	job.requeue(backOff(m.cfg.Retry, job.Redeliveries-1) * time.Duration(min(job.Redeliveries-1, 1)))
}

// endOverdue fails jobs whose deadline passed while they waited.
func (m *Manager) endOverdue() {
	var overdue []string
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if job.Status == StatusQueued && m.overdue(job) {
			overdue = append(overdue, job.ID)
		}
		return true
	})
	for _, id := range overdue {
		ctx, cancel := context.WithTimeout(m.intake, storeTimeout)
		_, err := m.edit(ctx, id, func(job *Job) (bool, error) {
			if job.Status != StatusQueued {
				return false, nil
			}
			job.end(StatusFailed, deadlineFailure(*job))
			return true, nil
		})
		cancel()
		if err != nil && m.intake.Err() == nil {
			m.Log.Error("an overdue job could not be ended", "job", id, "error", err)
		}
	}
}

// overdue reports whether the job's deadline has passed.
func (m *Manager) overdue(job Job) bool {
	return !job.Deadline.IsZero() && m.Database.Clock.Passed(job.Deadline)
}

// freeDelayed ends the delays of queued jobs that are longer than any delay can be: the
// system's clock was set back since they were set.
func (m *Manager) freeDelayed() {
	var delayed []string
	longest := max(m.cfg.Retry.MaxDelay, m.cfg.Retry.Delay)
	tooLong := func(job Job) bool {
		return job.Status == StatusQueued && job.NotBefore.After(time.Now()) && m.Database.Clock.Due(job.NotBefore, longest)
	}
	m.all.Each(func(e records.Entry[Job]) bool {
		if tooLong(e.Value) {
			delayed = append(delayed, e.Value.ID)
		}
		return true
	})
	for _, id := range delayed {
		ctx, cancel := context.WithTimeout(m.intake, storeTimeout)
		_, err := m.edit(ctx, id, func(job *Job) (bool, error) {
			if !tooLong(*job) {
				return false, nil
			}
			job.NotBefore = time.Time{}
			return true, nil
		})
		cancel()
		if err != nil && m.intake.Err() == nil {
			m.Log.Error("the delay of a job could not be ended", "job", id, "error", err)
		}
	}
}

// sweep deletes finished jobs that have expired, and stored results that no job
// names.
func (m *Manager) sweep(ctx context.Context, orphans bool) {
	m.expire(ctx)
	if orphans {
		if err := m.removeOrphans(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("stored results could not be looked through", "error", err)
		}
	}
}

// expire deletes finished jobs past their maximum age, and the oldest ones while all
// jobs use more than the allowed bytes.
func (m *Manager) expire(ctx context.Context) {
	over, now := m.index.stored()-int64(m.cfg.Retention.MaxBytes), m.Database.Clock.Now()
	var expired []Job
	m.all.Each(func(e records.Entry[Job]) bool {
		job := e.Value
		if job.Status.Terminal() && (over > 0 || now.Sub(job.Finished) > m.cfg.Retention.MaxAge) && job.mayExpire() {
			expired = append(expired, job)
			over -= size(&e)
		}
		return len(expired) < sweepBatch
	})
	for _, job := range expired {
		if err := m.remove(ctx, job); err != nil && !errors.Is(err, records.ErrConflict) && ctx.Err() == nil {
			m.Log.Error("an expired job could not be deleted", "job", job.ID, "error", err)
		}
	}
	if len(expired) > 0 {
		m.Log.Info("expired jobs deleted", "jobs", len(expired))
	}
}

// mayExpire reports whether an ended job is no longer needed. Its batch deletes one that is
// part of it.
func (j Job) mayExpire() bool { return j.Batch == "" && !j.owesCallback() }

func (j Job) owesCallback() bool { return j.Callback != nil && j.Callback.State == CallbackPending }

func (m *Manager) remove(ctx context.Context, job Job) error {
	if err := m.all.Delete(ctx, job); err != nil {
		return err
	}
	return m.removeValue(ctx, job)
}

// removeValue deletes the stored result of a deleted job.
func (m *Manager) removeValue(ctx context.Context, job Job) error {
	if job.Result == nil || job.Result.ValueID == "" {
		return nil
	}
	return m.store.DeleteObject(ctx, job.Result.ValueID)
}

// removeOrphans deletes stored results that no record refers to: the attempt that made
// them lost its claim, or its process ended.
func (m *Manager) removeOrphans(ctx context.Context) error {
	names, err := m.store.Objects(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, ours := strings.CutPrefix(name, "value-")
		if !ours {
			continue
		}
		// An attempt writes its result while its job is running.
		job, known := m.all.Get(id[:max(0, strings.LastIndex(id, "-"))])
		if known && (!job.Status.Terminal() || job.Result != nil && job.Result.ValueID == name) {
			continue
		}
		if err := m.store.DeleteObject(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
