package audio

import (
	"context"
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// Form fields beside the file.
var (
	embeddingFields      = []string{"model", "pooling", "window_seconds"}
	classificationFields = []string{"model", "top_k", "threshold", "window_seconds"}
)

// CreateEmbedding implements gen.StrictServerInterface.
func (h *Handlers) CreateEmbedding(ctx context.Context, request gen.CreateEmbeddingRequestObject) (gen.CreateEmbeddingResponseObject, error) {
	upload, err := h.Receive(ctx, request.Body, embeddingFields)
	defer h.Discard(upload)
	form := web.NewForm(upload)
	params := services.EmbedParams{Pooling: form.Text("pooling"), WindowSeconds: form.Number("window_seconds")}
	if err := web.Join(err, form.Fault()); err != nil {
		return nil, err
	}
	result, err := h.analyse(ctx, services.TaskEmbed, form.Text("model"), params, upload, (*string)(request.Params.GrymPriority))
	if err != nil {
		return nil, err
	}
	found, ok := result.Value.(*services.Embedding)
	if !ok {
		return nil, services.Internal(fmt.Errorf("embed gave %T", result.Value), "the answer could not be encoded")
	}
	answer := gen.Embedding{Model: result.Model, Warnings: web.WarningsView(result.Warnings), Dimensions: found.Dimensions, Duration: found.DurationSeconds, FrameSeconds: found.FrameSeconds}
	if found.Vector != nil {
		answer.Embedding = &found.Vector
	} else {
		answer.Frames = &found.Frames
	}
	return gen.CreateEmbedding200JSONResponse{Body: answer}, nil
}

// CreateClassification implements gen.StrictServerInterface.
func (h *Handlers) CreateClassification(ctx context.Context, request gen.CreateClassificationRequestObject) (gen.CreateClassificationResponseObject, error) {
	upload, err := h.Receive(ctx, request.Body, classificationFields)
	defer h.Discard(upload)
	form := web.NewForm(upload)
	params := services.ClassifyParams{TopK: int(web.Value(form.Whole("top_k", 0, math.MaxInt64))), Threshold: form.Number("threshold"), WindowSeconds: form.Number("window_seconds")}
	if err := web.Join(err, form.Fault()); err != nil {
		return nil, err
	}
	result, err := h.analyse(ctx, services.TaskClassify, form.Text("model"), params, upload, (*string)(request.Params.GrymPriority))
	if err != nil {
		return nil, err
	}
	found, ok := result.Value.(*services.Classification)
	if !ok {
		return nil, services.Internal(fmt.Errorf("classify gave %T", result.Value), "the answer could not be encoded")
	}
	answer := gen.Classification{Model: result.Model, Warnings: web.WarningsView(result.Warnings), Duration: found.DurationSeconds, Labels: []gen.LabelScore{}}
	for _, label := range found.Labels {
		answer.Labels = append(answer.Labels, gen.LabelScore(label))
	}
	if found.Segments != nil {
		segments := []gen.LabelSegment{}
		for _, s := range found.Segments {
			segments = append(segments, gen.LabelSegment{Label: s.Label, Start: s.Start, End: s.End, Score: s.Score})
		}
		answer.Segments = &segments
	}
	return gen.CreateClassification200JSONResponse{Body: answer}, nil
}

// analyse runs a task on an upload.
func (h *Handlers) analyse(ctx context.Context, name, model string, params any, u *web.Upload, priority *string) (services.TaskResult, error) {
	task, err := web.NewTask(ctx, web.Work{Task: name, Model: model, Params: params, Audio: u.Audio()}, priority)
	if err != nil {
		return services.TaskResult{}, err
	}
	return h.Run(ctx, task, u.Warnings)
}
