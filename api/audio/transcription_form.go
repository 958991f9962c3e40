package audio

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// transcriptionShape describes the form of transcriptions.
var transcriptionShape = web.FormShape{
	File: "file", MaxField: web.MaxFieldBytes,
	Known: append([]string{
		"languages", "window_seconds", "chunking_strategy", "known_speaker_names", "known_speaker_references",
		"translate",
	}, translationShape.Known...),
	Lenient: true,
	Objects: []string{strategyField},
	Tails:   []string{"prompt"},
}

// translationShape describes the form of translations.
var translationShape = web.FormShape{
	File: "file", MaxField: web.MaxFieldBytes,
	Known: []string{
		"model", "response_format", "language", "prompt", "keywords", "temperature", "timestamp_granularities", "include", "stream", "strict",
		"start", "end", "decoding", "beam_width", "patience", "length_penalty",
	},
	Lenient: true,
	Tails:   []string{"prompt"},
}

// strategyField is OpenAI's field about where audio is cut.
const strategyField = "chunking_strategy"

// transcriptionForm has the parsed fields.
type transcriptionForm struct {
	model, format string
	granularities []string
	params        tasks.TranscribeParams
	// warnings report fields without effect.
	warnings []services.Warning
}

// parseTranscriptionForm parses the fields and returns a fault that names all invalid ones.
func parseTranscriptionForm(upload *web.Upload) (transcriptionForm, *services.Fault) {
	fields := web.NewForm(upload)
	form := transcriptionForm{
		model: fields.Text("model"), format: cmp.Or(fields.Text("response_format"), tasks.FormatJSON),
		granularities: fields.List("timestamp_granularities"),
	}
	form.params = tasks.TranscribeParams{Language: fields.Text("language"), Decoding: fields.Text("decoding"),
		Reading: fields.Reading(), Stream: web.Value(fields.Bool("stream")), Translate: web.Value(fields.Bool("translate"))}
	if formats := tasks.TranscriptFormats(); !slices.Contains(formats, form.format) {
		fields.Complain("response_format", "must be one of %s, got %.40q", strings.Join(formats, ", "), form.format)
	}
	for _, granularity := range form.granularities {
		if granularity != tasks.GranularityWord && granularity != tasks.GranularitySegment {
			fields.Complain("timestamp_granularities", "must be word or segment, got %.40q", granularity)
		}
	}
	if len(form.granularities) > 0 && form.format != tasks.FormatVerbose {
		fields.Complain("timestamp_granularities", "requires response_format verbose_json, got %.40s", form.format)
	}
	if form.params.Stream && form.format != tasks.FormatJSON && form.format != tasks.FormatText {
		fields.Complain("stream", "requires response_format json or text, got %.40s", form.format)
	}
	for _, speakers := range []string{"known_speaker_names", "known_speaker_references"} {
		if len(fields.List(speakers)) > 0 {
			fields.Complain(speakers, "is not supported: speakers are not distinguished")
		}
	}
	form.params.TimestampGranularities = form.granularities
	form.parseInclude(fields)
	form.parseLanguages(fields)
	form.parseHotWords(fields)
	form.parseStrategy(fields, upload.Fields)
	form.parseNumbers(fields)
	upload.Warnings = web.JoinWarnings(upload.Warnings, form.warnings)
	return form, fields.Fault()
}

// warn adds a warning about a field, under the name that the client sent.
func (f *transcriptionForm) warn(fields *web.Form, code services.WarningCode, field, format string, args ...any) {
	f.warnings = append(f.warnings, services.Warning{Code: code, Field: fields.Name(field), Message: fmt.Sprintf(format, args...)})
}

// parseInclude parses what the answer has in addition.
func (f *transcriptionForm) parseInclude(fields *web.Form) {
	for _, part := range fields.List("include") {
		switch {
		case part != tasks.IncludeLogprobs:
			fields.Complain("include", "must be %s, got %.40q", tasks.IncludeLogprobs, part)
		case f.format != tasks.FormatJSON:
			fields.Complain("include", "requires response_format json, got %.40s", f.format)
		default:
			f.params.Include = []string{part}
		}
	}
	if f.format == tasks.FormatVerbose {
		f.params.ResponseFormat = f.format // whose segments have the scores of their tokens
	}
}

