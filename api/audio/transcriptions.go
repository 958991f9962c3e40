package audio

import (
	"context"
	"mime/multipart"
	"net/http"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// CreateTranscription implements gen.StrictServerInterface.
func (h *Handlers) CreateTranscription(
	ctx context.Context, request gen.CreateTranscriptionRequestObject,
) (gen.CreateTranscriptionResponseObject, error) {
	return write(ctx, h, tasks.Transcribe, transcriptionShape, request.Body, request.Params.GrymPriority)
}

// CreateTranslation implements gen.StrictServerInterface.
func (h *Handlers) CreateTranslation(
	ctx context.Context, request gen.CreateTranslationRequestObject,
) (gen.CreateTranslationResponseObject, error) {
	return write(ctx, h, tasks.Translate, translationShape, request.Body, request.Params.GrymPriority)
}

// written is a response with the text of a recording.
type written interface {
	gen.CreateTranscriptionResponseObject
	gen.CreateTranslationResponseObject
}

// write runs a task that writes the text of a recording.
func write[P ~string](
	ctx context.Context, h *Handlers, name string, shape web.FormShape, body *multipart.Reader, priority *P,
) (written, error) {
	upload, err := h.ReceiveForm(ctx, body, shape)
	defer h.Discard(upload)
	form, formErr := parseTranscriptionForm(upload)
	if err := web.Join(err, formErr); err != nil {
		return nil, err
	}
	task, err := web.NewTask(ctx, web.Work{Task: name, Model: form.model, Params: form.params, Audio: upload.Audio()}, priority)
	if err != nil {
		return nil, err
	}
	if form.params.Stream {
		return transcriptStream{Handlers: h, ctx: ctx, task: task, logprobs: len(form.params.Include) > 0, upload: upload.Move()}, nil
	}
	result, err := h.Run(ctx, task, upload.Warnings)
	if err != nil {
		return nil, err
	}
	transcription, err := web.ResultOf[*tasks.Transcription](result)
	if err != nil {
		return nil, err
	}
	return form.respond(transcription)
}

// contentTypes are those of the formats other than JSON.
var contentTypes = map[string]string{tasks.FormatText: "text/plain", tasks.FormatSRT: "text/plain", tasks.FormatVTT: "text/vtt"}

// transcript is a response with a transcription.
type transcript struct{ web.Body }

// VisitCreateTranscriptionResponse implements gen.CreateTranscriptionResponseObject.
func (t transcript) VisitCreateTranscriptionResponse(w http.ResponseWriter) error { return t.Send(w) }

// VisitCreateTranslationResponse implements gen.CreateTranslationResponseObject.
func (t transcript) VisitCreateTranslationResponse(w http.ResponseWriter) error { return t.Send(w) }

func (f transcriptionForm) respond(t *tasks.Transcription) (written, error) {
	encoded, err := t.Encode(f.format, append(f.granularities, f.params.Include...)...)
	if err != nil {
		return nil, services.Internal(err, "the answer could not be encoded")
	}
	if contentType := contentTypes[f.format]; contentType != "" {
		return transcript{web.Body{ContentType: contentType, Text: encoded}}, nil
	}
	return transcript{web.NewJSON(encoded)}, nil
}
