package manage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// ListServices implements gen.StrictServerInterface.
func (h *Handlers) ListServices(context.Context, gen.ListServicesRequestObject) (gen.ListServicesResponseObject, error) {
	list := gen.ServiceList{Data: []gen.Service{}}
	for _, entry := range h.Services.List() {
		list.Data = append(list.Data, h.describe(entry))
	}
	return gen.ListServices200JSONResponse(list), nil
}

// GetService implements gen.StrictServerInterface.
func (h *Handlers) GetService(_ context.Context, request gen.GetServiceRequestObject) (gen.GetServiceResponseObject, error) {
	entry, err := h.Services.Lookup(request.Service)
	if err != nil {
		return nil, err
	}
	return gen.GetService200JSONResponse(h.describe(entry)), nil
}

// ChangeService implements gen.StrictServerInterface.
func (h *Handlers) ChangeService(ctx context.Context, request gen.ChangeServiceRequestObject) (gen.ChangeServiceResponseObject, error) {
	entry, err := h.manage(request.Service)
	if err != nil {
		return nil, err
	}
	model := web.Value(request.Params.Model)
	if request.Params.Gap != nil && request.Action != gen.ChangeServiceParamsActionReload {
		return nil, services.Invalidf("gap", "is of the action reload only")
	}
	switch request.Action {
	case gen.ChangeServiceParamsActionLoad:
		err = entry.Load(ctx, model)
	case gen.ChangeServiceParamsActionUnload:
		err = entry.Unload(ctx, model)
	case gen.ChangeServiceParamsActionRestart:
		err = h.Restart(ctx, request.Service, model)
	case gen.ChangeServiceParamsActionReload:
		err = h.Reload(ctx, request.Service, model, web.Value(request.Params.Gap))
	}
	if err != nil {
		return nil, err
	}
	return gen.ChangeService200JSONResponse(h.describe(entry)), nil
}

// ChangeBreaker implements gen.StrictServerInterface.
func (h *Handlers) ChangeBreaker(ctx context.Context, request gen.ChangeBreakerRequestObject) (gen.ChangeBreakerResponseObject, error) {
	entry, err := h.manage(request.Service)
	if err != nil {
		return nil, err
	}
	model, reason := web.Value(request.Params.Model), ""
	if request.Body != nil {
		reason = web.Value(request.Body.Reason)
	}
	web.ActionOf(ctx).Reason = reason
	if request.Action == gen.ChangeBreakerParamsActionOpen {
		err = entry.OpenBreaker(model, reason)
	} else {
		err = entry.ResetBreaker(model)
	}
	if err != nil {
		return nil, err
	}
	return gen.ChangeBreaker200JSONResponse(h.describe(entry)), nil
}

// manage returns a service that is to be changed. If no keys are required, only clients on
// the loopback interface may change it.
func (h *Handlers) manage(name string) (*orchestrator.Registration, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	return h.Services.Lookup(name)
}

// describe returns the full description of a service.
func (h *Handlers) describe(entry *orchestrator.Registration) gen.Service {
	d, status := entry.Describe(), entry.Status()
	s := gen.Service{
		Name: d.Name, Summary: d.Summary, State: string(status.State), Since: status.Since,
		Breaker: gen.ServiceBreaker(entry.Guard.State()), Health: taskHealth(entry.Guard.Health()),
		Models: modelsIn(entry), Runs: []gen.Run{}, Events: []gen.Transition{},
	}
	if hold, held := entry.Guard.Held(); held {
		s.BreakerHold = breakerHold(&hold)
	}
	if d.DefaultModel != "" {
		s.DefaultModel = &d.DefaultModel
	}
	if status.LastError != "" {
		s.LastError = &status.LastError
	}
	for _, task := range d.Tasks {
		s.Tasks = append(s.Tasks, gen.TaskKind{Name: task.Name, ParamsSchema: h.paramsSchema(d.Name, task)})
	}
	for _, run := range entry.Runs() {
		s.Runs = append(s.Runs, gen.Run{
			Task: run.Task, Name: run.Name, Model: &run.Model, Stage: &run.Stage, Progress: run.Fraction, Started: run.Started,
			Progressed: run.Progressed,
		})
	}
	if drains := drainsOf(entry); len(drains) > 0 {
		s.Drains = &drains
	}
	for _, step := range entry.Events() {
		event := gen.Transition{From: string(step.From), To: string(step.To), Cause: step.Cause, At: step.At}
		if step.Model != "" {
			event.Model = &step.Model
		}
		s.Events = append(s.Events, event)
	}
	return s
}

// paramsSchema returns the schema of a task's parameters.
func (h *Handlers) paramsSchema(service string, task services.TaskKind) (schema map[string]any) {
	if err := json.Unmarshal(task.ParamsSchema, &schema); err != nil {
		h.Log.Error("invalid JSON in a task's schema", "service", service, "task", task.Name, "error", fmt.Sprint(err))
	}
	return schema
}

// GetResources implements gen.StrictServerInterface.
func (h *Handlers) GetResources(context.Context, gen.GetResourcesRequestObject) (gen.GetResourcesResponseObject, error) {
	return gen.GetResources200JSONResponse(h.Views.ResourcesView()), nil
}