// parseLanguages parses the languages of the speech.
func (f *transcriptionForm) parseLanguages(fields *web.Form) {
	languages := fields.List("languages")
	for _, one := range append([]string{f.params.Language}, languages...) {
		if field := "language"; len(one) > 32 {
			if one != f.params.Language {
				field = "languages"
			}
			fields.Complain(field, "must be a language code such as en, got %d bytes", len(one))
		}
	}
	switch {
	case len(languages) == 1 && f.params.Language == "":
		f.params.Language = languages[0]
	case len(languages) > 0:
		f.warn(fields, services.WarnValueIgnored, "languages", "languages has no effect: a model knows the language that it was trained on")
	}
}

// parseHotWords parses the prompt and the keywords. Of a long prompt the end is used, as
// OpenAI does; of many keywords the first ones.
func (f *transcriptionForm) parseHotWords(fields *web.Form) {
	f.params.Prompt = fields.Text("prompt")
	if len(f.params.Prompt) > tasks.MaxPromptBytes {
		f.params.Prompt = lastWords(f.params.Prompt, tasks.MaxPromptBytes)
		f.warn(fields, services.WarnPromptCut, "prompt", "only the last %d bytes of the prompt were used", len(f.params.Prompt))
	}
	size := 0
	for i, word := range fields.List("keywords") {
		if size += len(word) + 1; size > tasks.MaxPromptBytes || i >= tasks.MaxKeywords {
			f.warn(fields, services.WarnPromptCut, "keywords", "only the first %d keywords were used", i)
			return
		}
		f.params.Keywords = append(f.params.Keywords, word)
	}
}

// lastWords returns the end of a text, from the beginning of a word if it has several.
func lastWords(text string, limit int) string {
	tail := text[len(text)-limit:]
	if _, words, ok := strings.Cut(tail, " "); ok && text[len(text)-limit-1] != ' ' {
		return words
	}
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	return tail
}

// parseStrategy parses OpenAI's chunking strategy: auto, or an object in JSON or in fields
// such as chunking_strategy[type].
func (f *transcriptionForm) parseStrategy(fields *web.Form, sent map[string][]string) {
	text := fields.Text(strategyField)
	kind := text
	var object struct{ Type string }
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			fields.Complain(strategyField, "is not valid JSON")
			return
		}
		kind = object.Type
	}
	given := text != ""
	for name := range sent {
		given = given || strings.HasPrefix(name, strategyField+"[")
	}
	kind = cmp.Or(kind, fields.Text(strategyField+"[type]"))
	switch {
	case !given:
	case kind != "auto" && kind != "server_vad":
		fields.Complain(strategyField, `must be auto or an object of type server_vad, got %.40q; window_seconds says how long audio is cut`,
			cmp.Or(kind, text))
	default:
		f.warn(fields, services.WarnValueIgnored, strategyField,
			"%s has no effect: audio is cut into windows of equal length", strategyField)
	}
}

// parseNumbers parses the numeric fields. The service checks their other limits.
func (f *transcriptionForm) parseNumbers(fields *web.Form) {
	f.params.WindowSeconds = fields.Number("window_seconds")
	if temperature := fields.Number("temperature"); temperature != nil {
		if f.params.Temperature = *temperature; !(f.params.Temperature >= 0 && f.params.Temperature <= 1) {
			fields.Complain("temperature", "must be a number from 0 to 1, got %g", *temperature)
		}
	}
	f.params.LengthPenalty = fields.Number("length_penalty")
	if patience := fields.Number("patience"); patience != nil {
		if f.params.Patience = *patience; !(*patience > 0 && *patience <= tasks.MaxPatience) {
			fields.Complain("patience", "must be above 0 and at most %d, got %g", tasks.MaxPatience, *patience)
		}
	}
	if width := fields.Whole("beam_width", 1, tasks.MaxBeamWidth); width != nil {
		f.params.BeamWidth = int(*width)
	}
}
