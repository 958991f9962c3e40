package api

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// requireEmptySpool checks that no upload is left. It is called after every test, when the
// server is closed.
func requireEmptySpool(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "each upload is removed, whatever becomes of its request")
}

// countedStore counts the recordings that have been received but neither saved nor
// discarded.
type countedStore struct {
	records.Store
	open atomic.Int64
}

func (s *countedStore) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	staged, err := s.Store.Stage(ctx, r)
	if err == nil {
		s.open.Add(1)
	}
	return &countedStaged{Staged: staged, store: s}, err
}

type countedStaged struct {
	records.Staged
	store *countedStore
	ended atomic.Bool
}

func (s *countedStaged) end(err error) error {
	if err == nil && !s.ended.Swap(true) {
		s.store.open.Add(-1)
	}
	return err
}

func (s *countedStaged) Commit(ctx context.Context, name string) error {
	return s.end(s.Staged.Commit(ctx, name))
}

func (s *countedStaged) Discard(ctx context.Context) error { return s.end(s.Staged.Discard(ctx)) }

// anyModels resolves every model to one service.
type anyModels struct{}

func (anyModels) Resolve(_, name string) (orchestrator.Resolution, error) {
	return orchestrator.Resolution{Service: "gama", Model: name}, nil
}

func (anyModels) Model(task services.Task) (string, error) { return task.Model, nil }
func (anyModels) Aliases() []orchestrator.Alias            { return nil }

// briefContexts creates a context by calling a function.
type briefContexts struct {
	services.Contexts
	create func() (services.ContextInfo, error)
}

func (c briefContexts) CreateContext(context.Context, services.Caller, services.NewContext) (services.ContextInfo, error) {
	return c.create()
}

// uploadRoute is a route that receives a recording.
type uploadRoute struct {
	path, kind string
	// body is a valid request; bad has a valid recording and an invalid field, broken is
	// incomplete or has an invalid recording.
	body, bad, broken string
	// value is the result of a successful task.
	value any
}

// formRoute is a route that accepts a form; fields are those other than the file.
func formRoute(path, file string, value any, fields ...string) uploadRoute {
	good := form(append([]string{file, "sound"}, fields...)...)
	return uploadRoute{
		path: path, kind: formType, value: value,
		body: good, bad: form(append(fields, file, "sound", "odd", "x")...), broken: strings.TrimSuffix(good, "b--\r\n"),
	}
}

