package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// conversionService does the work of the route.
const conversionService = "audioProcessor"

// conversionFields are the form fields beside the file.
var conversionFields = []string{"container", "sample_rate", "channels", "bit_depth"}

// convertedSound is the answer of the route.
type convertedSound struct{ soundResponse }

// VisitCreateConversionResponse implements gen.CreateConversionResponseObject.
func (s convertedSound) VisitCreateConversionResponse(w http.ResponseWriter) error { return s.send(w) }

// CreateConversion implements gen.StrictServerInterface.
func (h *handlers) CreateConversion(ctx context.Context, request gen.CreateConversionRequestObject) (gen.CreateConversionResponseObject, error) {
	upload, err := h.receive(ctx, request.Body, conversionFields)
	defer func() {
		if err := upload.Close(); err != nil {
			h.Log.Error("upload could not be removed", "error", err)
		}
	}()
	params, formErr := parseConversionForm(upload.fields)
	if err := joinFields(err, formErr); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{
		ID: requestID(ctx), Service: conversionService, Name: services.TaskConvert, Params: raw, Audio: upload.audio(), Caller: h.caller(ctx),
	}
	if priority := request.Params.GrymPriority; priority != nil {
		if task.Priority, err = services.ParsePriority(string(*priority)); err != nil {
			return nil, err
		}
	}
	result, err := h.Executor.Execute(ctx, task, services.DiscardSink{})
	if err != nil {
		return nil, err
	}
	if result.Audio == nil {
		return nil, services.Internal(errors.New("convert gave no sound"), "the answer could not be encoded")
	}
	return convertedSound{soundResponse{artifact: result.Audio, name: "converted"}}, nil
}

// parseConversionForm reads the fields, and names every one that is no value
// of its kind; the service knows what the values may be.
func parseConversionForm(fields map[string][]string) (services.ConvertParams, *services.Fault) {
	var bad []services.FieldError
	one := func(field string) string {
		values := fields[field]
		if len(values) > 1 {
			bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf("came %d times", len(values))})
		}
		if len(values) == 0 {
			return ""
		}
		return strings.TrimSpace(values[0])
	}
	number := func(field string) int {
		text := one(field)
		if text == "" {
			return 0
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf("must be a whole number above 0, got %q", text)})
		}
		return n
	}
	params := services.ConvertParams{Container: one("container"), SampleRateHz: number("sample_rate"), Channels: number("channels"), BitDepth: one("bit_depth")}
	if len(bad) > 0 {
		return params, &services.Fault{Kind: services.KindInvalid, Fields: bad}
	}
	return params, nil
}
