package jobs

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// note returns what the ledger notes of a job: enough to report it, to recognise a
// repeated request and to call the webhook if the store loses the record.
func note(j Job) json.RawMessage {
	light := Job{
		Owner: j.Owner, Service: j.Service, Task: j.Task, Model: j.Model, Priority: j.Priority, Labels: j.Labels, AudioID: j.AudioID,
		Batch: j.Batch, Item: j.Item,
		Fingerprint: j.Fingerprint, Status: j.Status, Created: j.Created, Started: j.Started, Finished: j.Finished, Lost: j.Lost,
	}
	if j.Callback != nil {
		light.Callback = &Callback{URL: j.Callback.URL, State: j.Callback.State}
	}
	raw, err := json.Marshal(light)
	if err != nil {
		return nil // a text that is not UTF-8 is replaced, and nothing else can fail
	}
	return raw
}

// restore returns the record of a job that the store lost. One that has ended ends
// again as it did, at the same time, so that its webhook has the same id; one that had
// not ended fails, because its parameters are lost. Of one that went back to an earlier
// state only the end is restored.
func restore(id string, noted records.Noted, stale *Job) (Job, bool) {
	var was Job
	if err := json.Unmarshal(noted.Note, &was); err != nil {
		return Job{}, false
	}
	if stale == nil {
		was.ID, was.Lost = id, true
		return was.lost("the store lost the record of this job"), true
	}
	if !noted.Final || stale.Status.Terminal() {
		return Job{}, false
	}
	job := stale.detached()
	job.Status, job.Finished = was.Status, was.Finished
	if job.Callback != nil && was.Callback != nil {
		job.Callback.State, job.Callback.Next, job.Callback.Worker = was.Callback.State, time.Time{}, ""
	}
	return job.lost("the store lost the end of this job"), true
}

// lost returns the job as ended. Its status is the one noted last.
func (j Job) lost(how string) Job {
	before := fmt.Sprintf("%s, which was %s", how, j.Status)
	if j.Status.Terminal() {
		before = fmt.Sprintf("%s, which had %s at %s", how, ended[j.Status], j.Finished.UTC().Format(time.RFC3339))
	}
	failure := &Failure{Kind: services.KindInternal, Message: before}
	switch j.Status {
	case StatusCancelled:
		failure.Kind = services.KindCancelled
	case StatusQueued, StatusRunning:
		j.end(StatusFailed, failure)
	}
	if j.Status == StatusSucceeded {
		j.Status = StatusFailed // its result is lost too
	}
	j.Failure, j.Claim, j.CancelRequested, j.SecondsLeft, j.NotBefore = failure, nil, false, 0, time.Time{}
	return j
}

// ended describes the ends.
var ended = map[Status]string{StatusSucceeded: "succeeded", StatusFailed: "failed", StatusCancelled: "been cancelled"}