// uploadRoutes returns all routes that receive a recording.
func uploadRoutes() map[string]uploadRoute {
	const chat = `{"messages":[{"role":"user","content":[` +
		`{"type":"input_audio","input_audio":{"data":"c2VudA=="}},{"type":"text","text":"What?"}]}]`
	asked := &tasks.Answer{Text: "A bell.", FinishReason: tasks.FinishStop}
	bell := &tasks.Pattern{
		ID: "pat_x", Object: "pattern", Metadata: map[string]string{}, Examples: []tasks.PatternExample{}, Head: tasks.HeadPrototype,
		CounterExamples: []tasks.PatternExample{}, Threshold: tasks.PatternThreshold{Method: "examples"}, Advice: []string{},
	}
	return map[string]uploadRoute{
		"transcription":          formRoute("/v1/audio/transcriptions", "file", &tasks.Transcription{Text: "HELLO"}),
		"streamed transcription": formRoute("/v1/audio/transcriptions", "file", &tasks.Transcription{Text: "HELLO"}, "stream", "true"),
		"translation":            formRoute("/v1/audio/translations", "file", &tasks.Transcription{Text: "HELLO"}),
		"streamed translation":   formRoute("/v1/audio/translations", "file", &tasks.Transcription{Text: "HELLO"}, "stream", "true"),
		"embedding":              formRoute("/v1/audio/embeddings", "file", &tasks.Embedding{Dimensions: 1, Vector: []float32{1}}),
		"classification":         formRoute("/v1/audio/classifications", "file", &tasks.Classification{}),
		"conversion":             formRoute("/v1/audio/conversions", "file", madeSound{}),
		"analysis":               formRoute("/v1/audio/analyses", "file", &tasks.Analysis{}),
		"edit":                   formRoute("/v1/audio/edits", "file", madeSound{}, "operations", `[{"op":"reverse"}]`),
		"picture":                formRoute("/v1/audio/pictures", "file", &tasks.Picture{}),
		"peaks":                  formRoute("/v1/audio/peaks", "file", &tasks.Peaks{Bits: 8}),
		"detection":              formRoute("/v1/patterns/detect", "file", &tasks.Detections{}),
		"import":                 formRoute("/v1/patterns/import", "file", &tasks.Imported{}),
		"pattern":                formRoute("/v1/patterns", "examples", bell, "name", "bell"),
		"caption":                formRoute("/v1/audio/captions", "file", asked),
		"context":                formRoute("/v1/contexts", "file", nil),
		"recording":              formRoute("/v1/audio", "file", nil),
		"job":                    formRoute("/v1/jobs", "audio", nil, "request", `{"service":"wav2vec2"}`),
		"run":                    formRoute("/v1/pipelines/one/runs", "audio", nil, "request", `{"input":{}}`),
		"batch":                  formRoute("/v1/batches", "audio", nil, "request", `{"task":"transcribe"}`),
		"chat": {
			path: "/v1/chat/completions", kind: jsonType, value: asked,
			body: chat + "}", bad: chat + `,"stream_options":{}}`, broken: strings.Replace(chat, "==", "*", 1) + "}",
		},
		"streamed chat": {
			path: "/v1/chat/completions", kind: jsonType, value: asked, body: chat + `,"stream":true}`,
			bad: strings.Replace(chat, "What?", " ", 1) + `,"stream":true}`, broken: strings.Replace(chat, "==", "", 1) + `,"stream":true}`,
		},
		"recording alone": {path: "/v1/audio", kind: "audio/wav", body: "sound", bad: "", broken: ""},
		"job as JSON": {
			path: "/v1/jobs", kind: jsonType, body: `{"service":"wav2vec2","audio":{"data":"c291bmQ="}}`,
			bad:    `{"service":"wav2vec2","audio":{"data":"c291bmQ="},"audio_id":"` + hash + `"}`,
			broken: `{"service":"wav2vec2","audio":{"data":"c291bmQ"}}`,
		},
	}
}

// madeSound is replaced by a generated sound.
type madeSound struct{}

// uploadCase is a request body and the work done for it. ok reports whether the request
// succeeds.
type uploadCase struct {
	body func(uploadRoute) string
	work func(ctx context.Context, value any) (any, error)
	ok   bool
}

func uploadCases() map[string]uploadCase {
	good := func(r uploadRoute) string { return r.body }
	return map[string]uploadCase{
		"goes well":               {good, func(_ context.Context, value any) (any, error) { return value, nil }, true},
		"is refused":              {good, func(context.Context, any) (any, error) { return nil, services.Invalidf("file", "is odd") }, false},
		"fails":                   {good, func(context.Context, any) (any, error) { return nil, errors.New("broken") }, false},
		"panics":                  {good, func(context.Context, any) (any, error) { panic("broken") }, false},
		"has a bad field":         {func(r uploadRoute) string { return r.bad }, nil, false},
		"breaks off":              {func(r uploadRoute) string { return r.broken }, nil, false},
		"has a recording too big": {func(r uploadRoute) string { return grown(r.body) }, nil, false},
	}
}

// grown enlarges the recording of a request beyond the limit.
func grown(body string) string {
	for _, sound := range []string{"sound", "c291bmQ=", "c2VudA=="} {
		if strings.Contains(body, sound) {
			return strings.Replace(body, sound, strings.Repeat("c291", 20_000), 1)
		}
	}
	return body
}

