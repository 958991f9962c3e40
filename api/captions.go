package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// captionFields are the form fields beside the file.
var captionFields = []string{"model", "question", "window_seconds", "max_tokens", "temperature", "seed"}

// CreateCaption implements gen.StrictServerInterface.
func (h *handlers) CreateCaption(ctx context.Context, request gen.CreateCaptionRequestObject) (gen.CreateCaptionResponseObject, error) {
	upload, err := h.receiveOrFind(ctx, request.Body, captionFields)
	defer func() {
		if err := upload.Close(); err != nil {
			h.Log.Error("upload could not be removed", "error", err)
		}
	}()
	model, params, formErr := parseCaptionForm(upload.fields)
	if err := joinFields(err, formErr); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{
		ID: requestID(ctx), Name: services.TaskCaption, Model: model, Params: raw, Audio: upload.audio(), Caller: h.caller(ctx),
	}
	if priority := request.Params.GrymPriority; priority != nil {
		if task.Priority, err = services.ParsePriority(string(*priority)); err != nil {
			return nil, err
		}
	}
	result, err := h.run(ctx, task, upload.warnings)
	if err != nil {
		return nil, err
	}
	answer, ok := result.Value.(*services.Answer)
	if !ok {
		return nil, services.Internal(fmt.Errorf("caption gave %T", result.Value), "the answer could not be encoded")
	}
	body := gen.Caption{
		Model: result.Model, Warnings: warningsView(result.Warnings), Text: answer.Text, FinishReason: gen.CaptionFinishReason(answer.FinishReason),
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
func parseCaptionForm(fields map[string][]string) (model string, p services.AskParams, fault *services.Fault) {
	var bad []services.FieldError
	one := func(field string, read func(text string) error, what string) {
		values := fields[field]
		if len(values) > 1 {
			bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf("came %d times", len(values))})
		}
		if len(values) == 0 || values[0] == "" {
			return
		}
		if err := read(strings.TrimSpace(values[0])); err != nil {
			bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf("must be %s, got %.40q", what, values[0])})
		}
	}
	float := func(into **float64) func(string) error {
		return func(text string) error {
			v, err := parseNumber(text)
			*into = &v
			return err
		}
	}
	one("model", func(text string) error { model = text; return nil }, "a name")
	one("question", func(text string) error { p.Question = text; return nil }, "a text")
	one("window_seconds", float(&p.WindowSeconds), "a number of seconds")
	one("temperature", float(&p.Temperature), "a number")
	one("max_tokens", func(text string) error {
		v, err := strconv.Atoi(text)
		p.MaxTokens = &v
		return err
	}, "a whole number")
	one("seed", func(text string) error {
		v, err := strconv.ParseUint(text, 10, 63)
		p.Seed = &v
		return err
	}, "a whole number")
	if len(bad) > 0 {
		fault = &services.Fault{Kind: services.KindInvalid, Fields: bad}
	}
	return model, p, fault
}
