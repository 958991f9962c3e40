package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// longRun is the expected time from which a job counts as long. Long jobs of an owner use
// at most as many places of a service as it has runs, so that the spare places remain for
// short ones that fit between two windows of a long one.
const longRun = 10 * time.Second

// dispatch starts jobs whenever a job and a place are available.
func (m *Manager) dispatch() {
	if !m.Database.AwaitReady(m.intake) {
		return
	}
	// The ticker finds jobs whose delay has passed.
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		for service := range m.Runs {
			if len(m.cfg.Services) == 0 || slices.Contains(m.cfg.Services, service) {
				m.fill(service)
			}
		}
		select {
		case <-m.wake:
		case <-ticker.C:
		case <-m.intake.Done():
			return
		}
	}
}

// fill starts jobs of a service until none may start.
func (m *Manager) fill(service string) {
	for m.intake.Err() == nil {
		runs := m.runs(service)
		job, meter, found := m.index.pick(service, room{own: runs + m.cfg.Spare, long: runs, held: m.held})
		if !found {
			return
		}
		m.attempts.Go(func() {
			defer m.nudge()
			defer m.index.leave(job)
			m.attend(job.ID, meter)
		})
	}
}

// held reports whether the job waits for an operator to resume its service or model. One
// whose deadline has passed does not: it ends.
func (m *Manager) held(job Job) bool {
	return m.Held != nil && (job.Deadline.IsZero() || job.Deadline.After(time.Now())) && m.Held(job.taskFor(nil))
}

// runs returns how many tasks of a service may run at once now.
func (m *Manager) runs(service string) int {
	if m.Width == nil {
		return m.Runs[service]
	}
	return m.Width(service)
}

// attend claims a job, runs it once and writes the outcome.
func (m *Manager) attend(id string, meter *services.Meter) {
	a, err := m.claim(id, meter)
	if err != nil {
		if m.work.Err() == nil {
			m.Log.Error("a job could not be claimed", "job", id, "error", err)
			records.Pause(m.intake, time.Second)
		}
		return
	}
	if a == nil {
		return // another worker has it, or it has ended
	}
	m.mu.Lock()
	m.running[id] = a
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.running, id)
		m.mu.Unlock()
	}()
	a.run()
}

// claim claims a queued job for this worker. It returns nil if there is nothing to do.
func (m *Manager) claim(id string, meter *services.Meter) (*attempt, error) {
	ctx, cancel := context.WithTimeout(m.work, storeTimeout)
	defer cancel()
	a := &attempt{manager: m, token: rand.Text(), began: time.Now()}
	var mine bool
	job, err := m.edit(ctx, id, func(job *Job) (bool, error) {
		mine = false
		if job.Status != StatusQueued {
			return false, nil
		}
		now := time.Now().UTC()
		if m.overdue(*job) {
			job.end(StatusFailed, deadlineFailure(*job))
			return true, nil
		}
		mine = true
		job.Status, job.Claim = StatusRunning, &Claim{Worker: m.worker, Token: a.token, Since: now}
		if job.Started.IsZero() {
			job.Started = now
		}
		job.NotBefore, job.Progress, job.Stage = time.Time{}, 0, stageWaiting
		job.SecondsLeft = m.speed.expect(*job).Seconds()
		job.Attempts = append(job.Attempts, Attempt{Started: now, Worker: m.worker})
		return true, nil
	})
	if services.KindOf(err) == services.KindNotFound {
		return nil, nil
	}
	if err != nil || !mine {
		return nil, err
	}
	a.job = job
	a.ctx, a.stop = context.WithCancelCause(services.WithSteps(services.WithMeter(m.work, meter), a.observe))
	return a, nil
}

// stageWaiting is the stage of a claimed job that waits for memory or a run slot.
const stageWaiting = "waiting"

func deadlineFailure(job Job) *Failure {
	return &Failure{
		Kind:    services.KindTimeout,
		Message: "the deadline " + job.Deadline.Format(time.RFC3339) + " passed before the job was done",
	}
}

// stopAttempt cancels this process's attempt at a job, if any.
func (m *Manager) stopAttempt(id string, cause error) {
	m.mu.Lock()
	a := m.running[id]
	m.mu.Unlock()
	if a != nil {
		a.stop(cause)
	}
}

// storeTimeout bounds a write of the worker, including the store's own retries.
const storeTimeout = 15 * time.Second

// retryable reports whether a write may succeed if it is repeated.
func retryable(err error) bool {
	return err != nil && !errors.Is(err, records.ErrConflict) && services.KindOf(err) != services.KindNotFound
}
