package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// Run submits a run of a pipeline as a job of the service and task that run pipelines.
func (h *Handlers) Run(
	ctx context.Context, service, task string, request gen.RunPipelineRequestObject,
) (gen.RunPipelineResponseObject, error) {
	body, upload, err := h.readRun(ctx, request)
	defer h.Discard(upload)
	wait, fault := preferredWait(web.Value(request.Params.Prefer))
	if err := web.Join(err, fault); err != nil {
		return nil, err
	}
	params, err := json.Marshal(struct {
		Pipeline string           `json:"pipeline"`
		Input    *json.RawMessage `json:"input,omitempty"`
	}{request.Pipeline, body.Input})
	if err != nil {
		return nil, services.Internal(err, "the input could not be encoded")
	}
	raw := json.RawMessage(params)
	job := &gen.JobRequest{
		Service: &service, Task: &task, Params: &raw, Title: body.Title, Deadline: body.Deadline, CallbackUrl: body.CallbackUrl,
		Labels: body.Labels, AudioId: body.AudioId,
	}
	if body.Priority != nil {
		job.Priority = new(gen.JobRequestPriority(*body.Priority))
	}
	submission, err := submissionOf(job, upload)
	if err != nil {
		return nil, err
	}
	accepted, existed, err := h.submit(ctx, submission, web.Value(request.Params.IdempotencyKey))
	if err != nil {
		return nil, asRun(err)
	}
	return ranPipeline{h.answer(ctx, accepted, wait, existed)}, nil
}

// asRun replaces the names of fields of a job by those of a run.
func asRun(err error) error {
	var fault *services.Fault
	if !errors.As(err, &fault) {
		return err
	}
	named := *fault
	named.Fields = slices.Clone(fault.Fields)
	for i := range named.Fields {
		named.Fields[i].Field = strings.TrimPrefix(named.Fields[i].Field, "params.")
	}
	return &named
}

// readRun parses a form or JSON request. The caller closes the upload, even after an error.
func (h *Handlers) readRun(ctx context.Context, request gen.RunPipelineRequestObject) (*gen.RunRequest, *web.Upload, error) {
	if request.JSONBody != nil {
		return request.JSONBody, &web.Upload{}, nil
	}
	if request.MultipartBody == nil {
		return nil, &web.Upload{}, services.Faultf(services.KindUnsupported, "%s", web.FormOrJSON)
	}
	upload, err := h.ReceiveForm(ctx, request.MultipartBody, web.FormShape{File: "audio", Optional: true, Known: []string{"request"},
		MaxField: web.MaxJSON, Take: h.Take(ctx)})
	body := new(gen.RunRequest)
	values := upload.Fields["request"]
	if len(values) == 0 {
		return body, upload, err
	}
	return body, upload, web.Join(err, parseForm(values, `{"input":{}}`, h.run, body))
}

// ranPipeline is the response to a run.
type ranPipeline struct{ submitted }

// VisitRunPipelineResponse implements gen.RunPipelineResponseObject.
func (r ranPipeline) VisitRunPipelineResponse(w http.ResponseWriter) error {
	return r.VisitCreateJobResponse(w)
}

// submit submits a job for the caller of a request.
func (h *Handlers) submit(ctx context.Context, submission jobs.Submission, key string) (jobs.Job, bool, error) {
	caller := web.CallerOf(ctx)
	submission.IdempotencyKey = key
	submission.Owner, submission.SeesAll, submission.Admin = caller.Key, caller.All, caller.Admin
	recording := "audio"
	if submission.AudioID != "" {
		recording = "audio_id"
	}
	job, existed, err := h.Jobs.Submit(ctx, submission)
	return job, existed, submitFault(err, recording)
}

// answer waits for an accepted job as requested and returns the response.
func (h *Handlers) answer(ctx context.Context, job jobs.Job, wait time.Duration, existed bool) submitted {
	answer := submitted{job: h.await(ctx, job, wait), wait: wait, existed: existed}
	if answer.job.Status == jobs.StatusSucceeded {
		var err error
		// The job has been accepted; its result can still be fetched.
		if _, answer.result, err = h.Jobs.Result(ctx, web.ViewerOf(ctx), job.ID); err != nil {
			h.Log.Warn("the result of a job could not be read", "job", job.ID, "error", err)
		}
	}
	return answer
}

// StepsView returns the states of steps as clients see them.
func StepsView(steps []services.StepProgress) []gen.JobStep {
	list := make([]gen.JobStep, 0, len(steps))
	for _, one := range steps {
		list = append(list, gen.JobStep{
			Id: one.ID, Status: gen.JobStepStatus(one.Status), Progress: one.Progress,
			Done: web.Unless(one.Done, 0), Total: web.Unless(one.Total, 0),
			Started: web.UnlessZero(one.Started), Ended: web.UnlessZero(one.Ended), Error: web.Unless(one.Error, ""),
		})
	}
	return list
}

// stepsOf returns the states of the steps of a job; nil if it has none.
func stepsOf(job jobs.Job) *[]gen.JobStep {
	if len(job.Steps) == 0 {
		return nil
	}
	return new(StepsView(job.Steps))
}
