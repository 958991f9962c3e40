package api

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/web"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// namedModels is a scripted Models.
type namedModels struct {
	model   string
	aliases []orchestrator.Alias
}

func (n namedModels) Resolve(task, name string) (orchestrator.Resolution, error) {
	return orchestrator.Resolution{Service: "of " + task, Model: n.model, Alias: name}, nil
}

func (n namedModels) Model(services.Task) (string, error) { return n.model, nil }

func (n namedModels) Aliases() []orchestrator.Alias { return n.aliases }

func withModels(models web.Models) func(*Config, *Dependencies) {
	return func(_ *Config, d *Dependencies) { d.Models = models }
}

// warned is an executor whose tasks return the value, a warning, and audio.
func warned(t *testing.T, value any) executorFunc {
	t.Helper()
	return func(_ context.Context, task services.Task) (services.TaskResult, error) {
		result := services.TaskResult{Model: "real-model", Value: value, Warnings: []services.Warning{{Code: services.WarnPromptCut,
			Field: "prompt", Message: "was cut"}}}
		if task.Name == tasks.Convert || task.Name == tasks.Generate {
			result.Audio = &services.Artifact{Path: filepath.Join(t.TempDir(), "sound"), ContentType: "audio/wav", Bytes: 5}
			require.NoError(t, os.WriteFile(result.Audio.Path, []byte("sound"), 0o600))
		}
		return result, nil
	}
}

// TestEveryAnswerNamesItsModelAndWarnings requests every format of every route.
func TestEveryAnswerNamesItsModelAndWarnings(t *testing.T) {
	t.Parallel()
	transcript := &tasks.Transcription{Text: "HELLO", Words: []tasks.Word{
		{Text: "HELLO", Start: 0.1, End: 0.2, Tokens: []tasks.Token{{ID: 7, Text: "HELLO", LogProb: -0.5}}},
	}}
	answer := &tasks.Answer{Text: "A bell.", FinishReason: tasks.FinishStop}
	sound := []string{"file", "sound"}
	for name, c := range map[string]struct {
		value    any
		path     string
		fields   []string
		json     string
		accept   string
		warnings string
		body     string
	}{
		"json":    {transcript, "transcriptions", append(sound, "response_format", "json"), "", "", "prompt_cut", `{"text":"HELLO","usage":`},
		"verbose": {transcript, "transcriptions", append(sound, "response_format", "verbose_json"), "", "", "prompt_cut", `"task":"transcribe"`},
		"text":    {transcript, "transcriptions", append(sound, "response_format", "text"), "", "", "prompt_cut", "HELLO"},
		"srt":     {transcript, "transcriptions", append(sound, "response_format", "srt"), "", "", "prompt_cut", "-->"},
		"vtt":     {transcript, "transcriptions", append(sound, "response_format", "vtt"), "", "", "prompt_cut", "WEBVTT"},
		"fields": {transcript, "transcriptions", append(sound, "colour", "red", "shape", "round", "colour", "blue"), "", "",
			"unknown_field, prompt_cut", "HELLO"},
		"embed": {&tasks.Embedding{Vector: []float32{1}}, "embeddings", sound, "", "", "prompt_cut",
			`"warnings":[{"code":"prompt_cut","field":"prompt","message":"was cut"}]`},
		"classify": {&tasks.Classification{}, "classifications", sound, "", "", "prompt_cut", `"model":"real-model","warnings":[`},
		"caption":  {answer, "captions", sound, "", "", "prompt_cut", `"warnings":[`},
		"convert":  {nil, "conversions", sound, "", "", "prompt_cut", "sound"},
		"sound":    {&tasks.Generation{}, "generations", nil, `{"prompt":"rain"}`, "audio/wav", "prompt_cut", "sound"},
		"sounds":   {&tasks.Generation{}, "generations", nil, `{"prompt":"rain"}`, "application/json", "prompt_cut", `"warnings":[`},
		"chat": {answer, "/v1/chat/completions", nil, `{"model":"m","user":"me","messages":[{"role":"user","content":[{"type":"text",` +
			`"text":"What?"},{"type":"input_audio","input_audio":{"data":"c291bmQ="}}]}]}`,
			"", "value_ignored, prompt_cut", `"model":"real-model"`},
	} {
		b := setup(t, warned(t, c.value), withModels(namedModels{model: "predicted"}))
		path := c.path
		if !strings.HasPrefix(path, "/") {
			path = "/v1/audio/" + path
		}
		sent, contentType := form(c.fields...), formType
		if c.json != "" {
			sent, contentType = c.json, jsonType
		}
		response, body := b.call(t, http.MethodPost, path, sent, "Content-Type", contentType, "Accept", c.accept)
		require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", name, body)
		require.Equal(t, "real-model", response.Header.Get("Grym-Model"), name)
		require.Equal(t, c.warnings, response.Header.Get("Grym-Warning"), name)
		require.Contains(t, body, c.body, name)
	}
}

