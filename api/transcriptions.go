package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// transcriptionService does the work of the route.
const transcriptionService = "wav2vec2"

// transcriptionFields are the form fields beside the file.
var transcriptionFields = []string{
	"model", "response_format", "language", "prompt", "temperature", "timestamp_granularities[]", "stream",
	"decoding", "beam_width", "window_seconds", "chunking_strategy",
}

// refusedFields are OpenAI's fields for what no CTC model can do, with why.
var refusedFields = map[string]string{
	"include[]":                  "is not supported: there are no log probabilities of tokens to include",
	"known_speaker_names[]":      "is not supported: the words are not told apart by speaker",
	"known_speaker_references[]": "is not supported: the words are not told apart by speaker",
}

// transcriptionForm is what the fields said.
type transcriptionForm struct {
	model, format string
	granularities []string
	params        services.TranscribeParams
}

// CreateTranscription implements gen.StrictServerInterface.
func (h *handlers) CreateTranscription(ctx context.Context, request gen.CreateTranscriptionRequestObject) (gen.CreateTranscriptionResponseObject, error) {
	upload, err := h.receive(ctx, request.Body, transcriptionFields)
	remove := func() {
		if err := upload.Close(); err != nil {
			h.Log.Error("upload could not be removed", "error", err)
		}
	}
	// A stream reads the upload after this function has returned.
	defer func() { remove() }()
	form, formErr := parseTranscriptionForm(upload.fields)
	if err := joinFields(err, formErr); err != nil {
		return nil, err
	}
	task, err := form.task(ctx, request.Params.GrymPriority, upload.audio())
	task.Caller = h.caller(ctx)
	if err != nil {
		return nil, err
	}
	if form.params.Stream {
		stream := transcriptStream{handlers: h, ctx: ctx, task: task, done: remove}
		remove = func() {}
		return stream, nil
	}
	result, err := h.Executor.Execute(ctx, task, services.DiscardSink{})
	if err != nil {
		return nil, err
	}
	transcription, ok := result.Value.(*services.Transcription)
	if !ok {
		return nil, services.Internal(fmt.Errorf("transcribe gave %T", result.Value), "the answer could not be encoded")
	}
	return form.respond(transcription)
}

// joinFields makes one fault of two that each name bad fields; an error of
// another kind comes first.
func joinFields(received error, form *services.Fault) error {
	if form == nil {
		return received
	}
	if received == nil {
		return form
	}
	if fault, ok := received.(*services.Fault); ok && len(fault.Fields) > 0 { //nolint:errorlint // made by receive, never wrapped
		fault.Fields = append(fault.Fields, form.Fields...)
	}
	return received
}

// parseTranscriptionForm reads the fields, and names every one that is wrong.
func parseTranscriptionForm(fields map[string][]string) (transcriptionForm, *services.Fault) {
	var bad []services.FieldError
	complain := func(field, format string, args ...any) {
		bad = append(bad, services.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	one := func(field string) string {
		values := fields[field]
		if len(values) > 1 {
			complain(field, "came %d times", len(values))
		}
		if len(values) == 0 {
			return ""
		}
		return strings.TrimSpace(values[0])
	}
	form := transcriptionForm{model: one("model"), format: cmp.Or(one("response_format"), services.FormatJSON), granularities: fields["timestamp_granularities[]"]}
	form.params = services.TranscribeParams{Language: one("language"), Prompt: one("prompt"), Decoding: one("decoding")}
	if formats := services.TranscriptFormats(); !slices.Contains(formats, form.format) {
		complain("response_format", "must be one of %s, got %.40q", strings.Join(formats, ", "), form.format)
	}
	if len(form.params.Language) > 32 {
		complain("language", "must be a language code such as en, got %d bytes", len(form.params.Language))
	}
	for _, granularity := range form.granularities {
		if granularity != services.GranularityWord && granularity != services.GranularitySegment {
			complain("timestamp_granularities[]", "must be word or segment, got %.40q", granularity)
		}
	}
	if len(form.granularities) > 0 && form.format != services.FormatVerbose {
		complain("timestamp_granularities[]", "goes with response_format verbose_json, not %.40s", form.format)
	}
	if strategy := one("chunking_strategy"); strategy != "" && strategy != "auto" {
		complain("chunking_strategy", `must be auto, got %.40q; window_seconds says how long audio is cut`, strategy)
	}
	form.parseNumbers(one, complain)
	if len(bad) > 0 {
		return form, &services.Fault{Kind: services.KindInvalid, Fields: bad}
	}
	return form, nil
}

// parseNumbers reads the fields that are not text. The service knows their limits.
func (f *transcriptionForm) parseNumbers(one func(string) string, complain func(field, format string, args ...any)) {
	var err error
	if text := one("stream"); text != "" {
		if f.params.Stream, err = strconv.ParseBool(text); err != nil {
			complain("stream", "must be true or false, got %.40q", text)
		}
		if f.params.Stream && f.format != services.FormatJSON && f.format != services.FormatText {
			complain("stream", "goes with response_format json or text, not %.40s", f.format)
		}
	}
	if text := one("window_seconds"); text != "" {
		window, err := parseNumber(text)
		if err != nil {
			complain("window_seconds", "must be a number of seconds, got %.40q", text)
		}
		f.params.WindowSeconds = &window
	}
	if text := one("temperature"); text != "" {
		if f.params.Temperature, err = parseNumber(text); err != nil || !(f.params.Temperature >= 0 && f.params.Temperature <= 1) {
			complain("temperature", "must be a number from 0 to 1, got %.40q", text)
		}
	}
	if text := one("beam_width"); text != "" {
		if f.params.BeamWidth, err = strconv.Atoi(text); err != nil || f.params.BeamWidth < 1 {
			complain("beam_width", "must be a whole number from 1 to %d, got %.40q", services.MaxBeamWidth, text)
		}
	}
}

func (f transcriptionForm) task(ctx context.Context, priority *gen.CreateTranscriptionParamsGrymPriority, audio services.AudioSource) (services.Task, error) {
	params, err := json.Marshal(f.params)
	if err != nil {
		return services.Task{}, services.Internal(err, "the request could not be encoded")
	}
	task := services.Task{
		ID: requestID(ctx), Service: transcriptionService, Name: services.TaskTranscribe,
		Model: f.model, Params: params, Audio: audio,
	}
	if priority != nil {
		task.Priority, err = services.ParsePriority(string(*priority))
	}
	return task, err
}

func (f transcriptionForm) respond(t *services.Transcription) (gen.CreateTranscriptionResponseObject, error) {
	encoded, err := t.Encode(f.format, f.granularities...)
	if err != nil {
		return nil, services.Internal(err, "the answer could not be encoded")
	}
	switch f.format {
	case services.FormatText, services.FormatSRT:
		return gen.CreateTranscription200TextResponse{Body: string(encoded)}, nil
	case services.FormatVTT:
		return gen.CreateTranscription200TextvttResponse{Body: bytes.NewReader(encoded)}, nil
	}
	var body gen.CreateTranscription200JSONResponseBody
	if err := body.UnmarshalJSON(encoded); err != nil {
		return nil, services.Internal(err, "the answer could not be encoded")
	}
	return gen.CreateTranscription200JSONResponse{Body: body}, nil
}
