package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heads sends a transcription and returns its headers and its body.
func (s *server) heads(t *testing.T, audio []byte, fields ...string) (status int, header http.Header, body string) {
	t.Helper()
	form, contentType := form(t, audio, fields...)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", form)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(data)
}

// TestAModelHasOtherNames asks by the names that OpenAI's clients send, in every format.
func TestAModelHasOtherNames(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(data, "models", "my.model"), os.DirFS("models/wav2vec2-tiny")))
	settings := "models: {aliases: {mine: my.model, gpt-4.1-listen: mine, lost: nothing, wav2vec2-tiny: my.model, gpt-transcribe: }}\n"
	s := startWith(t, options{dataDir: data, settings: settings})
	speech := clip(t, "clip09.wav")
	for _, format := range []string{"json", "text", "srt", "vtt", "verbose_json"} {
		for name, want := range map[string]string{"": "wav2vec2-tiny", "wav2vec2-tiny": "wav2vec2-tiny", "whisper-1": "wav2vec2-tiny",
			"gpt-4.1-listen": "my.model"} {
			status, header, body := s.heads(t, speech, "model", name, "response_format", format, "colour", "red", "temperature", "0.5")
			require.Equal(t, http.StatusOK, status, body)
			require.Contains(t, body, "MUTE TRACK ONE")
			require.Equal(t, []string{want, "unknown_field, value_ignored"}, []string{header.Get("Grym-Model"), header.Get("Grym-Warning")},
				"%s as %s", name, format)
		}
	}
	status, header, body := s.heads(t, speech, "model", "mine", "stream", "true", "temperature", "0.5", "colour", "red")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, []string{"my.model", "unknown_field"}, []string{header.Get("Grym-Model"), header.Get("Grym-Warning")})
	require.Contains(t, body, `"text":"MUTE TRACK ONE","warnings":[{"code":"unknown_field","field":"colour",`)
	require.Contains(t, body, `{"code":"value_ignored","field":"temperature","message":"temperature has no effect: nothing is drawn by `+
		`chance"}]}`)

	for name, says := range map[string]string{
		"lost":           `model \"lost\" stands for \"nothing\", which does not exist`,
		"gpt-transcribe": `does not exist; available: my.model, wav2vec2-tiny; aliases: gpt-4.1-listen`,
	} {
		status, _, body := s.heads(t, speech, "model", name)
		require.Equal(t, http.StatusNotFound, status, body)
		require.Contains(t, body, says)
	}
	s.logged(t, `models.aliases.wav2vec2-tiny: has no effect: wav2vec2 has a model of that name`)
	s.logged(t, `models.aliases.lost: stands for \"nothing\", which does not exist`)
	status, body = s.get(t, "/v1/models/gpt-4.1-listen")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"alias_of":"my.model"`)
	require.Contains(t, body, `"owned_by":"alias"`)

	// Names and defaults change while the server runs; a job keeps to the model that it began with.
	status, body = s.patch(t, `{"models":{"aliases":{"whisper-1":"mine","a":"b","b":"a"}}}`)
	require.Equal(t, http.StatusBadRequest, status, body)
	require.Contains(t, body, "stands for itself, by way of b")
	status, body = s.patch(t, `{"models":{"aliases":{"whisper-1":"wav2vec2-tiny"},"defaults":{"transcribe":"mine"}}}`)
	require.Equal(t, http.StatusOK, status, body)
	for name, want := range map[string]string{"": "my.model", "whisper-1": "wav2vec2-tiny", "gpt-4o-transcribe": "my.model"} {
		_, header, _ := s.heads(t, speech, "model", name)
		require.Equal(t, want, header.Get("Grym-Model"), name)
	}
}

// TestAJobFindsItsService names a task and perhaps a model, and no service.
func TestAJobFindsItsService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startWith(t, options{dataDir: dir})
	type named struct {
		job
		Model    string
		Warnings []struct{ Code, Field, Message string }
	}
	submit := func(request string, audio []byte) (n named) {
		t.Helper()
		var status int
		var body string
		if audio != nil {
			status, body = s.postJob(t, request, audio, "Prefer", "wait=60")
		} else {
			post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/jobs", strings.NewReader(request))
			require.NoError(t, err)
			post.Header.Set("Content-Type", "application/json")
			post.Header.Set("Prefer", "wait=60")
			status, body = do(t, post)
		}
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, json.Unmarshal([]byte(body), &n))
		return n
	}
	done := submit(`{"task":"transcribe","params":{"model":"whisper-1","temperature":0.3}}`, clip(t, "clip09.wav"))
	require.Equal(t, []string{"wav2vec2", "transcribe", "wav2vec2-tiny", "succeeded"}, []string{done.Service, done.Task, done.Model,
		done.Status})
	require.Equal(t, "value_ignored", done.Warnings[0].Code)
	made := submit(`{"task":"generate","params":{"prompt":"rain","negative_prompt":"wind","guidance_scale":1,"num_inference_steps":2,`+
		`"audio_length_in_s":0.5}}`, nil)
	require.Equal(t, []string{"audioldm", "audioldm-tiny", "succeeded"}, []string{made.Service, made.Model, made.Status})
	require.Equal(t, "negative_prompt", made.Warnings[0].Field)
	require.Equal(t, "audioProcessor", submit(`{"task":"convert","params":{"container":"flac"}}`, clip(t, "clip09.wav")).Service)
	for request, want := range map[string]int{
		`{"task":"sing"}`: http.StatusBadRequest, `{}`: http.StatusBadRequest,
		`{"task":"transcribe","params":{"model":"none"}}`:                                   http.StatusNotFound,
		`{"service":"gama","task":"ask","params":{"model":"whisper-1","question":"What?"}}`: http.StatusBadRequest,
	} {
		status, body := s.postJob(t, request, clip(t, "clip09.wav"))
		require.Equal(t, want, status, "%s: %s", request, body)
	}
	// The warnings are of the record, and outlive the process.
	require.NoError(t, s.stop(t), s.log)
	s = startWith(t, options{dataDir: dir})
	for range 2 {
		status, body := s.get(t, "/v1/jobs/"+done.ID)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, `"warnings":[{"code":"value_ignored","field":"temperature"`)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/jobs/"+made.ID+"/result", nil)
	require.NoError(t, err)
	response, err := (&http.Client{Timeout: time.Minute}).Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, []string{"audio/wav", "audioldm-tiny", "value_ignored"},
		[]string{response.Header.Get("Content-Type"), response.Header.Get("Grym-Model"), response.Header.Get("Grym-Warning")})
}

// TestTheCommandLineTakesOtherNames transcribes in its own process.
func TestTheCommandLineTakesOtherNames(t *testing.T) {
	t.Parallel()
	out, err := runProgram(t, "transcribe", "--data-dir", t.TempDir(), "--model", "whisper-1", clips+"clip09.wav").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "MUTE TRACK ONE\n", string(out))
	out, err = runProgram(t, "transcribe", "--data-dir", t.TempDir(), "--model", "whisper-9", clips+"clip09.wav").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `model "whisper-9" does not exist; available: wav2vec2-tiny; aliases:`)
}
