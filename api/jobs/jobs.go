package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// Jobs runs asynchronous jobs; jobs.Manager implements it. A viewer sees only the jobs of
// that owner; an empty viewer sees all.
type Jobs interface {
	// Submit accepts a job; existed reports whether it repeats an earlier submission with
	// the same idempotency key.
	Submit(ctx context.Context, s jobs.Submission) (job jobs.Job, existed bool, err error)
	// Get returns a job, or a fault of KindNotFound.
	Get(ctx context.Context, viewer, id string) (jobs.Job, error)
	// List returns a page of jobs. An invalid cursor is an invalid field.
	List(ctx context.Context, f jobs.Filter) (jobs.Page, error)
	// Queue returns the state of the queue for an owner.
	Queue(owner string) jobs.Queue
	// Cancel cancels a job. A finished job is returned unchanged.
	Cancel(ctx context.Context, viewer, id string) (jobs.Job, error)
	// Retry queues a job again, or returns ErrNotRetriable.
	Retry(ctx context.Context, viewer, id string) (jobs.Job, error)
	// RetryFrom is Retry of a job whose task has steps, of which one and those that depend
	// on it run again.
	RetryFrom(ctx context.Context, viewer, id, step string) (jobs.Job, error)
	// Remove deletes the record of a finished job, or returns ErrNotFinished.
	Remove(ctx context.Context, viewer, id string) error
	// Follow calls changed with the current job if its revision is after the given one, and
	// at every later change. It returns after the terminal change, with ctx's error, or
	// with changed's.
	Follow(ctx context.Context, viewer, id string, after jobs.Revision, changed func(jobs.Job) error) error
	// Feed calls changed with the jobs of a filter that have not finished or are later than
	// a revision, and at every later change. The revision is what to resume after.
	Feed(ctx context.Context, f jobs.Filter, after jobs.Revision, changed func([]jobs.Job, jobs.Revision) error) error
	// CancelAll cancels the jobs of a filter, and RemoveAll deletes the ended ones.
	CancelAll(ctx context.Context, f jobs.Filter) (jobs.Bulk, error)
	RemoveAll(ctx context.Context, f jobs.Filter) (jobs.Bulk, error)
	// Result returns the value of a succeeded job as JSON, or ErrNotFinished or
	// ErrNoResult.
	Result(ctx context.Context, viewer, id string) (jobs.Job, json.RawMessage, error)
}

// Handlers serves the routes of jobs.
type Handlers struct {
	*web.Base
	Jobs Jobs
	// Batches runs batches of jobs.
	Batches Batches
	// request is the schema of a job's request, to validate those in forms.
	request *openapi3.Schema
	// run is that of a pipeline's run.
	run *openapi3.Schema
	// batch and item are the schemas of a batch's request and of an item in a line.
	batch, item *openapi3.Schema
	// heartbeat is the interval of comments in a stream without events.
	heartbeat time.Duration
}

// New returns the handlers of the job routes.
func New(base *web.Base, manager Jobs, many Batches, spec *openapi3.T) *Handlers {
	schemas := spec.Components.Schemas
	return &Handlers{
		Base: base, Jobs: manager, Batches: many, request: schemas["JobRequest"].Value, run: schemas["RunRequest"].Value,
		batch: schemas["BatchRequest"].Value, item: schemas["BatchItem"].Value, heartbeat: 15 * time.Second,
	}
}

// path is the route of jobs.
const path = "/v1/jobs"

// ListJobs implements gen.StrictServerInterface.
func (h *Handlers) ListJobs(ctx context.Context, request gen.ListJobsRequestObject) (gen.ListJobsResponseObject, error) {
	filter, err := jobFilter(request.Params)
	if err != nil {
		return nil, err
	}
	filter.Owner, filter.WithParams = web.ViewerOf(ctx), request.Params.Include != nil
	page, err := h.Jobs.List(ctx, filter)
	if err != nil {
		return nil, jobFault(err)
	}
	list := gen.JobList{Object: gen.JobListObjectList, Data: make([]gen.Job, 0, len(page.Jobs)), HasMore: page.Next != "",
		NextCursor: web.Unless(page.Next, ""), Counts: countsView(page.Counts)}
	queue := h.Jobs.Queue(web.CallerOf(ctx).Key)
	list.Queue = &gen.JobQueue{Waiting: queue.All, Yours: queue.Own, Limit: queue.Limit, Full: queue.Full, Detail: queue.Detail()}
	for _, job := range page.Jobs {
		list.Data = append(list.Data, jobView(job))
	}
	return gen.ListJobs200JSONResponse{Body: list}, nil
}

