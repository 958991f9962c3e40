package jobs

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// CreateModel implements gen.StrictServerInterface.
func (h *Handlers) CreateModel(ctx context.Context, request gen.CreateModelRequestObject) (gen.CreateModelResponseObject, error) {
	wait, fault := preferredWait(web.Value(request.Params.Prefer))
	if fault != nil {
		return nil, fault
	}
	params, err := json.Marshal(request.Body)
	if err != nil {
		return nil, services.Internal(err, "the request could not be encoded")
	}
	web.ActionOf(ctx).Target = request.Body.Source
	caller := web.CallerOf(ctx)
	job, existed, err := h.Jobs.Submit(ctx, jobs.Submission{
		Task: tasks.Pull, Params: params, Owner: caller.Key, SeesAll: caller.All, Admin: caller.Admin,
		Title: request.Body.Source, IdempotencyKey: web.Value(request.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, submitFault(err, "")
	}
	return h.answer(ctx, job, wait, existed), nil
}

// VisitCreateModelResponse implements gen.CreateModelResponseObject.
func (s submitted) VisitCreateModelResponse(w http.ResponseWriter) error {
	return s.VisitCreateJobResponse(w)
}
