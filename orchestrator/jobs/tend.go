package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// tendInterval is between two looks at lost claims and passed deadlines.
	tendInterval = time.Second
	// sweepInterval is between two looks at what has expired.
	sweepInterval = time.Minute
	// orphanInterval is between two looks at objects that nothing names.
	orphanInterval = time.Hour
	// sweepBatch bounds how much one sweep deletes, so that it stays short.
	sweepBatch = 1000
)

// tend frees jobs whose worker is gone, ends those whose deadline passed in the
// queue, and deletes what has expired.
func (m *Manager) tend() {
	select {
	case <-m.caughtUp:
	case <-m.intake.Done():
		return
	}
	ticker := time.NewTicker(tendInterval)
	defer ticker.Stop()
	var swept, sifted time.Time
	for {
		m.freeLost()
		m.endOverdue()
		if time.Since(swept) >= sweepInterval {
			swept = time.Now()
			m.sweep(time.Since(sifted) >= orphanInterval)
			if time.Since(sifted) >= orphanInterval {
				sifted = swept
			}
		}
		select {
		case <-ticker.C:
		case <-m.intake.Done():
			return
		}
	}
}

// freeLost sends jobs back to the queue whose worker gave no sign of life for
// too long, or which, in a store of ours alone, an earlier process left behind.
func (m *Manager) freeLost() {
	var lost []Job
	m.index.each(func(job Job, seen time.Time) bool {
		if job.Status == StatusRunning && job.Claim != nil && m.abandoned(*job.Claim, job.ID, seen) {
			lost = append(lost, job)
		}
		return true
	})
	for _, known := range lost {
		freed := false
		ctx, cancel := context.WithTimeout(m.intake, storeTimeout)
		job, err := m.edit(ctx, known.ID, func(job *Job) (bool, error) {
			// It may have moved, and the news be on their way here.
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
			m.Log.Warn("job freed: its worker is gone", "job", job.ID, "worker", known.Claim.Worker, "redeliveries", job.Redeliveries, "status", string(job.Status))
		}
	}
}

// abandoned tells whether nobody works under a claim of which the last sign of
// life was seen then.
func (m *Manager) abandoned(claim Claim, id string, seen time.Time) bool {
	silent := time.Since(seen) > m.cfg.ClaimTimeout
	if claim.Worker != m.worker {
		return silent || m.Store.Exclusive()
	}
	// A claim of ours that came into the store although its writing failed here.
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
		job.end(StatusFailed, &Failure{Kind: services.KindInternal, Message: fmt.Sprintf("the process ended %d times while it worked on this job, and jobs.maxRedeliveries allows %d", job.Redeliveries, m.cfg.MaxRedeliveries)})
		return
	}
	// A job that takes the process down must not do so over and over at once,
	// before others have had their turn. Once is bad luck.
	job.requeue(backOff(m.cfg.Retry, job.Redeliveries-1) * time.Duration(min(job.Redeliveries-1, 1)))
}