// GetJob implements gen.StrictServerInterface.
func (h *Handlers) GetJob(ctx context.Context, request gen.GetJobRequestObject) (gen.GetJobResponseObject, error) {
	job, err := h.Jobs.Get(ctx, web.ViewerOf(ctx), request.JobId)
	if err != nil {
		return nil, jobFault(err)
	}
	return gen.GetJob200JSONResponse{JobJSONResponse: gen.JobJSONResponse{Body: jobView(job)}}, nil
}

// CancelJob implements gen.StrictServerInterface.
func (h *Handlers) CancelJob(ctx context.Context, request gen.CancelJobRequestObject) (gen.CancelJobResponseObject, error) {
	if web.Value(request.Params.Purge) {
		if err := h.Jobs.Remove(ctx, web.ViewerOf(ctx), request.JobId); err != nil {
			return nil, jobFault(err)
		}
		return gen.CancelJob204Response{}, nil
	}
	job, err := h.Jobs.Cancel(ctx, web.ViewerOf(ctx), request.JobId)
	if err != nil {
		return nil, jobFault(err)
	}
	return gen.CancelJob200JSONResponse{JobJSONResponse: gen.JobJSONResponse{Body: jobView(job)}}, nil
}

// CancelJobs implements gen.StrictServerInterface.
func (h *Handlers) CancelJobs(ctx context.Context, request gen.CancelJobsRequestObject) (gen.CancelJobsResponseObject, error) {
	filter, err := jobFilter(gen.ListJobsParams{Label: &request.Params.Label, Service: request.Params.Service})
	if err != nil {
		return nil, err
	}
	filter.Owner = web.ViewerOf(ctx)
	var done gen.JobsChanged
	var bulk jobs.Bulk
	if web.Value(request.Params.Purge) {
		bulk, err = h.Jobs.RemoveAll(ctx, filter)
		done.Deleted = bulk.Changed
	} else {
		bulk, err = h.Jobs.CancelAll(ctx, filter)
		done.Cancelled = bulk.Changed
	}
	if err != nil {
		return nil, jobFault(err)
	}
	done.Matched = bulk.Matched
	return gen.CancelJobs200JSONResponse{Body: done}, nil
}

// RetryJob implements gen.StrictServerInterface.
func (h *Handlers) RetryJob(ctx context.Context, request gen.RetryJobRequestObject) (gen.RetryJobResponseObject, error) {
	var job jobs.Job
	var err error
	if step := web.Value(request.Params.FromStep); step != "" {
		job, err = h.Jobs.RetryFrom(ctx, web.ViewerOf(ctx), request.JobId, step)
	} else {
		job, err = h.Jobs.Retry(ctx, web.ViewerOf(ctx), request.JobId)
	}
	if err != nil {
		return nil, jobFault(err)
	}
	return gen.RetryJob200JSONResponse{JobJSONResponse: gen.JobJSONResponse{Body: jobView(job)}}, nil
}

// jobProblems are the responses for the errors of jobs.
var jobProblems = []struct {
	err    error
	answer problem.HTTPError
}{
	{jobs.ErrNotFinished, problem.HTTPError{Status: http.StatusConflict, Slug: "job_not_finished", Title: "Job not finished",
		Message: "the job has no result yet"}},
	{jobs.ErrNoResult, problem.HTTPError{Status: http.StatusConflict, Slug: "job_has_no_result", Title: "Job has no result",
		Message: "the job ended without a result"}},
	{jobs.ErrNotRetriable, problem.HTTPError{Status: http.StatusConflict, Slug: "job_not_retriable", Title: "Job cannot be retried",
		Message: "only a failed or cancelled job can be retried"}},
	{jobs.ErrInBatch, problem.HTTPError{Status: http.StatusConflict, Slug: "job_in_batch", Title: "Job in a batch"}},
	{batches.ErrNotFinished, problem.HTTPError{Status: http.StatusConflict, Slug: "batch_not_finished", Title: "Batch not finished"}},
}

// jobFault returns the response for an error of jobs. A fault that wraps the error has the
// more specific message; other errors are returned unchanged.
func jobFault(err error) error {
	for _, row := range jobProblems {
		if !errors.Is(err, row.err) {
			continue
		}
		answer := row.answer
		var fault *services.Fault
		switch {
		case errors.As(err, &fault):
			answer.Message, answer.Fields, answer.RetryAfter = fault.Detail(), fault.Fields, fault.RetryAfter
		case answer.Message == "", row.err == jobs.ErrNotRetriable: //nolint:errorlint // which row it is
			answer.Message = err.Error()
		}
		return &answer
	}
	return err
}
