package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// sentForm is a form with the parameters and the warnings that it leads to. A part is its
// headers and its content, parted by a bar.
type sentForm struct {
	parts    []string
	params   string
	warnings string
}

// filePart is a part with a recording.
const filePart = `Content-Disposition: form-data; name="file"; filename="x.wav"|sound`

// fieldPart returns a part with the value of a field.
func fieldPart(name, value string) string {
	return `Content-Disposition: form-data; name="` + name + `"|` + value
}

// longText is longer than a prompt can be.
var longText = strings.Repeat("mixing the quick brown fox ", 400)

// sentForms have the traits of clients.
var sentForms = map[string]sentForm{
	"plain":            {[]string{filePart}, `{}`, ""},
	"bare quotes":      {[]string{`Content-Disposition: form-data; name="file"; filename="the "best" take.wav"|sound`}, `{}`, ""},
	"raw umlaut":       {[]string{"Content-Disposition: form-data; name=\"file\"; filename=stimme-\xc3\xbc.wav|sound"}, `{}`, ""},
	"unquoted spaces":  {[]string{`Content-Disposition: form-data; name=file; filename=my take.wav|sound`}, `{}`, ""},
	"extended name":    {[]string{`Content-Disposition: form-data; name="file"; filename*=UTF-8''stimme-%C3%BC.wav|sound`}, `{}`, ""},
	"header in a case": {[]string{`content-disposition: Form-Data; NAME="file"; FILENAME="x.wav"|sound`}, `{}`, ""},
	"base64": {[]string{"Content-Disposition: form-data; name=\"file\"; filename=\"x.wav\"\r\nContent-Transfer-Encoding: base64|c291bmQ="},
		`{}`, ""},
	"file as a list":     {[]string{`Content-Disposition: form-data; name="file[]"; filename="x.wav"|sound`}, `{}`, ""},
	"file by an index":   {[]string{`Content-Disposition: form-data; name="file[0]"; filename="x.wav"|sound`}, `{}`, ""},
	"language as a list": {[]string{filePart, fieldPart("language[]", "en")}, `{"language":"en"}`, ""},
	"languages":          {[]string{filePart, fieldPart("languages[]", "en")}, `{"language":"en"}`, ""},
	"patience and penalty": {
		[]string{filePart, fieldPart("patience", "2"), fieldPart("length_penalty", "0")}, `{"patience":2,"length_penalty":0}`, "",
	},
	"translate":        {[]string{filePart, fieldPart("translate", "true")}, `{"translate":true}`, ""},
	"do not translate": {[]string{filePart, fieldPart("translate", "false")}, `{}`, ""},
	"two languages":    {[]string{filePart, fieldPart("languages[0]", "en"), fieldPart("languages[1]", "de")}, `{}`, "value_ignored"},
	"keywords": {[]string{filePart, fieldPart("keywords[]", "mute"), fieldPart("keywords[]", "track")},
		`{"keywords":["mute","track"]}`, ""},
	"keywords as JSON":    {[]string{filePart, fieldPart("keywords", `["mute","track"]`)}, `{"keywords":["mute","track"]}`, ""},
	"keywords by commas":  {[]string{filePart, fieldPart("keywords", "mute, track")}, `{"keywords":["mute","track"]}`, ""},
	"include":             {[]string{filePart, fieldPart("include[]", "logprobs")}, `{"include":["logprobs"]}`, ""},
	"include by an index": {[]string{filePart, fieldPart("include[0]", "logprobs")}, `{"include":["logprobs"]}`, ""},
	"times by an index": {[]string{filePart, fieldPart("response_format", "verbose_json"), fieldPart("timestamp_granularities[0]", "word")},
		`{"response_format":"verbose_json","timestamp_granularities":["word"]}`, ""},
	"times without brackets": {[]string{filePart, fieldPart("response_format", "verbose_json"), fieldPart("timestamp_granularities", "word")},
		`{"response_format":"verbose_json","timestamp_granularities":["word"]}`, ""},
	"times as JSON": {[]string{filePart, fieldPart("response_format", "verbose_json"),
		fieldPart("timestamp_granularities", `["word","segment"]`)},
		`{"response_format":"verbose_json","timestamp_granularities":["word","segment"]}`, ""},
	"strategy":           {[]string{filePart, fieldPart("chunking_strategy", "auto")}, `{}`, "value_ignored"},
	"strategy as object": {[]string{filePart, fieldPart("chunking_strategy", `{"type":"server_vad","threshold":0.5}`)}, `{}`, "value_ignored"},
	"strategy in fields": {[]string{filePart, fieldPart("chunking_strategy[type]", "server_vad"),
		fieldPart("chunking_strategy[threshold]", "0.5")},
		`{}`, "value_ignored"},
	"strategy of nothing": {[]string{filePart, fieldPart("chunking_strategy", "null")}, `{}`, ""},
	"missing values": {[]string{filePart, fieldPart("language", "null"), fieldPart("temperature", "undefined"), fieldPart("prompt", ""),
		fieldPart("stream", "null"),
		fieldPart("known_speaker_names[]", "")}, `{}`, ""},
	"equal values twice": {[]string{filePart, fieldPart("language", "en"), fieldPart("language", "en")},
		`{"language":"en"}`, ""},
	"unknown fields": {[]string{filePart, fieldPart("vad_filter", "true"), fieldPart("hotwords[]", "x"),
		fieldPart("task", "transcribe")}, `{}`, "unknown_field"},
	"unknown object": {[]string{filePart, fieldPart("language[code]", "en")}, `{}`, "unknown_field"},
	"an unknown file": {[]string{filePart, `Content-Disposition: form-data; name="cover"; filename="x.png"|picture`}, `{}`,
		"unknown_field"},
	"a part without a name": {[]string{filePart, `Content-Disposition: form-data|x`}, `{}`, "unknown_field"},
	"words for truth":       {[]string{filePart, fieldPart("strict", "on")}, `{"strict":true}`, ""},
	"a long prompt": {[]string{filePart, fieldPart("prompt", longText+"Zanzibar")},
		`{"prompt":"brown fox ` + strings.Repeat("mixing the quick brown fox ", 151) + `Zanzibar"}`, "prompt_cut"},
	"a prompt beyond the limit of a field": {[]string{filePart, fieldPart("prompt", strings.Repeat("x ", 100_000)+"Zanzibar")},
		`{"prompt":"` + strings.Repeat("x ", 2044) + `Zanzibar"}`, "prompt_cut"},
	"a prompt without spaces": {[]string{filePart, fieldPart("prompt", strings.Repeat("\u00fc", 3000))},
		`{"prompt":"` + strings.Repeat("\u00fc", 2048) + `"}`, "prompt_cut"},
}

