package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// barks is an operation that exists only in this test's contract.
const barks = `  /v1/audio/barks:
    post:
      operationId: createBarks
      x-grym: {scope: use, errors: problem, owner: caller, task: classify, service: kennel}
      parameters:
        - $ref: '#/components/parameters/Priority'
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema:
              type: object
              required: [file]
              properties:
                file: {type: string, format: binary}
                model: {type: string}
                loudest: {type: integer, minimum: 1}
                quiet: {type: number}
                all: {type: boolean}
                breed: {type: string}
          application/json:
            schema: {type: object, properties: {model: {type: string}, breed: {type: string}}}
      responses:
        '200':
          description: The barks.
          headers:
            Grym-Dogs: {schema: {type: integer}}
          content:
            application/json:
              schema: {type: object, required: [model, barks], properties: {barks: {type: array, items: {type: number}}}}
            text/plain:
              schema: {type: string}
        '400': {$ref: '#/components/responses/Problem'}
`

// howl is a result with an additional form.
type howl struct {
	Dogs  int       `json:"dogs"`
	Barks []float64 `json:"barks,omitempty"`
	Text  string    `json:"-"`
}

// Forms implements services.Formed.
func (h howl) Forms() []services.Form {
	return []services.Form{
		{Name: "text", ContentType: "text/plain; charset=utf-8", Encode: func() ([]byte, error) { return []byte(h.Text), nil }},
		{Name: "srt", ContentType: "application/x-subrip", Encode: func() ([]byte, error) { return []byte("never"), nil }},
	}
}

// TestATaskNeedsNothingButTheContract adds an operation to the contract, and no code.
func TestATaskNeedsNothingButTheContract(t *testing.T) {
	t.Parallel()
	var got services.Task
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		return services.TaskResult{Model: "rex", Value: howl{Dogs: 2, Text: "woof\n"}}, nil
	}), func(_ *Config, d *Dependencies) {
		d.Contract = []byte(strings.Replace(string(d.Contract), "paths:\n", "paths:\n"+barks, 1))
		d.Keys = everyKey{}
	})
	ask := func(contentType, body string, header ...string) (*answer, string) {
		return b.call(t, "POST", "/v1/audio/barks", body, append(header, "Content-Type", contentType, "Authorization", "Bearer alice")...)
	}
	response, body := ask(formType, form("file", "x", "model", " rex ", "loudest", "3", "quiet", "0.5", "all", "true", "breed", ""),
		"Grym-Priority", "high")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.JSONEq(t, `{"model":"rex","dogs":2,"barks":[]}`, body, "the lists that the contract requires are there")
	require.Equal(t, "2", response.Header.Get("Grym-Dogs"))
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	require.JSONEq(t, `{"loudest":3,"quiet":0.5,"all":true}`, string(got.Params))
	require.Equal(t, []any{"", "classify", "rex", services.PriorityHigh, "alice", int64(1)}, []any{got.Service, got.Name, got.Model,
		got.Priority, got.Caller.Key, got.Audio.Size()})
	require.NotEmpty(t, got.ID)

	_, body = ask(jsonType, `{"model":"rex","breed":"pug"}`)
	require.Contains(t, body, `"dogs":2`)
	require.JSONEq(t, `{"breed":"pug"}`, string(got.Params))
	require.Nil(t, got.Audio)

	for accept, want := range map[string]string{
		"text/plain": "woof\n", "text/*;q=0.5, application/json;q=0.4": "woof\n",
		"application/json, text/plain, */*": `"dogs"`, "image/png": `"dogs"`, "application/x-subrip": `"dogs"`,
	} {
		_, body = ask(formType, form("file", "x"), "Accept", accept)
		require.Contains(t, body, want, accept)
	}
	for _, c := range [][]string{
		{"file is missing", "loudest", "1"},
		{"loudest must be a whole number, 1 or above", "file", "x", "loudest", "0"},
		{"quiet must be a number", "file", "x", "quiet", "NaN"},
		{"all must be true or false", "file", "x", "all", "maybe"},
		{"breed must not be repeated, got 2 values", "file", "x", "breed", "a", "breed", "b"},
		{"colour is not a field of this form; the fields are file, all, breed, loudest, model, quiet", "file", "x", "colour", "red"},
	} {
		response, body = ask(formType, form(c[1:]...))
		require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
		require.Contains(t, body, c[0])
	}
	response, _ = b.call(t, "POST", "/v1/audio/barks", form("file", "x"), "Content-Type", formType)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
}

// TestACaptionComesAsText requests only the text.
func TestACaptionComesAsText(t *testing.T) {
	t.Parallel()
	var got services.Task
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		return services.TaskResult{Model: "m", Value: &tasks.Answer{Text: "A bell.", FinishReason: tasks.FinishStop, Seed: 7}}, nil
	}))
	response, body := b.call(t, "POST", "/v1/audio/captions", form("file", "x", "question", "What?", "seed", "7", "max_tokens", "3"),
		"Content-Type", formType, "Accept", "text/plain")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, "A bell.\n", body)
	require.JSONEq(t, `{"question":"What?","seed":7,"max_tokens":3}`, string(got.Params))
	_, body = b.call(t, "POST", "/v1/audio/captions", form("file", "x"), "Content-Type", formType)
	require.JSONEq(t, `{"model":"m","text":"A bell.","finish_reason":"stop","duration":0,"seed":7,"pieces":[],
		"usage":{"prompt_tokens":0,"completion_tokens":0,"audio_tokens":0,"cached_tokens":0}}`, body)
	for _, parts := range [][]string{{"audio_id", "x"}, {"file", "x", "audio_id", "x"}, {"question", "x"}} {
		response, body = b.call(t, "POST", "/v1/audio/captions", form(parts...), "Content-Type", formType)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
	}
}

