package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// Form fields beside the file.
var (
	embeddingFields      = []string{"model", "pooling", "window_seconds"}
	classificationFields = []string{"model", "top_k", "threshold", "window_seconds"}
)

// CreateEmbedding implements gen.StrictServerInterface.
func (h *handlers) CreateEmbedding(ctx context.Context, request gen.CreateEmbeddingRequestObject) (gen.CreateEmbeddingResponseObject, error) {
	upload, err := h.receive(ctx, request.Body, embeddingFields)
	defer h.discard(upload)
	form := analysisForm{fields: upload.fields}
	params := services.EmbedParams{Pooling: form.one("pooling"), WindowSeconds: form.number("window_seconds")}
	if err := joinFields(err, form.fault()); err != nil {
		return nil, err
	}
	result, err := h.analyse(ctx, services.TaskEmbed, form.one("model"), params, upload, (*string)(request.Params.GrymPriority))
	if err != nil {
		return nil, err
	}
	found, ok := result.Value.(*services.Embedding)
	if !ok {
		return nil, services.Internal(fmt.Errorf("embed gave %T", result.Value), "the answer could not be encoded")
	}
	answer := gen.Embedding{Model: result.Model, Warnings: warningsView(result.Warnings), Dimensions: found.Dimensions, Duration: found.DurationSeconds, FrameSeconds: found.FrameSeconds}
	if found.Vector != nil {
		answer.Embedding = &found.Vector
	} else {
		answer.Frames = &found.Frames
	}
	return gen.CreateEmbedding200JSONResponse{Body: answer}, nil
}

// CreateClassification implements gen.StrictServerInterface.
func (h *handlers) CreateClassification(ctx context.Context, request gen.CreateClassificationRequestObject) (gen.CreateClassificationResponseObject, error) {
	upload, err := h.receive(ctx, request.Body, classificationFields)
	defer h.discard(upload)
	form := analysisForm{fields: upload.fields}
	params := services.ClassifyParams{TopK: form.count("top_k"), Threshold: form.number("threshold"), WindowSeconds: form.number("window_seconds")}
	if err := joinFields(err, form.fault()); err != nil {
		return nil, err
	}
	result, err := h.analyse(ctx, services.TaskClassify, form.one("model"), params, upload, (*string)(request.Params.GrymPriority))
	if err != nil {
		return nil, err
	}
	found, ok := result.Value.(*services.Classification)
	if !ok {
		return nil, services.Internal(fmt.Errorf("classify gave %T", result.Value), "the answer could not be encoded")
	}
	answer := gen.Classification{Model: result.Model, Warnings: warningsView(result.Warnings), Duration: found.DurationSeconds, Labels: []gen.LabelScore{}}
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

// discard removes an upload that is of no use any more.
func (h *handlers) discard(u *upload) {
	if err := u.Close(); err != nil {
		h.Log.Error("upload could not be removed", "error", err)
	}
}

// analyse runs a task on an upload.
func (h *handlers) analyse(ctx context.Context, name, model string, params any, u *upload, priority *string) (services.TaskResult, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return services.TaskResult{}, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{
		ID: requestID(ctx), Name: name, Model: model, Params: raw, Audio: u.audio(), Caller: h.caller(ctx),
	}
	if priority != nil {
		if task.Priority, err = services.ParsePriority(*priority); err != nil {
			return services.TaskResult{}, err
		}
	}
	return h.run(ctx, task, u.warnings)
}

// analysisForm reads fields and keeps what is wrong with them. The service knows
// what the values may be.
type analysisForm struct {
	fields map[string][]string
	bad    []services.FieldError
}

func (f *analysisForm) complain(field, format string, args ...any) {
	f.bad = append(f.bad, services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// one gives a field's value, empty where it is missing.
func (f *analysisForm) one(field string) string {
	values := f.fields[field]
	if len(values) > 1 {
		f.complain(field, "came %d times", len(values))
	}
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

func (f *analysisForm) number(field string) *float64 {
	text := f.one(field)
	if text == "" {
		return nil
	}
	v, err := parseNumber(text)
	if err != nil {
		f.complain(field, "must be a number, got %.40q", text)
	}
	return &v
}

// parseNumber reads a finite number.
func parseNumber(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = strconv.ErrRange
	}
	return v, err
}

func (f *analysisForm) count(field string) int {
	text := f.one(field)
	if text == "" {
		return 0
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 {
		f.complain(field, "must be a whole number, 0 or above, got %.40q", text)
	}
	return v
}

// fault gives all complaints as one, nil where there are none.
func (f *analysisForm) fault() *services.Fault {
	f.one("model")
	if len(f.bad) == 0 {
		return nil
	}
	return &services.Fault{Kind: services.KindInvalid, Fields: f.bad}
}
