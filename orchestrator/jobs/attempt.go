package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// progressInterval is the time between two writes of a job's progress.
const progressInterval = 200 * time.Millisecond

// attempt is one run of a job by this process, and the sink of its task.
type attempt struct {
	manager *Manager
	token   string
	began   time.Time
	ctx     context.Context
	stop    context.CancelCauseFunc

	mu  sync.Mutex
	job Job // as last written
	// fraction and stage are the last reported progress; at is when work began, after
	// the wait.
	fraction float64
	stage    string
	at       time.Time
	// states returns the states of the task's steps; nil for a task without.
	states func() []services.StepProgress
}

// run runs the task and writes its progress and its end.
func (a *attempt) run() {
	defer a.stop(nil)
	if err := a.ctx.Err(); err == nil && a.job.CancelRequested {
		a.stop(ErrCancelled)
	}
	var beats sync.WaitGroup
	ended := make(chan struct{})
	beats.Go(func() { a.beat(ended) })
	result, err := a.execute()
	close(ended)
	beats.Wait()
	a.settle(result, err)
	if err := result.Audio.Remove(); err != nil {
		a.manager.Log.Error("a job's sound could not be removed", "job", a.job.ID, "error", err)
	}
}

// execute runs the task. Its recording is read from the store.
func (a *attempt) execute() (services.TaskResult, error) {
	m := a.manager
	a.mu.Lock()
	job := a.job
	a.mu.Unlock()
	if job.AudioID == "" {
		return m.Executor.Execute(a.ctx, job.taskFor(nil), a)
	}
	source, err := m.Library.Source(a.ctx, job.AudioID)
	if services.KindOf(err) == services.KindNotFound {
		// It existed when the job was accepted, so this is not the client's error.
		err = services.Internal(err, "recording %s is lost", job.AudioID)
	}
	if err != nil {
		return services.TaskResult{}, err
	}
	result, err := m.Executor.Execute(a.ctx, job.taskFor(source), a)
	// A decoder may have mistaken a fault of the store for a damaged file or its end.
	if fault := source.Err(); fault != nil {
		return result, fault
	}
	return result, err
}

// Progress implements services.Sink.
func (a *attempt) Progress(fraction float64, stage string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() {
		a.at = time.Now()
	}
	a.fraction, a.stage = min(max(fraction, a.fraction), 1), stage
}

// Partial implements services.Sink. A job has no partial results.
func (a *attempt) Partial(any) {}

// observe is called with the states of the steps of a task that has some.
func (a *attempt) observe(states func() []services.StepProgress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.states = states
}

// steps returns the states of the task's steps; nil for a task without.
func (a *attempt) steps() []services.StepProgress {
	a.mu.Lock()
	states := a.states
	a.mu.Unlock()
	if states == nil {
		return nil
	}
	return states()
}

// beat writes progress, and a sign of life while there is none.
func (a *attempt) beat(ended <-chan struct{}) {
	m := a.manager
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	written := time.Now()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
		steps := a.steps()
		a.mu.Lock()
		job, changed := a.job, false
		if !a.at.IsZero() {
			changed = a.fraction != job.Progress || a.stage != job.Stage || !slices.Equal(steps, job.Steps)
			job.Progress, job.Stage = a.fraction, a.stage
			job.SecondsLeft = m.speed.left(job, a.fraction, time.Since(a.at)).Seconds()
		}
		a.mu.Unlock()
		if !changed && time.Since(written) < m.cfg.ClaimTimeout/4 {
			continue
		}
		ctx, cancel := context.WithTimeout(a.ctx, storeTimeout)
		err := a.write(ctx, func(next *Job) {
			next.Progress, next.Stage, next.SecondsLeft, next.Steps = job.Progress, job.Stage, job.SecondsLeft, steps
		})
		cancel()
		switch {
		case err == nil:
			written = time.Now()
		case a.ctx.Err() == nil:
			m.Log.Warn("a job's progress could not be written", "job", job.ID, "error", err)
		}
	}
}

// write changes the job's record if this attempt holds the claim. Otherwise the attempt
// is over, and the error is errClaimLost.
func (a *attempt) write(ctx context.Context, change func(*Job)) error {
	m := a.manager
	a.mu.Lock()
	job := a.job
	a.mu.Unlock()
	for {
		job = job.detached()
		change(&job)
		saved, err := m.all.Replace(ctx, job)
		if err == nil {
			a.mu.Lock()
			a.job = saved
			a.mu.Unlock()
			return nil
		}
		if !errors.Is(err, records.ErrConflict) {
			return err
		}
		if job, err = m.load(ctx, job.ID); err != nil && services.KindOf(err) != services.KindNotFound {
			return err
		}
		if err != nil || job.Claim == nil || job.Claim.Token != a.token {
			a.stop(errClaimLost)
			return errClaimLost
		}
		if job.CancelRequested {
			a.stop(ErrCancelled)
		}
	}
}

var _ services.Sink = (*attempt)(nil)