func TestAStreamNamesItsModelFirstAndItsWarningsLast(t *testing.T) {
	t.Parallel()
	b := setup(t, warned(t, &tasks.Transcription{Text: "HELLO"}), withModels(namedModels{model: "predicted"}))
	response, body := b.call(t, http.MethodPost, "/v1/audio/transcriptions", form("file", "sound", "stream", "true", "colour", "red"),
		"Content-Type", formType)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, "predicted", response.Header.Get("Grym-Model"))
	require.Equal(t, "unknown_field", response.Header.Get("Grym-Warning"))
	require.Contains(t, body, `{"type":"transcript.text.done","text":"HELLO","warnings":[{"code":"unknown_field","field":"colour",`+
		`"message":"unknown field \"colour\" was ignored"},{"code":"prompt_cut"`)

	b = setup(t, warned(t, &tasks.Answer{Text: "A bell.", FinishReason: tasks.FinishStop}), withModels(namedModels{model: "predicted"}))
	response, body = b.call(t, http.MethodPost, "/v1/chat/completions",
		`{"stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"What?"},{"type":"input_audio",`+
			`"input_audio":{"data":"c291bmQ="}}]}]}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, "predicted", response.Header.Get("Grym-Model"))
	require.Empty(t, response.Header.Get("Grym-Warning"))
	require.Contains(t, body, `"model":"predicted"`)
	require.Contains(t, body, `"finish_reason":"stop"}],"warnings":[{"code":"prompt_cut"`)
}

func TestAnErrorNamesNoModel(t *testing.T) {
	t.Parallel()
	b := setup(t, fails(services.Invalidf("model", "is none")), withModels(namedModels{}))
	response, _ := b.call(t, http.MethodPost, "/v1/audio/transcriptions", form("file", "sound", "colour", "red"), "Content-Type", formType)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.NotContains(t, response.Header, "Grym-Model")
	require.NotContains(t, response.Header, "Grym-Warning")
}

// TestOurRoutesRefuseUnknownFields checks that only OpenAI's routes are lenient.
func TestOurRoutesRefuseUnknownFields(t *testing.T) {
	t.Parallel()
	b := setup(t, says("never"))
	for _, route := range []string{"embeddings", "classifications", "conversions", "captions"} {
		response, body := b.call(t, http.MethodPost, "/v1/audio/"+route, form("file", "sound", "colour", "red"), "Content-Type", formType)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, route)
		require.Contains(t, body, "colour", route)
	}
}

func TestManyUnknownFieldsAreReportedInPart(t *testing.T) {
	t.Parallel()
	b := setup(t, says("HELLO"))
	var fields []string
	const most = 16 // that are reported each by its name
	for range 3 * most {
		fields = append(fields, strings.Repeat("x", 1+len(fields)), "")
	}
	response, body := b.call(t, http.MethodPost, "/v1/audio/transcriptions", form(append(fields, "file", "sound", "stream", "true")...),
		"Content-Type", formType)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, most, strings.Count(body, "unknown_field"))
}

func TestAJobHasItsWarnings(t *testing.T) {
	t.Parallel()
	job := in(queued("job-1"), jobs.StatusSucceeded)
	job.Result = &jobs.Result{Model: "real-model", Warnings: []services.Warning{{Code: services.WarnTurnsDropped,
		Message: "two were left out"}}}
	b := setupJobs(t, &scriptedJobs{
		get: func(string, string) (jobs.Job, error) { return job, nil },
		result: func() (json.RawMessage, error) {
			return json.RawMessage(`{"text":"HELLO","duration":1,"words":[]}`), nil
		},
	})
	_, body := b.call(t, http.MethodGet, "/v1/jobs/job-1", "")
	require.Contains(t, body, `"warnings":[{"code":"turns_dropped","message":"two were left out"}]`)
	for _, format := range []string{"json", "text", "srt", "vtt"} {
		response, _ := b.call(t, http.MethodGet, "/v1/jobs/job-1/result?format="+format, "")
		require.Equal(t, "real-model", response.Header.Get("Grym-Model"), format)
		require.Equal(t, "turns_dropped", response.Header.Get("Grym-Warning"), format)
	}
}

// TestAJobNeedsNoService also checks that task or service is required.
func TestAJobNeedsNoService(t *testing.T) {
	t.Parallel()
	var got jobs.Submission
	b := setupJobs(t, &scriptedJobs{submit: func(s jobs.Submission) (jobs.Job, bool, error) {
		got = s
		return queued("job-1"), false, nil
	}})
	response, body := b.call(t, http.MethodPost, "/v1/jobs", `{"task":"generate","params":{"prompt":"rain"}}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusAccepted, response.StatusCode, body)
	require.Equal(t, []string{"", "generate"}, []string{got.Service, got.Task})
	response, body = b.call(t, http.MethodPost, "/v1/jobs", `{"params":{"prompt":"rain"}}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, body, "task is missing")
}

func TestAliasesAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t, says("unused"), withModels(namedModels{aliases: []orchestrator.Alias{
		{Name: "lost", Target: "nothing", Problem: `stands for "nothing", which does not exist`},
		{Name: "whisper-1", Target: "default:transcribe", Service: "wav2vec2", Model: "wav2vec2-tiny"},
	}}), func(_ *Config, d *Dependencies) {
		d.UnreadableModels = func() []services.ModelStatus { return nil }
	})
	_, body := b.call(t, http.MethodGet, "/v1/models/whisper-1", "")
	require.JSONEq(t, `{"id":"whisper-1","object":"model","created":0,"owned_by":"alias","alias_of":"wav2vec2-tiny","service":"wav2vec2",`+
		`"state":"unavailable","loaded_bytes":0}`, body)
	_, body = b.call(t, http.MethodGet, "/v1/models/lost", "")
	require.JSONEq(t, `{"id":"lost","object":"model","created":0,"owned_by":"alias","alias_of":"nothing",
		"service":"","state":"unavailable","loaded_bytes":0,
		"problem":"stands for \"nothing\", which does not exist"}`, body)
	response, body := b.call(t, http.MethodGet, "/v1/models/other", "")
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Contains(t, body, "does not exist; available: lost, whisper-1")
}
