package audio

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
)

// conversionFields are the form fields beside the file.
var conversionFields = []string{"container", "sample_rate", "channels", "bit_depth"}

// convertedSound is the answer of the route.
type convertedSound struct{ web.Sound }

// VisitCreateConversionResponse implements gen.CreateConversionResponseObject.
func (s convertedSound) VisitCreateConversionResponse(w http.ResponseWriter) error { return s.Send(w) }

// CreateConversion implements gen.StrictServerInterface.
func (h *Handlers) CreateConversion(ctx context.Context, request gen.CreateConversionRequestObject) (gen.CreateConversionResponseObject, error) {
	upload, err := h.Receive(ctx, request.Body, conversionFields)
	defer h.Discard(upload)
	params, formErr := parseConversionForm(upload)
	if err := web.Join(err, formErr); err != nil {
		return nil, err
	}
	task, err := web.NewTask(ctx, web.Work{Task: services.TaskConvert, Params: params, Audio: upload.Audio()}, request.Params.GrymPriority)
	if err != nil {
		return nil, err
	}
	result, err := h.Run(ctx, task, upload.Warnings)
	if err != nil {
		return nil, err
	}
	if result.Audio == nil {
		return nil, services.Internal(errors.New("convert gave no sound"), "the answer could not be encoded")
	}
	return convertedSound{web.Sound{Artifact: result.Audio, Name: "converted"}}, nil
}

// parseConversionForm reads the fields, and names every one that is no value
// of its kind; the service knows what the values may be.
func parseConversionForm(upload *web.Upload) (services.ConvertParams, *services.Fault) {
	form := web.NewForm(upload)
	params := services.ConvertParams{
		Container: form.Text("container"), SampleRateHz: int(web.Value(form.Whole("sample_rate", 1, math.MaxInt64))),
		Channels: int(web.Value(form.Whole("channels", 1, math.MaxInt64))), BitDepth: form.Text("bit_depth"),
	}
	return params, form.Fault()
}
