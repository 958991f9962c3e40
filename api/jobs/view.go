package jobs

import (
	"encoding/json"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// Body returns a job as JSON without its result, as the routes show it. It is the body of a
// webhook.
func Body(job jobs.Job) ([]byte, error) { return json.Marshal(jobView(job)) }

// jobView returns a job as clients see it: without its owner, its claim and the fields of
// the queue.
func jobView(job jobs.Job) gen.Job {
	self := path + "/" + job.ID
	view := gen.Job{
		Id: job.ID, Object: gen.JobObjectJob, Service: job.Service, Task: job.Task, Model: web.Unless(job.Model, ""),
		Title:  web.Unless(job.Title, ""),
		Status: gen.JobStatus(job.Status), Priority: gen.JobPriority(job.Priority.String()),
		Progress: min(max(job.Progress, 0), 1), Stage: web.Unless(job.Stage, ""), SecondsLeft: web.Unless(max(job.SecondsLeft, 0), 0),
		Attempts: len(job.Attempts), AttemptLog: make([]gen.JobAttempt, 0, len(job.Attempts)), Redeliveries: job.Redeliveries,
		Steps: stepsOf(job), Labels: job.Labels, AudioId: web.Unless(job.AudioID, ""), AudioBytes: web.Unless(job.AudioBytes, 0),
		Created: job.Created, Deadline: web.UnlessZero(job.Deadline), Started: web.UnlessZero(job.Started),
		Finished: web.UnlessZero(job.Finished),
		Links:    gen.JobLinks{Self: self, Events: self + "/events", Result: self + "/result"},
	}
	if job.Batch != "" {
		view.Batch, view.BatchItem = &job.Batch, &job.Item
	}
	if view.Labels == nil {
		view.Labels = map[string]string{}
	}
	if len(job.Params) > 0 {
		view.Params = &job.Params
	}
	if job.Status == jobs.StatusQueued {
		view.NotBefore = web.UnlessZero(job.NotBefore)
	}
	if !job.Status.Terminal() {
		view.CancelRequested = web.Unless(job.CancelRequested, false)
	}
	for _, a := range job.Attempts {
		view.AttemptLog = append(view.AttemptLog, gen.JobAttempt{
			Started: a.Started, Ended: web.UnlessZero(a.Ended), Worker: a.Worker, Outcome: web.Unless(string(a.Outcome), ""),
			Error: web.Unless(a.Error, ""),
		})
	}
	if result := job.Result; result != nil && job.Status == jobs.StatusSucceeded {
		if result.Model != "" {
			view.Model = &result.Model
		}
		view.Warnings = web.WarningsView(result.Warnings)
		if result.AudioID != "" {
			view.Sound = &gen.StoredSound{AudioId: result.AudioID, Bytes: result.AudioBytes, ContentType: result.ContentType}
			view.Links.Audio = new(web.AudioPath + "/" + result.AudioID)
		}
		for _, more := range result.More {
			view.MoreSounds = append(view.MoreSounds, gen.StoredSound{AudioId: more.AudioID, ContentType: more.ContentType, Bytes: more.AudioBytes})
		}
	}
	view.Error, view.Callback = jobError(job), callbackView(job.Callback)
	return view
}

func countsView(counts map[jobs.Status]int) gen.JobCounts {
	return gen.JobCounts{
		Queued: counts[jobs.StatusQueued], Running: counts[jobs.StatusRunning], Succeeded: counts[jobs.StatusSucceeded],
		Failed: counts[jobs.StatusFailed], Cancelled: counts[jobs.StatusCancelled],
	}
}

// jobError returns the reason why a job failed or was cancelled.
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
	view := &gen.JobCallback{Url: callback.URL, State: gen.JobCallbackState(callback.State), Next: web.UnlessZero(callback.Next),
		Deliveries: []gen.JobDelivery{}}
	for _, d := range callback.Deliveries {
		view.Deliveries = append(view.Deliveries, gen.JobDelivery{At: d.At, Status: web.Unless(d.Status, 0), Error: web.Unless(d.Error, "")})
	}
	return view
}