// TestFormsAsClientsSendThem sends forms with the traits of clients, and compares the
// parameters of the task and the warnings.
func TestFormsAsClientsSendThem(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1)
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		source, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer source.Close()
		sound, err := io.ReadAll(source)
		received <- string(sound) + " " + string(task.Params)
		return services.TaskResult{Value: &tasks.Transcription{Text: "HELLO"}}, err
	}))
	for name, c := range sentForms {
		t.Run(name, func(t *testing.T) {
			var body strings.Builder
			for _, part := range c.parts {
				headers, content, _ := strings.Cut(part, "|")
				body.WriteString("--b:1=2\r\n" + headers + "\r\n\r\n" + content + "\r\n")
			}
			body.WriteString("--b:1=2--\r\n")
			request := b.request(t, http.MethodPost, "/v1/audio/transcriptions", strings.NewReader(body.String()))
			request.Header.Set("Content-Type", "multipart/form-data; boundary=b:1=2")
			response, text := b.do(t, request)
			require.Equal(t, http.StatusOK, response.StatusCode, text)
			sound, params, _ := strings.Cut(<-received, " ")
			require.Equal(t, "sound", sound)
			require.JSONEq(t, c.params, params)
			require.Equal(t, c.warnings, response.Header.Get("Grym-Warning"))
			require.True(t, json.Valid([]byte(text)))
		})
	}
}
