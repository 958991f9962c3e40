package jobs

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// Batches runs batches of jobs; batches.Manager implements it. Viewers are as those of Jobs.
type Batches interface {
	// Draft begins a batch of a caller.
	Draft(caller services.Caller) (*batches.Draft, error)
	// Get returns a batch, or a fault of KindNotFound.
	Get(ctx context.Context, viewer, id string) (batches.View, error)
	// List returns a page of batches and the cursor of the next one.
	List(ctx context.Context, f batches.Filter) ([]batches.View, string, error)
	// Cancel cancels a batch. An ended one is returned unchanged.
	Cancel(ctx context.Context, viewer, id string) (batches.View, error)
	// Retry opens the failed items or all of an ended batch again, or returns
	// ErrNotFinished.
	Retry(ctx context.Context, viewer, id string, all bool) (batches.View, error)
	// Remove deletes an ended batch, or returns ErrNotFinished.
	Remove(ctx context.Context, viewer, id string) error
	// Follow calls changed with the batch, and with every later change of it and its items,
	// up to its end.
	Follow(ctx context.Context, viewer, id string, changed func(batches.Change) error) error
	// Results calls visit with the items that have ended, in order.
	Results(ctx context.Context, viewer, id string, visit func(batches.Result) error) error
}

// batchPath is the route of batches.
const batchPath = "/v1/batches"

// BatchBody returns a batch as JSON, as the routes show it. It is the body of a webhook.
func BatchBody(v batches.View) ([]byte, error) { return json.Marshal(batchView(v)) }

// batchView returns a batch as clients see it.
func batchView(v batches.View) gen.Batch {
	self, shared := batchPath+"/"+v.ID, v.Shared
	view := gen.Batch{
		Id: v.ID, Object: gen.BatchObjectBatch, Status: gen.BatchStatus(v.Status), Title: web.Unless(v.Title, ""),
		Service: web.Unless(shared.Service, ""), Task: web.Unless(shared.Task, ""), Priority: gen.BatchPriority(v.Priority.String()),
		Labels: shared.Labels, Items: v.Items,
		Counts: gen.BatchCounts{
			Pending: v.Counts.Pending, Queued: v.Counts.Queued, Running: v.Counts.Running, Succeeded: v.Counts.Succeeded,
			Failed: v.Counts.Failed, Cancelled: v.Counts.Cancelled,
		},
		Progress: v.Progress, SecondsLeft: web.Unless(v.SecondsLeft, 0), CancelRequested: web.Unless(v.CancelRequested, false),
		Created: v.Created, Finished: web.UnlessZero(v.Finished), Callback: callbackView(v.Callback),
		Links: gen.BatchLinks{Self: self, Events: self + "/events", Results: self + "/results"},
	}
	if view.Labels == nil {
		view.Labels = map[string]string{}
	}
	return view
}

// GetBatch implements gen.StrictServerInterface.
func (h *Handlers) GetBatch(ctx context.Context, request gen.GetBatchRequestObject) (gen.GetBatchResponseObject, error) {
	view, err := h.Batches.Get(ctx, web.ViewerOf(ctx), request.BatchId)
	if err != nil {
		return nil, jobFault(err)
	}
	return gen.GetBatch200JSONResponse{BatchJSONResponse: gen.BatchJSONResponse{Body: batchView(view)}}, nil
}

// ListBatches implements gen.StrictServerInterface.
func (h *Handlers) ListBatches(ctx context.Context, request gen.ListBatchesRequestObject) (gen.ListBatchesResponseObject, error) {
	labels, err := jobFilter(gen.ListJobsParams{Label: request.Params.Label})
	if err != nil {
		return nil, err
	}
	filter := batches.Filter{
		Owner: web.ViewerOf(ctx), Status: batches.Status(web.Value(request.Params.Status)), Labels: labels.Labels, Limit: web.DefaultPage,
		Cursor: web.Value(request.Params.Cursor),
	}
	if request.Params.Limit != nil {
		filter.Limit = *request.Params.Limit
	}
	views, next, err := h.Batches.List(ctx, filter)
	if err != nil {
		return nil, jobFault(err)
	}
	list := gen.BatchList{Data: make([]gen.Batch, 0, len(views)), Next: web.Unless(next, "")}
	for _, view := range views {
		list.Data = append(list.Data, batchView(view))
	}
	return gen.ListBatches200JSONResponse{Body: list}, nil
}

// CancelBatch implements gen.StrictServerInterface.
func (h *Handlers) CancelBatch(ctx context.Context, request gen.CancelBatchRequestObject) (gen.CancelBatchResponseObject, error) {
	if web.Value(request.Params.Purge) {
		if err := h.Batches.Remove(ctx, web.ViewerOf(ctx), request.BatchId); err != nil {
			return nil, jobFault(err)
		}
		return gen.CancelBatch204Response{}, nil
	}
	view, err := h.Batches.Cancel(ctx, web.ViewerOf(ctx), request.BatchId)
	if err != nil {
		return nil, jobFault(err)
	}
	return gen.CancelBatch200JSONResponse{BatchJSONResponse: gen.BatchJSONResponse{Body: batchView(view)}}, nil
}

// RetryBatch implements gen.StrictServerInterface.
func (h *Handlers) RetryBatch(ctx context.Context, request gen.RetryBatchRequestObject) (gen.RetryBatchResponseObject, error) {
	all := request.Params.Items != nil && *request.Params.Items == gen.RetryBatchParamsItemsAll
	view, err := h.Batches.Retry(ctx, web.ViewerOf(ctx), request.BatchId, all)
	if err != nil {
		return nil, jobFault(err)
	}
	return gen.RetryBatch200JSONResponse{BatchJSONResponse: gen.BatchJSONResponse{Body: batchView(view)}}, nil
}

// acceptedBatch is the response to a submission.
type acceptedBatch struct {
	view    batches.View
	existed bool
}

// VisitCreateBatchResponse implements gen.CreateBatchResponseObject.
func (a acceptedBatch) VisitCreateBatchResponse(w http.ResponseWriter) error {
	view := batchView(a.view)
	body, err := json.Marshal(view)
	if err != nil {
		return services.Internal(err, "the batch could not be encoded")
	}
	w.Header().Set("Location", view.Links.Self)
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusAccepted
	if a.existed {
		w.Header().Set("Idempotent-Replayed", "true")
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the batch is accepted even if the client has left
	return nil
}

// failureView returns the reason why an item failed.
func failureView(failure *jobs.Failure) *gen.JobError { return jobError(jobs.Job{Failure: failure}) }
