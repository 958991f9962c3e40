package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// inlineValue is the size of the largest result stored in the job's record.
const inlineValue = 32 << 10

// maxAttemptLog bounds the attempts that a record remembers.
const maxAttemptLog = 50

// settle writes the outcome of an attempt. Only the holder of the claim can do so; a
// job therefore has one end.
func (a *attempt) settle(result services.TaskResult, err error) {
	m := a.manager
	if errors.Is(context.Cause(a.ctx), errClaimLost) {
		return
	}
	if err == nil {
		m.speed.learn(a.job, time.Since(a.workBegan()))
	}
	// The attempt's context may have ended, but the outcome must be written. Either the
	// store recovers, or the server stops and the job is redelivered.
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		ctx, cancel := context.WithTimeout(context.Background(), 4*storeTimeout)
		writeErr := a.conclude(ctx, result, err)
		cancel()
		if !retryable(writeErr) || errors.Is(writeErr, errClaimLost) {
			return
		}
		m.Log.Error("a job's end could not be written", "job", a.job.ID, "error", writeErr)
		if m.work.Err() != nil {
			return
		}
		records.Pause(m.work, wait)
	}
}

func (a *attempt) workBegan() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() {
		return a.began
	}
	return a.at
}

// conclude determines and writes the outcome of the attempt.
func (a *attempt) conclude(ctx context.Context, result services.TaskResult, err error) error {
	m := a.manager
	var stored *Result
	if err == nil {
		var storeErr error
		var release func()
		stored, release, storeErr = m.storeResult(ctx, a, result)
		defer release() // the record names the sounds by then
		switch services.KindOf(storeErr) {
		case services.KindUnavailable, services.KindCancelled, services.KindTimeout:
			return storeErr // the store may recover
		default:
			err = storeErr // nil, or an error that another attempt may avoid, such as a full disk
		}
	}
	cause := context.Cause(a.ctx)
	var ended Job
	writeErr := a.write(ctx, func(job *Job) {
		last := &job.Attempts[len(job.Attempts)-1]
		last.Ended, last.Outcome = time.Now().UTC(), services.OutcomeOf(err)
		if err != nil {
			last.Error = detail(err)
		}
		job.Steps = a.steps()
		if n := len(job.Attempts) - maxAttemptLog; n > 0 {
			job.Attempts = job.Attempts[n:]
		}
		switch {
		case err == nil:
			job.Result = stored
			job.end(StatusSucceeded, nil)
		case errors.Is(cause, ErrCancelled) || job.CancelRequested:
			job.end(StatusCancelled, &Failure{Kind: services.KindCancelled, Message: "cancelled while it ran"})
		case errors.Is(cause, ErrStopping):
			last.Outcome = OutcomeInterrupted
			job.requeue(0)
		default:
			m.judge(job, err)
		}
		ended = *job
	})
	if writeErr != nil {
		if stored != nil && stored.ValueID != "" {
			writeErr = errors.Join(writeErr, m.store.DeleteObject(ctx, stored.ValueID))
		}
		return writeErr
	}
	m.Log.Info("job attempt ended", "job", ended.ID, "service", ended.Service, "status", string(ended.Status),
		"attempts", len(ended.Attempts), "took", time.Since(a.began))
	return nil
}

// judge ends or requeues a job whose attempt failed.
func (m *Manager) judge(job *Job, err error) {
	var fault *services.Fault
	errors.As(err, &fault)
	switch kind := services.KindOf(err); {
	case m.overdue(*job):
		job.end(StatusFailed, deadlineFailure(*job))
	case fault != nil && fault.Final:
		job.end(StatusFailed, failureOf(err))
	case kind == services.KindBusy, kind == services.KindUnavailable:
		// It did not run, so the attempt does not count.
		wait := m.cfg.Retry.Delay
		if fault != nil {
			wait = max(wait, fault.RetryAfter)
		}
		if m.held(*job) {
			wait = 0 // it goes on as soon as it is no longer held
		}
		job.requeue(min(wait, m.cfg.Retry.MaxDelay))
		job.Stage = detail(err)
	case kind == services.KindTimeout, kind == services.KindInternal, kind == services.KindFull:
		job.Tries++
		if job.Tries < m.MaxAttempts {
			job.requeue(backOff(m.cfg.Retry, job.Tries))
			return
		}
		job.end(StatusFailed, failureOf(err))
	default:
		job.end(StatusFailed, failureOf(err))
	}
}

// backOff doubles the delay with each try.
func backOff(cfg RetryConfig, tries int) time.Duration {
	delay := cfg.Delay
	for i := 1; i < tries && delay < cfg.MaxDelay; i++ {
		delay *= 2
	}
	return min(delay, cfg.MaxDelay)
}

// requeue returns the job to the queue with a delay.
func (j *Job) requeue(wait time.Duration) {
	j.Status, j.Claim = StatusQueued, nil
	j.Progress, j.Stage, j.SecondsLeft = 0, "", 0
	j.NotBefore = time.Time{}
	if wait > 0 {
		j.NotBefore = time.Now().UTC().Add(wait)
	}
}

// detail returns the text of an error for the client, without its cause.
func detail(err error) string {
	var fault *services.Fault
	if errors.As(err, &fault) {
		return services.ClipDetail(fault.Detail())
	}
	switch services.KindOf(err) {
	case services.KindCancelled:
		return "cancelled"
	case services.KindTimeout:
		return "took longer than allowed"
	default:
		return "failed unexpectedly"
	}
}

func failureOf(err error) *Failure {
	failure := &Failure{Kind: services.KindOf(err), Message: detail(err)}
	var fault *services.Fault
	if errors.As(err, &fault) {
		failure.Fields = services.ClipFields(fault.Fields)
	}
	return failure
}

// storeResult stores the result of the task before the record that refers to it is
// written. Its sounds are not deleted until release is called, which must be, even after an
// error.
func (m *Manager) storeResult(ctx context.Context, a *attempt, result services.TaskResult) (_ *Result, release func(), _ error) {
	stored, err := m.storeValue(ctx, a, result)
	var releases []func()
	release = func() {
		for _, one := range releases {
			one()
		}
	}
	if err != nil || result.Audio == nil {
		return stored, release, err
	}
	for i, sound := range result.Audio.All() {
		recording, held, err := m.Library.Import(ctx, sound, library.About{Owner: a.job.Owner, ContentType: sound.ContentType})
		if err != nil {
			return nil, release, err
		}
		releases = append(releases, held)
		if i == 0 {
			stored.AudioID, stored.ContentType, stored.AudioBytes = recording.ID, sound.ContentType, recording.Bytes
		} else {
			stored.More = append(stored.More, Sound{recording.ID, sound.ContentType, recording.Bytes})
		}
	}
	return stored, release, nil
}

// storeValue stores the value of a result.
func (m *Manager) storeValue(ctx context.Context, a *attempt, result services.TaskResult) (*Result, error) {
	stored := &Result{Model: result.Model, Warnings: result.Warnings}
	value, err := json.Marshal(result.Value)
	if err != nil {
		return nil, services.Internal(err, "the result could not be encoded")
	}
	if len(value) <= inlineValue {
		stored.Value = value
	} else {
		stored.ValueID, stored.ValueBytes = fmt.Sprintf("value-%s-%s", a.job.ID, a.token), int64(len(value))
		if err := m.store.Room(services.Bytes(len(value))); err != nil {
			return nil, err
		}
		if err := records.PutObject(ctx, m.store, stored.ValueID, bytes.NewReader(value)); err != nil {
			return nil, err
		}
	}
	return stored, nil
}
