package batches

import (
	"encoding/json"
	"time"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// Outcome is how an item has ended.
type Outcome struct {
	// Item is the item's place in the batch, from 0. It is the first field of a line.
	Item   int         `json:"item"`
	Status jobs.Status `json:"status"`
	// Job that did the work; empty if the item was refused before it became one.
	Job      string             `json:"job,omitempty"`
	Service  string             `json:"service,omitempty"`
	Task     string             `json:"task,omitempty"`
	Model    string             `json:"model,omitempty"`
	Attempts int                `json:"attempts,omitempty"`
	Started  time.Time          `json:"started,omitzero"`
	Finished time.Time          `json:"finished,omitzero"`
	Failure  *jobs.Failure      `json:"failure,omitempty"`
	Warnings []services.Warning `json:"warnings,omitempty"`
	Sounds   []jobs.Sound       `json:"sounds,omitempty"`
	Result   json.RawMessage    `json:"result,omitempty"`
}

// outcomeOf returns the outcome of an ended job, without its result.
func outcomeOf(job jobs.Job) Outcome {
	out := Outcome{
		Item: job.Item, Status: job.Status, Job: job.ID, Service: job.Service, Task: job.Task, Model: job.Model,
		Attempts: len(job.Attempts), Started: job.Started, Finished: job.Finished, Failure: job.Failure,
	}
	if result := job.Result; result != nil && job.Status == jobs.StatusSucceeded {
		out.Warnings, out.Failure = result.Warnings, nil
		if result.Model != "" {
			out.Model = result.Model
		}
		if result.AudioID != "" {
			first := jobs.Sound{AudioID: result.AudioID, ContentType: result.ContentType, AudioBytes: result.AudioBytes}
			out.Sounds = append([]jobs.Sound{first}, result.More...)
		}
	}
	return out
}

// refusal returns the outcome of an item that could not become a job.
func refusal(item int, failure *jobs.Failure) Outcome {
	return Outcome{Item: item, Status: jobs.StatusFailed, Finished: time.Now().UTC(), Failure: failure}
}