// endOverdue fails jobs whose deadline passed while they waited.
func (m *Manager) endOverdue() {
	now := time.Now()
	var overdue []string
	m.index.each(func(job Job, _ time.Time) bool {
		if job.Status == StatusQueued && !job.Deadline.IsZero() && !job.Deadline.After(now) {
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

// sweep deletes what is kept no longer, and orphans where it is their turn.
func (m *Manager) sweep(orphans bool) {
	ctx, cancel := context.WithTimeout(m.intake, sweepInterval)
	defer cancel()
	m.expireJobs(ctx)
	m.expireContexts(ctx)
	m.expireAudio(ctx)
	if orphans {
		if err := m.removeOrphans(ctx); err != nil && ctx.Err() == nil {
			m.Log.Error("stored objects could not be looked through", "error", err)
		}
	}
	if err := m.Store.Tidy(ctx); err != nil && ctx.Err() == nil {
		m.Log.Error("the job store could not be tidied", "error", err)
	}
}

// expireJobs deletes finished jobs that are too old, and the oldest of them
// while all take too many bytes.
func (m *Manager) expireJobs(ctx context.Context) {
	m.index.mu.Lock()
	over := m.index.bytes - int64(m.cfg.Retention.MaxBytes)
	var expired []Job
	for _, e := range m.index.ordered {
		if len(expired) == sweepBatch {
			break
		}
		if e.job.Status.Terminal() && (over > 0 || time.Since(e.job.Finished) > m.cfg.Retention.MaxAge) && !e.job.owesCallback() {
			expired = append(expired, e.job)
			over -= e.bytes
		}
	}
	m.index.mu.Unlock()
	for _, job := range expired {
		if err := m.removeJob(ctx, job); err != nil && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
			m.Log.Error("an expired job could not be deleted", "job", job.ID, "error", err)
		}
	}
	if len(expired) > 0 {
		m.Log.Info("expired jobs deleted", "jobs", len(expired))
	}
}

func (j Job) owesCallback() bool { return j.Callback != nil && j.Callback.State == CallbackPending }

func (m *Manager) removeJob(ctx context.Context, job Job) error {
	if err := m.Store.Delete(ctx, jobKind+"."+job.ID, job.Revision); err != nil {
		return err
	}
	m.index.drop(job.ID, job.Revision)
	if job.Result == nil || job.Result.ValueID == "" {
		return nil
	}
	return m.Store.DeleteObject(ctx, job.Result.ValueID)
}

// expireAudio deletes recordings that neither a job nor a conversation needs and
// nobody used for long.
func (m *Manager) expireAudio(ctx context.Context) {
	needed := m.index.inConversation()
	m.index.each(func(job Job, _ time.Time) bool {
		if !job.Status.Terminal() {
			needed[job.AudioID] = true
		}
		if job.Result != nil {
			needed[job.Result.AudioID] = true
			for _, sound := range job.Result.More {
				needed[sound.AudioID] = true
			}
		}
		return true
	})
	m.index.mu.Lock()
	var expired []Audio
	for id, audio := range m.index.audio {
		left := m.cfg.Audio.TTL
		if audio.Conversational {
			left = min(left, conversationGrace)
		}
		if !needed[id] && time.Since(audio.Used) > left && len(expired) < sweepBatch {
			expired = append(expired, audio)
		}
	}
	m.index.mu.Unlock()
	for _, audio := range expired {
		if err := m.removeAudio(ctx, audio); err != nil && services.KindOf(err) != services.KindBusy && ctx.Err() == nil {
			m.Log.Error("an expired recording could not be deleted", "audio", audio.ID, "error", err)
		}
	}
}

// removeOrphans deletes stored objects that no record names: results whose
// record lost, and recordings whose submission was cut off.
func (m *Manager) removeOrphans(ctx context.Context) error {
	if !m.Store.Exclusive() {
		return nil // another process may be about to write the record
	}
	names, err := m.Store.Objects(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := m.removeOrphan(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// removeOrphan deletes an object that nothing names and nobody is about to name.
func (m *Manager) removeOrphan(ctx context.Context, name string) error {
	kind, id, _ := strings.Cut(name, "-")
	if kind == audioKind {
		// Under the lock nobody is between the object and its record.
		lock := m.storing(id)
		lock.Lock()
		defer lock.Unlock()
		m.index.mu.Lock()
		_, named := m.index.audio[id]
		m.index.mu.Unlock()
		if named {
			return nil
		}
		return m.Store.DeleteObject(ctx, name)
	}
	// An attempt writes its result while its job is running.
	job, known := m.index.get(id[:max(0, strings.LastIndex(id, "-"))])
	if known && (!job.Status.Terminal() || job.Result != nil && job.Result.ValueID == name) {
		return nil
	}
	return m.Store.DeleteObject(ctx, name)
}
