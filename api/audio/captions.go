package audio

import (
	"context"
	"fmt"
	"math"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// captionFields are the form fields beside the file.
var captionFields = []string{"model", "question", "window_seconds", "max_tokens", "temperature", "seed"}

// CreateCaption implements gen.StrictServerInterface.
func (h *Handlers) CreateCaption(ctx context.Context, request gen.CreateCaptionRequestObject) (gen.CreateCaptionResponseObject, error) {
	upload, err := h.ReceiveOrFind(ctx, request.Body, captionFields)
	defer h.Discard(upload)
	model, params, formErr := parseCaptionForm(upload)
	if err := web.Join(err, formErr); err != nil {
		return nil, err
	}
	task, err := web.NewTask(ctx, web.Work{Task: services.TaskCaption, Model: model, Params: params, Audio: upload.Audio()}, request.Params.GrymPriority)
	if err != nil {
		return nil, err
	}
	result, err := h.Run(ctx, task, upload.Warnings)
	if err != nil {
		return nil, err
	}
	answer, ok := result.Value.(*services.Answer)
	if !ok {
		return nil, services.Internal(fmt.Errorf("caption gave %T", result.Value), "the answer could not be encoded")
	}
	body := gen.Caption{
		Model: result.Model, Warnings: web.WarningsView(result.Warnings), Text: answer.Text, FinishReason: gen.CaptionFinishReason(answer.FinishReason),
		Duration: answer.DurationSeconds, Seed: int64(answer.Seed), Pieces: []gen.CaptionPiece{},
	}
	for _, piece := range answer.Pieces {
		body.Pieces = append(body.Pieces, gen.CaptionPiece{Start: piece.Start, End: piece.End, Text: piece.Text})
	}
	u := answer.Usage
	body.Usage.PromptTokens, body.Usage.CompletionTokens = u.PromptTokens, u.CompletionTokens
	body.Usage.AudioTokens, body.Usage.CachedTokens = u.AudioTokens, u.CachedTokens
	return gen.CreateCaption200JSONResponse{Body: body}, nil
}

// parseCaptionForm reads the fields, and names every one that cannot be read.
func parseCaptionForm(upload *web.Upload) (model string, p services.AskParams, fault *services.Fault) {
	form := web.NewForm(upload)
	p = services.AskParams{Question: form.Text("question"), WindowSeconds: form.Number("window_seconds"), Temperature: form.Number("temperature")}
	if tokens := form.Whole("max_tokens", 1, math.MaxInt64); tokens != nil {
		p.MaxTokens = new(int(*tokens))
	}
	if seed := form.Whole("seed", 0, math.MaxInt64); seed != nil {
		p.Seed = new(uint64(*seed))
	}
	return form.Text("model"), p, form.Fault()
}