// TestSoundComesAsItIsAskedFor varies the container and the number of sounds.
func TestSoundComesAsItIsAskedFor(t *testing.T) {
	t.Parallel()
	var got services.Task
	calls := 0
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got, calls = task, calls+1
		return services.TaskResult{}, services.Invalidf("prompt", "is odd")
	}))
	for _, c := range []struct {
		accept, body string
		want         map[string]any
	}{
		{"", `{"prompt":"x"}`, map[string]any{"response_format": nil, "num_waveforms_per_prompt": 1.0}},
		{"*/*", `{"prompt":"x"}`, map[string]any{"response_format": nil}},
		{"audio/flac", `{"prompt":"x"}`, map[string]any{"response_format": "flac"}},
		{"audio/flac, audio/wav", `{"prompt":"x"}`, map[string]any{"response_format": nil}},
		{"audio/pcm", `{"prompt":"x","response_format":"wav"}`, map[string]any{"response_format": "wav"}},
		{"application/json", `{"prompt":"x","model":"m","num_waveforms_per_prompt":2}`, map[string]any{"num_waveforms_per_prompt": 2.0}},
		{"audio/wav", `{"prompt":"x","seed":4294967295}`, map[string]any{"seed": 4294967295.0}},
	} {
		header := []string{"Content-Type", jsonType}
		if c.accept != "" {
			header = append(header, "Accept", c.accept)
		}
		response, body := b.call(t, "POST", "/v1/audio/generations", c.body, header...)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
		require.Contains(t, body, "prompt is odd")
		var params map[string]any
		require.NoError(t, json.Unmarshal(got.Params, &params))
		for name, value := range c.want {
			require.Equal(t, value, params[name], "%+v", c)
		}
		require.NotContains(t, params, "model")
	}
	before := calls
	for _, accept := range []string{"*/*", "audio/wav", "application/json, audio/*"} {
		_, body := b.call(t, "POST", "/v1/audio/generations", `{"prompt":"x","num_waveforms_per_prompt":2}`, "Content-Type", jsonType, "Accept",
			accept)
		require.Contains(t, body, "num_waveforms_per_prompt must be 1 if the response is an audio file", accept)
	}
	require.Equal(t, before, calls, "nothing is made that cannot be sent")
}

// TestOddBodiesOfTasksAreRefused sends bodies that are not valid requests of a task.
func TestOddBodiesOfTasksAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		return services.TaskResult{}, tasks.DecodeParams(task.Params, new(tasks.GenerateParams))
	}))
	for _, body := range []string{`{"prompt":"x","seed":7.5}`, `{"prompt":7}`, `null`, `"x"`, ``} {
		response, answer := b.call(t, "POST", "/v1/audio/generations", body, "Content-Type", jsonType)
		require.Equal(t, http.StatusBadRequest, response.StatusCode, "%s: %s", body, answer)
	}
}

// TestNoBodyIsNoForm sends empty bodies to routes that require a form.
func TestNoBodyIsNoForm(t *testing.T) {
	t.Parallel()
	b := setup(t, says("never"))
	for _, path := range []string{"captions", "classifications", "conversions", "embeddings"} {
		response, body := b.call(t, "POST", "/v1/audio/"+path, "")
		require.Equal(t, http.StatusUnsupportedMediaType, response.StatusCode, body)
	}
}

// TestAKeyReachesTheTask sends idempotency keys to an operation that takes them, and one that
// does not.
func TestAKeyReachesTheTask(t *testing.T) {
	t.Parallel()
	var got services.Task
	fault := error(nil)
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		return services.TaskResult{Model: "rex", Value: howl{Dogs: 2}, Repeated: task.Key == "again"}, fault
	}), func(_ *Config, d *Dependencies) {
		keyed := strings.Replace(barks, "Priority'\n", "Priority'\n        - $ref: '#/components/parameters/IdempotencyKey'\n", 1)
		keyed = strings.Replace(keyed, "        '200':\n", "        '201':\n", 1)
		keyed = strings.NewReplacer("barks:", "howls:", "createBarks", "createHowls").Replace(keyed)
		d.Contract = []byte(strings.Replace(string(d.Contract), "paths:\n", "paths:\n"+barks+keyed, 1))
	})
	ask := func(path, key string) (*answer, string) {
		return b.call(t, "POST", "/v1/audio/"+path, form("file", "x"), "Content-Type", formType, "Idempotency-Key", key)
	}
	response, body := ask("howls", "first")
	require.Equal(t, http.StatusCreated, response.StatusCode, body)
	require.Equal(t, "first", got.Key)
	require.Empty(t, response.Header.Get("Idempotent-Replayed"))
	response, body = ask("howls", "again")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, "true", response.Header.Get("Idempotent-Replayed"))
	_, _ = ask("barks", "first")
	require.Empty(t, got.Key)
	response, body = ask("howls", strings.Repeat("k", 256))
	require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
	fault = fmt.Errorf("howl 7: %w", services.ErrKeyReused)
	response, body = ask("howls", "first")
	require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode, body)
	require.Contains(t, body, "idempotency_key_reused")
}
