package api

import (
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

// Values of response_format.
const (
	formatJSON    = "json"
	formatText    = "text"
	formatSRT     = "srt"
	formatVTT     = "vtt"
	formatVerbose = "verbose_json"
)

// maxPrompt is the most bytes of a prompt.
const maxPrompt = 4096

// transcriptionFields are the form fields beside the file.
var transcriptionFields = []string{
	"model", "response_format", "language", "prompt", "temperature", "timestamp_granularities[]", "stream", "window_seconds",
}

// transcriptionForm is what the fields said.
type transcriptionForm struct {
	model, format, language string
	stream                  bool
	window                  *float64
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
	if err != nil {
		return nil, err
	}
	if form.stream {
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
	form := transcriptionForm{model: one("model"), format: one("response_format"), language: one("language")}
	if form.format == "" {
		form.format = formatJSON
	}
	if formats := []string{formatJSON, formatText, formatSRT, formatVTT, formatVerbose}; !slices.Contains(formats, form.format) {
		complain("response_format", "must be one of %s, got %q", strings.Join(formats, ", "), form.format)
	}
	if len(form.language) > 32 {
		complain("language", "must be a language code such as en, got %d bytes", len(form.language))
	}
	if text := one("temperature"); text != "" {
		if t, err := strconv.ParseFloat(text, 64); err != nil || !(t >= 0 && t <= 1) {
			complain("temperature", "must be a number from 0 to 1, got %q", text)
		}
	}
	for _, granularity := range fields["timestamp_granularities[]"] {
		if granularity != "word" && granularity != "segment" {
			complain("timestamp_granularities[]", "must be word or segment, got %q", granularity)
		}
	}
	form.parseNumbers(one, complain)
	if len(bad) > 0 {
		return form, &services.Fault{Kind: services.KindInvalid, Fields: bad}
	}
	return form, nil
}

// parseNumbers reads the fields that are not text.
func (f *transcriptionForm) parseNumbers(one func(string) string, complain func(field, format string, args ...any)) {
	if text := one("stream"); text != "" {
		stream, err := strconv.ParseBool(text)
		if err != nil {
			complain("stream", "must be true or false, got %q", text)
		}
		f.stream = stream
		if stream && f.format != formatJSON && f.format != formatText {
			complain("stream", "goes with response_format json or text, not %s", f.format)
		}
	}
	if text := one("window_seconds"); text != "" {
		window, err := strconv.ParseFloat(text, 64)
		if err != nil {
			complain("window_seconds", "must be a number of seconds, got %q", text)
		}
		f.window = &window
	}
	if text := one("prompt"); len(text) > maxPrompt {
		complain("prompt", "must be at most %d bytes, got %d", maxPrompt, len(text))
	}
}

func (f transcriptionForm) task(ctx context.Context, priority *gen.CreateTranscriptionParamsGrymPriority, audio services.AudioSource) (services.Task, error) {
	params, err := json.Marshal(services.TranscribeParams{Language: f.language, Stream: f.stream, WindowSeconds: f.window})
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
	switch f.format {
	case formatText:
		return gen.CreateTranscription200TextResponse{Body: t.Text + "\n"}, nil
	case formatSRT:
		return gen.CreateTranscription200TextResponse{Body: srt(t.Segments())}, nil
	case formatVTT:
		return gen.CreateTranscription200TextvttResponse{Body: strings.NewReader(vtt(t.Segments()))}, nil
	}
	var body gen.CreateTranscription200JSONResponseBody
	var err error
	if f.format == formatJSON {
		err = body.FromTranscription(gen.Transcription{Text: t.Text})
	} else {
		verbose := gen.VerboseTranscription{
			Task: gen.VerboseTranscriptionTaskTranscribe, Language: t.Language,
			Duration: t.DurationSeconds, Text: t.Text, Words: make([]gen.Word, len(t.Words)), Segments: []gen.Segment{},
		}
		for i, segment := range t.Segments() {
			verbose.Segments = append(verbose.Segments, gen.Segment{Id: i, Start: segment.Start, End: segment.End, Text: segment.Text})
		}
		for i, w := range t.Words {
			verbose.Words[i] = gen.Word{Word: w.Text, Start: w.Start, End: w.End}
		}
		err = body.FromVerboseTranscription(verbose)
	}
	if err != nil {
		return nil, services.Internal(err, "the answer could not be encoded")
	}
	return gen.CreateTranscription200JSONResponse{Body: body}, nil
}
