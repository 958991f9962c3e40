package pipelines

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/grym-synth/grym-synth/api/gen"
	apijobs "github.com/grym-synth/grym-synth/api/jobs"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/services"
)

// RunPipeline implements gen.StrictServerInterface.
func (h *Handlers) RunPipeline(ctx context.Context, request gen.RunPipelineRequestObject) (gen.RunPipelineResponseObject, error) {
	if _, err := h.Pipelines.Get(ctx, web.CallerOf(ctx), request.Pipeline); err != nil {
		return nil, err
	}
	return h.Runs.Run(ctx, pipelines.ServiceName, pipelines.TaskRun, request)
}

// GetJobSteps implements gen.StrictServerInterface.
func (h *Handlers) GetJobSteps(ctx context.Context, request gen.GetJobStepsRequestObject) (gen.GetJobStepsResponseObject, error) {
	job, err := h.Runs.Jobs.Get(ctx, web.ViewerOf(ctx), request.JobId)
	if err != nil {
		return nil, err
	}
	if job.Service != pipelines.ServiceName {
		return nil, services.Faultf(services.KindNotFound, "job %q has no steps: it is one of the service %s", job.ID, job.Service)
	}
	if format := string(web.Value(request.Params.Format)); format != "" && format != "json" {
		return h.drawRun(job, format)
	}
	outcomes, err := h.Pipelines.Outcomes(ctx, job.ID)
	if err != nil {
		return nil, err
	}
	sortOutcomes(outcomes, job.Steps)
	list := gen.StepList{Object: gen.StepListObjectList, Steps: apijobs.StepsView(job.Steps), Data: make([]gen.StepOutcome, 0, len(outcomes))}
	for _, o := range outcomes {
		view := gen.StepOutcome{
			Step: o.Step, Index: o.Index, Status: gen.StepOutcomeStatus(o.Status), Attempts: o.Attempts, Started: o.Started, Ended: o.Ended,
			Model: web.Unless(o.Model, ""), Sounds: append([]string{}, o.Sounds...), Warnings: web.WarningsView(o.Warnings),
		}
		if len(o.Result) > 0 {
			view.Result = &o.Result
		}
		if o.Failure != nil {
			view.Error = &o.Failure.Message
		}
		list.Data = append(list.Data, view)
	}
	return gen.GetJobSteps200JSONResponse{Body: list}, nil
}

// sortOutcomes orders outcomes as the steps are, and those of a step with foreach by their items.
func sortOutcomes(outcomes []pipelines.Outcome, steps []services.StepProgress) {
	position := make(map[string]int, len(steps))
	for i, step := range steps {
		position[step.ID] = i
	}
	index := func(o pipelines.Outcome) int {
		if o.Index == nil {
			return 0
		}
		return *o.Index
	}
	slices.SortStableFunc(outcomes, func(a, b pipelines.Outcome) int {
		return cmp.Or(cmp.Compare(position[a.Step], position[b.Step]), cmp.Compare(index(a), index(b)))
	})
}

// drawRun returns a drawing of the steps of a run with their states.
func (h *Handlers) drawRun(job jobs.Job, format string) (drawing, error) {
	params, err := pipelines.ParseParams(job.Params)
	if err != nil {
		return drawing{}, err
	}
	d, err := pipelines.Parse(params.Definition)
	if err != nil {
		return drawing{}, err
	}
	states := job.Steps
	for i := len(states); i < len(d.Steps); i++ { // it has not begun
		states = append(states, services.StepProgress{ID: d.Steps[i].ID, Status: pipelines.StepWaiting})
	}
	return h.draw(d, states, format)
}

// drawing is a response with a drawing.
type drawing struct{ web.Body }

func (h *Handlers) draw(d pipelines.Definition, states []services.StepProgress, format string) (drawing, error) {
	text, err := h.Pipelines.Draw(d, states, format)
	if err != nil {
		return drawing{}, err
	}
	contentType := "text/plain; charset=utf-8"
	if format == pipelines.FormatSVG {
		contentType = "image/svg+xml"
	}
	return drawing{web.Body{ContentType: contentType, Text: []byte(text)}}, nil
}

// VisitGetPipelineResponse implements gen.GetPipelineResponseObject.
func (d drawing) VisitGetPipelineResponse(w http.ResponseWriter) error { return d.Send(w) }

// VisitGetJobStepsResponse implements gen.GetJobStepsResponseObject.
func (d drawing) VisitGetJobStepsResponse(w http.ResponseWriter) error { return d.Send(w) }
