package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	apijobs "github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Pipelines stores and draws pipelines; pipelines.Service implements it.
type Pipelines interface {
	// List returns a page of the pipelines that the caller may run.
	List(ctx context.Context, caller services.Caller, limit int, cursor string) (records.Page[pipelines.Pipeline], error)
	// Get returns a pipeline, or a fault of KindNotFound.
	Get(ctx context.Context, caller services.Caller, name string) (pipelines.Pipeline, error)
	// Create stores a new pipeline; existed reports that the caller has the same one.
	Create(ctx context.Context, caller services.Caller, d pipelines.Definition) (_ pipelines.Pipeline, existed bool, err error)
	// Replace stores a new version, which change makes of the one that stands.
	Replace(ctx context.Context, caller services.Caller, name string,
		change func(pipelines.Definition) (pipelines.Definition, error)) (pipelines.Pipeline, error)
	// Delete deletes a pipeline.
	Delete(ctx context.Context, caller services.Caller, name string) error
	// Lacks returns what the server does not have for a pipeline.
	Lacks(ctx context.Context, d pipelines.Definition) []pipelines.Lack
	// Outcomes returns the recorded ends of the steps of a run.
	Outcomes(ctx context.Context, run string) ([]pipelines.Outcome, error)
	// Draw returns a drawing of a definition.
	Draw(d pipelines.Definition, states []services.StepProgress, format string) (string, error)
}

// Handlers serves the routes of pipelines.
type Handlers struct {
	*web.Base
	Pipelines Pipelines
	Runs      *apijobs.Handlers
}

// path is the route of pipelines.
const path = "/v1/pipelines"

