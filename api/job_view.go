package api

import (
	"encoding/json"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// JobBody encodes a job as the routes show it, without its result: the body of a
// webhook.
func JobBody(job jobs.Job) ([]byte, error) { return json.Marshal(jobView(job)) }

// jobView shows a job to a client: all of it but its owner, its claim and what
// only the queue is for.
func jobView(job jobs.Job) gen.Job {
	path := jobsPath + "/" + job.ID
	view := gen.Job{
		Id: job.ID, Object: gen.JobObjectJob, Service: job.Service, Task: job.Task, Model: unless(job.Model, ""),
		Status: gen.JobStatus(job.Status), Priority: gen.JobPriority(job.Priority.String()),
		Progress: min(max(job.Progress, 0), 1), Stage: unless(job.Stage, ""), SecondsLeft: unless(max(job.SecondsLeft, 0), 0),
		Attempts: len(job.Attempts), AttemptLog: make([]gen.JobAttempt, 0, len(job.Attempts)), Redeliveries: job.Redeliveries,
		Labels: job.Labels, AudioId: unless(job.AudioID, ""), AudioBytes: unless(job.AudioBytes, 0),
		Created: job.Created, Deadline: unlessZero(job.Deadline), Started: unlessZero(job.Started), Finished: unlessZero(job.Finished),
		Links: gen.JobLinks{Self: path, Events: path + "/events", Result: path + "/result"},
	}
	if view.Labels == nil {
		view.Labels = map[string]string{}
	}
	if len(job.Params) > 0 {
		view.Params = &job.Params
	}
	if job.Status == jobs.StatusQueued {
		view.NotBefore = unlessZero(job.NotBefore)
	}
	if !job.Status.Terminal() {
		view.CancelRequested = unless(job.CancelRequested, false)
	}
	for _, a := range job.Attempts {
		view.AttemptLog = append(view.AttemptLog, gen.JobAttempt{
			Started: a.Started, Ended: unlessZero(a.Ended), Worker: a.Worker, Outcome: unless(string(a.Outcome), ""), Error: unless(a.Error, ""),
		})
	}
	if result := job.Result; result != nil && job.Status == jobs.StatusSucceeded {
		if result.Model != "" {
			view.Model = &result.Model
		}
		view.Warnings = warningsView(result.Warnings)
		if result.AudioID != "" {
			view.Sound = &gen.StoredSound{AudioId: result.AudioID, Bytes: result.AudioBytes, ContentType: result.ContentType}
			view.Links.Audio = new(audioPath + "/" + result.AudioID)
		}
		for _, more := range result.More {
			view.MoreSounds = append(view.MoreSounds, gen.StoredSound{AudioId: more.AudioID, ContentType: more.ContentType, Bytes: more.AudioBytes})
		}
	}
	view.Error, view.Callback = jobError(job), callbackView(job.Callback)
	return view
}

// jobError says why a job failed or was cancelled.
func jobError(job jobs.Job) *gen.JobError {
	if job.Failure == nil {
		return nil
	}
	view := &gen.JobError{Kind: string(job.Failure.Kind), Message: job.Failure.Message}
	if len(job.Failure.Fields) > 0 {
		var list []gen.FieldProblem
		for _, field := range jobFields(job.Failure.Fields, "audio") {
			list = append(list, gen.FieldProblem{Field: field.Field, Problem: field.Problem})
		}
		view.Errors = &list
	}
	return view
}

func callbackView(callback *jobs.Callback) *gen.JobCallback {
	if callback == nil {
		return nil
	}
	view := &gen.JobCallback{Url: callback.URL, State: gen.JobCallbackState(callback.State), Next: unlessZero(callback.Next), Deliveries: []gen.JobDelivery{}}
	for _, d := range callback.Deliveries {
		view.Deliveries = append(view.Deliveries, gen.JobDelivery{At: d.At, Status: unless(d.Status, 0), Error: unless(d.Error, "")})
	}
	return view
}

// unless gives nil for the value that is left out.
func unless[T comparable](value, left T) *T {
	if value == left {
		return nil
	}
	return &value
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