func TestNoUploadIsLeft(t *testing.T) {
	t.Parallel()
	for what, c := range uploadCases() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			u := setupUploads(t, c.work)
			for name, route := range uploadRoutes() {
				u.value = route.value
				answer, body := u.call(t, http.MethodPost, route.path, c.body(route), "Content-Type", route.kind)
				if c.ok {
					require.Less(t, answer.StatusCode, 300, "%s: %s", name, body)
				} else {
					require.GreaterOrEqual(t, answer.StatusCode, 400, "%s: %s", name, body)
				}
				u.requireNoneLeft(t, name)
			}
		})
	}
}

// TestNoUploadOfAClientThatLeftIsLeft has clients that disconnect while their request is
// processed.
func TestNoUploadOfAClientThatLeftIsLeft(t *testing.T) {
	t.Parallel()
	left := make(chan func(), 1)
	u := setupUploads(t, func(context.Context, any) (any, error) {
		leave := <-left
		leave()
		return nil, context.Canceled
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for name, route := range uploadRoutes() {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		left <- leave
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url+route.path, strings.NewReader(route.body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", route.kind)
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		require.Error(t, ctx.Err(), "%s was worked on", name)
		u.requireNoneLeft(t, name)
	}
}

// uploads is a bundle in which one function does the work of every route.
type uploads struct {
	*bundle
	store *countedStore
	// value is the result of a successful task.
	value any
}

// requireNoneLeft waits until no upload is left of the requests so far.
func (u *uploads) requireNoneLeft(t *testing.T, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(u.spool)
		return err == nil && len(left) == 0 && u.store.open.Load() == 0
	}, 10*time.Second, time.Millisecond, "an upload is left: %s", name)
}

// setupUploads is setup with one function that does the work of every route; it receives
// the value to return.
func setupUploads(t *testing.T, work func(ctx context.Context, value any) (any, error)) *uploads {
	t.Helper()
	u := &uploads{store: &countedStore{Store: recordstest.NewMemory()}}
	many, recordings := batchesOver(t, u.store, func(ctx context.Context) error {
		_, err := work(ctx, nil)
		return err
	})
	script := &scriptedJobs{recordings: recordings}
	script.store = func(in *library.Incoming) (library.Recording, bool, error) {
		_, err := work(t.Context(), nil)
		return library.Recording{ID: hash, Bytes: in.Size()}, true, err
	}
	script.submit = func(jobs.Submission) (jobs.Job, bool, error) {
		_, err := work(t.Context(), nil)
		return queued("job-1"), false, err
	}
	execute := func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
		done, err := work(ctx, u.value)
		result := services.TaskResult{Model: "m", Value: done}
		if done == (madeSound{}) && err == nil {
			path := filepath.Join(t.TempDir(), "made")
			result.Audio = &services.Artifact{Path: path, ContentType: "audio/wav", Bytes: 4}
			err = os.WriteFile(path, []byte("made"), 0o600)
		}
		return result, err
	}
	contexts := briefContexts{create: func() (services.ContextInfo, error) {
		_, err := work(t.Context(), nil)
		return services.ContextInfo{ID: "ctx_1"}, err
	}}
	u.bundle = setup(t, executorFunc(execute), func(c *Config, d *Dependencies) {
		c.MaxUpload = 32 * services.KiB
		d.Models, d.Jobs, d.Batches, d.Recordings, d.Contexts = anyModels{}, script, many, scriptedRecordings{script}, contexts
		d.Pipelines = anyPipelines{}
	})
	return u
}

// TestEveryRouteThatTakesARecordingIsTested compares uploadRoutes with the contract.
func TestEveryRouteThatTakesARecordingIsTested(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	tested := make(map[string]bool)
	for _, route := range uploadRoutes() {
		tested[route.path] = true
	}
	for path, item := range checked.spec.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil {
				continue
			}
			for _, kind := range slices.Collect(maps.Keys(operation.RequestBody.Value.Content)) {
				if kind == "multipart/form-data" || strings.HasPrefix(kind, "audio/") {
					named := strings.Replace(path, "{pipeline}", "one", 1)
					require.True(t, tested[named], "%s %s takes %s", method, path, kind)
				}
			}
		}
	}
}
