package manage

import (
	"context"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
)

// DrainService implements gen.StrictServerInterface.
func (h *Handlers) DrainService(ctx context.Context, request gen.DrainServiceRequestObject) (gen.DrainServiceResponseObject, error) {
	entry, err := h.manage(request.Service)
	if err != nil {
		return nil, err
	}
	reason := ""
	if request.Body != nil {
		reason = web.Value(request.Body.Reason)
	}
	web.ActionOf(ctx).Reason = reason
	if err := entry.Drain(web.Value(request.Params.Model), reason); err != nil {
		return nil, err
	}
	return gen.DrainService200JSONResponse(h.describe(entry)), nil
}

// ResumeService implements gen.StrictServerInterface.
func (h *Handlers) ResumeService(ctx context.Context, request gen.ResumeServiceRequestObject) (gen.ResumeServiceResponseObject, error) {
	entry, err := h.manage(request.Service)
	if err != nil {
		return nil, err
	}
	reason := ""
	if request.Body != nil {
		reason = web.Value(request.Body.Reason)
	}
	web.ActionOf(ctx).Reason = reason
	if err := entry.Resume(web.Value(request.Params.Model)); err != nil {
		return nil, err
	}
	if reason != "" {
		h.Log.Info("reason of the resumption", "service", request.Service, "reason", reason)
	}
	return gen.ResumeService200JSONResponse(h.describe(entry)), nil
}

// drainsOf returns the drains of a service and of its models.
func drainsOf(entry *orchestrator.Registration) []gen.ServiceDrain {
	var list []gen.ServiceDrain
	for _, drain := range entry.Drains() {
		list = append(list, gen.ServiceDrain{
			Model: web.Unless(drain.Model, ""), Reason: web.Unless(drain.Reason, ""), Since: drain.Since, Running: drain.Running,
		})
	}
	return list
}
