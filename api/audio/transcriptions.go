package audio

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// transcriptionShape describes the form of the route. OpenAI's fields for what CTC models
// cannot do are refused with a reason.
var transcriptionShape = web.FormShape{
	File: "file", MaxField: web.MaxFieldBytes,
	Known: []string{
		"model", "response_format", "language", "prompt", "temperature", "timestamp_granularities[]", "stream",
		"decoding", "beam_width", "window_seconds", "chunking_strategy", "strict",
	},
	Lenient: true,
	Refused: map[string]string{
		"include[]":                  "is not supported: token log probabilities are not available",
		"known_speaker_names[]":      "is not supported: speakers are not distinguished",
		"known_speaker_references[]": "is not supported: speakers are not distinguished",
	},
}

// transcriptionForm has the parsed fields.
type transcriptionForm struct {
	model, format string
	granularities []string
	params        tasks.TranscribeParams
}

// CreateTranscription implements gen.StrictServerInterface.
func (h *Handlers) CreateTranscription(
	ctx context.Context, request gen.CreateTranscriptionRequestObject,
) (gen.CreateTranscriptionResponseObject, error) {
	upload, err := h.ReceiveForm(ctx, request.Body, transcriptionShape)
	defer h.Discard(upload)
	form, formErr := parseTranscriptionForm(upload)
	if err := web.Join(err, formErr); err != nil {
		return nil, err
	}
	task, err := web.NewTask(ctx, web.Work{
		Task: tasks.Transcribe, Model: form.model, Params: form.params, Audio: upload.Audio(),
	}, request.Params.GrymPriority)
	if err != nil {
		return nil, err
	}
	if form.params.Stream {
		return transcriptStream{Handlers: h, ctx: ctx, task: task, upload: upload.Move()}, nil
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

// parseTranscriptionForm parses the fields and returns a fault that names all invalid ones.
func parseTranscriptionForm(upload *web.Upload) (transcriptionForm, *services.Fault) {
	fields := web.NewForm(upload)
	form := transcriptionForm{
		model: fields.Text("model"), format: cmp.Or(fields.Text("response_format"), tasks.FormatJSON),
		granularities: fields.All("timestamp_granularities[]"),
	}
	form.params = tasks.TranscribeParams{Language: fields.Text("language"), Prompt: fields.Text("prompt"),
		Decoding: fields.Text("decoding")}
	if formats := tasks.TranscriptFormats(); !slices.Contains(formats, form.format) {
		fields.Complain("response_format", "must be one of %s, got %.40q", strings.Join(formats, ", "), form.format)
	}
	if len(form.params.Language) > 32 {
		fields.Complain("language", "must be a language code such as en, got %d bytes", len(form.params.Language))
	}
	for _, granularity := range form.granularities {
		if granularity != tasks.GranularityWord && granularity != tasks.GranularitySegment {
			fields.Complain("timestamp_granularities[]", "must be word or segment, got %.40q", granularity)
		}
	}
	if len(form.granularities) > 0 && form.format != tasks.FormatVerbose {
		fields.Complain("timestamp_granularities[]", "requires response_format verbose_json, got %.40s", form.format)
	}
	if strategy := fields.Text("chunking_strategy"); strategy != "" && strategy != "auto" {
		fields.Complain("chunking_strategy", `must be auto, got %.40q; window_seconds says how long audio is cut`, strategy)
	}
	form.params.Strict = web.Value(fields.Bool("strict"))
	form.params.Stream = web.Value(fields.Bool("stream"))
	if form.params.Stream && form.format != tasks.FormatJSON && form.format != tasks.FormatText {
		fields.Complain("stream", "requires response_format json or text, got %.40s", form.format)
	}
	form.parseNumbers(fields)
	return form, fields.Fault()
}

// parseNumbers parses the numeric fields. The service checks their other limits.
func (f *transcriptionForm) parseNumbers(fields *web.Form) {
	f.params.WindowSeconds = fields.Number("window_seconds")
	if temperature := fields.Number("temperature"); temperature != nil {
		if f.params.Temperature = *temperature; !(f.params.Temperature >= 0 && f.params.Temperature <= 1) {
			fields.Complain("temperature", "must be a number from 0 to 1, got %g", *temperature)
		}
	}
	if width := fields.Whole("beam_width", 1, tasks.MaxBeamWidth); width != nil {
		f.params.BeamWidth = int(*width)
	}
}

// contentTypes are those of the formats other than JSON.
var contentTypes = map[string]string{tasks.FormatText: "text/plain", tasks.FormatSRT: "text/plain", tasks.FormatVTT: "text/vtt"}

// transcript is a response with a transcription.
type transcript struct{ web.Body }

// VisitCreateTranscriptionResponse implements gen.CreateTranscriptionResponseObject.
func (t transcript) VisitCreateTranscriptionResponse(w http.ResponseWriter) error { return t.Send(w) }

func (f transcriptionForm) respond(t *tasks.Transcription) (gen.CreateTranscriptionResponseObject, error) {
	encoded, err := t.Encode(f.format, f.granularities...)
	if err != nil {
		return nil, services.Internal(err, "the answer could not be encoded")
	}
	if contentType := contentTypes[f.format]; contentType != "" {
		return transcript{web.Body{ContentType: contentType, Text: encoded}}, nil
	}
	return transcript{web.NewJSON(encoded)}, nil
}
