package manage

import (
	"context"
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
)

// ListModels implements gen.StrictServerInterface.
func (h *Handlers) ListModels(context.Context, gen.ListModelsRequestObject) (gen.ListModelsResponseObject, error) {
	return gen.ListModels200JSONResponse{Object: gen.ModelListObjectList, Data: h.models()}, nil
}

// GetModel implements gen.StrictServerInterface.
func (h *Handlers) GetModel(_ context.Context, request gen.GetModelRequestObject) (gen.GetModelResponseObject, error) {
	var known []string
	for _, m := range h.models() {
		if m.Id == request.Model {
			m.Summary = h.summary(m)
			return gen.GetModel200JSONResponse(m), nil
		}
		known = append(known, m.Id)
	}
	return nil, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
		{Field: "model", Problem: fmt.Sprintf("%q does not exist; available: %s", request.Model, strings.Join(known, ", "))},
	}}
}

// DeleteModel implements gen.StrictServerInterface.
func (h *Handlers) DeleteModel(ctx context.Context, request gen.DeleteModelRequestObject) (gen.DeleteModelResponseObject, error) {
	if err := h.mayManage(); err != nil {
		return nil, err
	}
	if err := h.Remove(ctx, request.Model); err != nil {
		return nil, err
	}
	h.Log.Info("a model was deleted", "model", request.Model, "key", web.CallerOf(ctx).Key)
	return gen.DeleteModel200JSONResponse{Id: request.Model, Object: gen.DeletedModelObjectModel, Deleted: true}, nil
}

// summary returns what a model, or that of an alias, knows; nil if its card does not say it.
func (h *Handlers) summary(m gen.Model) *string {
	name := m.Id
	if m.AliasOf != nil {
		name = *m.AliasOf
	}
	for _, entry := range h.Services.List() {
		if summarizer, ok := entry.Service.(services.ModelSummarizer); ok && entry.Name() == m.Service {
			if text := summarizer.ModelSummary(name); text != "" {
				return &text
			}
		}
	}
	return nil
}

func (h *Handlers) models() []gen.Model {
	models := []gen.Model{}
	for _, entry := range h.Services.List() {
		models = append(models, h.withDefaults(entry, modelsIn(entry))...)
	}
	if h.Unreadable != nil {
		models = append(models, modelsOf("", h.Unreadable())...)
	}
	return append(models, h.aliases(models)...)
}

// modelsIn returns the models of a service, with those that an operator has drained.
func modelsIn(entry *orchestrator.Registration) []gen.Model {
	list := modelsOf(entry.Name(), entry.Models())
	for i := range list {
		if drain, drained := entry.Drained(list[i].Id); drained && list[i].Problem == nil {
			problem := drain.Problem()
			list[i].Problem = &problem
		}
	}
	return list
}

// withDefaults sets the tasks for which the models of a service are the default.
func (h *Handlers) withDefaults(entry *orchestrator.Registration, models []gen.Model) []gen.Model {
	for _, task := range entry.Describe().Tasks {
		found, err := h.Models.Resolve(task.Name, "")
		if err != nil || found.Service != entry.Name() {
			continue
		}
		for i := range models {
			if models[i].Id == found.Model {
				tasks := append(web.Value(models[i].DefaultFor), task.Name)
				models[i].DefaultFor = &tasks
			}
		}
	}
	return models
}

// modelsOf returns models as the API shows them.
func modelsOf(service string, list []services.ModelStatus) []gen.Model {
	models := []gen.Model{}
	for _, status := range list {
		m := gen.Model{
			Id: status.Name, Object: gen.ModelObjectModel, OwnedBy: status.Origin,
			Service: service, State: string(status.State), LoadedBytes: int64(status.Bytes),
		}
		if !status.Created.IsZero() {
			m.Created = status.Created.Unix()
		}
		m.SizeBytes = web.Unless(int64(status.Size), 0)
		m.License = web.Unless(status.License, "")
		if len(status.Languages) > 0 {
			m.Languages = &status.Languages
		}
		if status.Problem != "" {
			m.Problem = &status.Problem
		}
		m.ReloadProblem = web.Unless(status.ReloadProblem, "")
		m.FilesChanged = web.Unless(status.Changed, false)
		if status.Breaker != "" {
			breaker := gen.ModelBreaker(status.Breaker)
			m.Breaker = &breaker
		}
		if status.Health != "" {
			health := gen.HealthOfTasks(status.Health)
			m.Health = &health
		}
		models = append(models, m)
	}
	return models
}