// ListPipelines implements gen.StrictServerInterface.
func (h *Handlers) ListPipelines(ctx context.Context, request gen.ListPipelinesRequestObject) (gen.ListPipelinesResponseObject, error) {
	limit := web.DefaultPage
	if request.Params.Limit != nil {
		limit = *request.Params.Limit
	}
	page, err := h.Pipelines.List(ctx, web.CallerOf(ctx), limit, web.Value(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	list := gen.PipelineList{
		Object: gen.PipelineListObjectList, Data: make([]gen.Pipeline, 0, len(page.Data)), Next: web.Unless(page.Next, ""),
	}
	for _, one := range page.Data {
		view, err := h.view(ctx, one)
		if err != nil {
			return nil, err
		}
		list.Data = append(list.Data, view)
	}
	return gen.ListPipelines200JSONResponse{Body: list}, nil
}

// CreatePipeline implements gen.StrictServerInterface.
func (h *Handlers) CreatePipeline(ctx context.Context, request gen.CreatePipelineRequestObject) (gen.CreatePipelineResponseObject, error) {
	d, err := pipelines.Parse(*request.Body)
	if err != nil {
		return nil, err
	}
	stored, existed, err := h.Pipelines.Create(ctx, web.CallerOf(ctx), d)
	if err != nil {
		return nil, fault(err)
	}
	view, err := h.view(ctx, stored)
	if err != nil {
		return nil, err
	}
	if existed {
		return gen.CreatePipeline200JSONResponse{Body: view}, nil
	}
	return gen.CreatePipeline201JSONResponse{Body: view, Headers: gen.CreatePipeline201ResponseHeaders{Location: &view.Links.Self}}, nil
}

// GetPipeline implements gen.StrictServerInterface.
func (h *Handlers) GetPipeline(ctx context.Context, request gen.GetPipelineRequestObject) (gen.GetPipelineResponseObject, error) {
	found, err := h.Pipelines.Get(ctx, web.CallerOf(ctx), request.Pipeline)
	if err != nil {
		return nil, err
	}
	if format := string(web.Value(request.Params.Format)); format != "" && format != "json" {
		return h.draw(found.Definition, nil, format)
	}
	view, err := h.view(ctx, found)
	if err != nil {
		return nil, err
	}
	return gen.GetPipeline200JSONResponse{Body: view}, nil
}

// ReplacePipeline implements gen.StrictServerInterface.
func (h *Handlers) ReplacePipeline(
	ctx context.Context, request gen.ReplacePipelineRequestObject,
) (gen.ReplacePipelineResponseObject, error) {
	d, err := pipelines.Parse(*request.Body)
	if err != nil {
		return nil, err
	}
	view, err := h.replace(ctx, request.Pipeline, func(pipelines.Definition) (pipelines.Definition, error) { return d, nil })
	if err != nil {
		return nil, err
	}
	return gen.ReplacePipeline200JSONResponse{PipelineJSONResponse: gen.PipelineJSONResponse{Body: view}}, nil
}

// ChangePipeline implements gen.StrictServerInterface.
func (h *Handlers) ChangePipeline(
	ctx context.Context, request gen.ChangePipelineRequestObject,
) (gen.ChangePipelineResponseObject, error) {
	patch := request.JSONBody
	if patch == nil {
		patch = request.ApplicationMergePatchPlusJSONBody
	}
	if patch == nil {
		return nil, services.Invalidf("body", "is missing; send the fields to change as a JSON object")
	}
	view, err := h.replace(ctx, request.Pipeline, func(d pipelines.Definition) (pipelines.Definition, error) { return d.Patched(*patch) })
	if err != nil {
		return nil, err
	}
	return gen.ChangePipeline200JSONResponse{PipelineJSONResponse: gen.PipelineJSONResponse{Body: view}}, nil
}

func (h *Handlers) replace(
	ctx context.Context, name string, change func(pipelines.Definition) (pipelines.Definition, error),
) (gen.Pipeline, error) {
	stored, err := h.Pipelines.Replace(ctx, web.CallerOf(ctx), name, change)
	if err != nil {
		return gen.Pipeline{}, fault(err)
	}
	return h.view(ctx, stored)
}

// DeletePipeline implements gen.StrictServerInterface.
func (h *Handlers) DeletePipeline(
	ctx context.Context, request gen.DeletePipelineRequestObject,
) (gen.DeletePipelineResponseObject, error) {
	if err := h.Pipelines.Delete(ctx, web.CallerOf(ctx), request.Pipeline); err != nil {
		return nil, fault(err)
	}
	return gen.DeletePipeline204Response{}, nil
}

// fault returns the response for an error of pipelines.
func fault(err error) error {
	switch {
	case errors.Is(err, pipelines.ErrExists):
		return &problem.HTTPError{Status: http.StatusConflict, Slug: "pipeline_exists", Title: "Pipeline exists", Message: err.Error()}
	case errors.Is(err, pipelines.ErrFixed):
		return &problem.HTTPError{Status: http.StatusConflict, Slug: "pipeline_fixed", Title: "Pipeline cannot be changed", Message: err.Error()}
	}
	return err
}

// view returns a pipeline as clients see it.
func (h *Handlers) view(ctx context.Context, p pipelines.Pipeline) (gen.Pipeline, error) {
	definition, err := json.Marshal(p.Definition)
	if err != nil {
		return gen.Pipeline{}, services.Internal(err, "the pipeline could not be encoded")
	}
	self := path + "/" + p.Definition.Name
	audio := p.Definition.Audio
	if audio == "" {
		audio = pipelines.AudioNone
	}
	view := gen.Pipeline{
		Object: gen.PipelineObjectPipeline, Name: p.Definition.Name, Description: web.Unless(p.Definition.Description, ""),
		Version: p.Version, Hash: p.Definition.Hash(), Origin: gen.PipelineOrigin(p.Origin), Audio: gen.PipelineAudio(audio),
		Definition: definition, Lacks: []gen.PipelineLack{}, Created: web.UnlessZero(p.Created), Updated: web.UnlessZero(p.Updated),
	}
	view.Links.Self, view.Links.Runs = self, self+"/runs"
	for _, lack := range h.Pipelines.Lacks(ctx, p.Definition) {
		view.Lacks = append(view.Lacks, gen.PipelineLack{Step: web.Unless(lack.Step, ""), Problem: lack.Problem})
	}
	view.Ready = len(view.Lacks) == 0
	return view, nil
}
