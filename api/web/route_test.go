package web

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// described reads an operation of a contract.
func described(t *testing.T, text string) *openapi3.Operation {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData([]byte("openapi: 3.0.3\npaths:\n  /x:\n    post:\n" + text))
	require.NoError(t, err)
	return spec.Paths.Find("/x").Post
}

const (
	takesForm = `      requestBody:
        content:
          multipart/form-data:
            schema: {type: object, properties: {file: {type: string, format: binary}, a: %s}}
`
	answersJSON = `      responses:
        '200': {description: x, content: {application/json: {schema: {type: object}}}}
`
)

func TestARouteNeedsWhatTheContractMustSay(t *testing.T) {
	t.Parallel()
	form := func(kind string) string { return fmt.Sprintf(takesForm, kind) }
	for wrong, text := range map[string]string{
		"a task requires a request body":              answersJSON,
		"a task requires a response with status 200":  form("{type: string}") + "      responses: {'202': {description: x}}\n",
		"form field a must be a string, number, bool": form("{type: array, items: {type: integer}}") + answersJSON,
	} {
		_, err := NewRoute("s", "t", RouteOptions{}, described(t, text))
		require.ErrorContains(t, err, wrong)
	}
	route, err := NewRoute("s", "t", RouteOptions{}, described(t, form("{type: integer, minimum: 3}")+answersJSON))
	require.NoError(t, err)
	require.Equal(t, map[string]field{"a": {kind: openapi3.TypeInteger, least: 3}}, route.form)
	for _, kind := range []string{"string", "object"} {
		_, err = NewRoute("s", "t", RouteOptions{}, described(t, form("{type: array, items: {type: "+kind+"}}")+answersJSON))
		require.NoError(t, err)
	}
}

// TestResultsThatCannotBeAnsweredLeaveNoFiles has results that do not fit their route.
func TestResultsThatCannotBeAnsweredLeaveNoFiles(t *testing.T) {
	t.Parallel()
	sound := func() *services.Artifact {
		path := filepath.Join(t.TempDir(), "x")
		require.NoError(t, os.WriteFile(path, []byte("sound"), 0o600))
		return &services.Artifact{Path: path, ContentType: "audio/wav", Bytes: 5}
	}
	file := &SoundRoute{File: "made"}
	for name, c := range map[string]struct {
		route  Route
		accept []string
		value  any
	}{
		"a header of no object": {Route{RouteOptions: RouteOptions{Sound: file}, headers: map[string]string{"Grym-Seed": "seed"}}, nil, 7},
		"json of no object":     {Route{RouteOptions: RouteOptions{Sound: file}, offers: []string{typeJSON}}, []string{typeJSON}, "text"},
		"json of a channel":     {Route{RouteOptions: RouteOptions{Sound: file}, offers: []string{typeJSON}}, []string{typeJSON}, make(chan int)},
	} {
		artifact := sound()
		err := c.route.answer(httptest.NewRecorder(), c.accept, nil, services.TaskResult{Value: c.value, Audio: artifact})
		require.Equal(t, services.KindInternal, services.KindOf(err), name)
		require.NoFileExists(t, artifact.Path, name)
	}
	artifact, w := sound(), httptest.NewRecorder()
	route := Route{RouteOptions: RouteOptions{Sound: file}, offers: []string{typeJSON}}
	require.NoError(t, route.answer(w, []string{typeJSON}, nil, services.TaskResult{Model: "m", Value: struct{}{}, Audio: artifact}))
	require.JSONEq(t, `{"model":"m","sounds":[{"content_type":"audio/wav","bytes":5,"audio":"c291bmQ="}]}`, w.Body.String())
	require.NoFileExists(t, artifact.Path)
}

// TestTasksCarryTheirCaller makes a task of a request.
func TestTasksCarryTheirCaller(t *testing.T) {
	t.Parallel()
	high := "high"
	ctx := WithCaller(t.Context(), services.Caller{Key: "k"})
	task, err := NewTask(ctx, Work{Service: "s", Task: "t", Model: "m", Params: map[string]any{"a": 1}}, &high)
	require.NoError(t, err)
	require.Equal(t, services.Task{
		Service: "s", Name: "t", Model: "m", Params: json.RawMessage(`{"a":1}`), Caller: services.Caller{Key: "k"},
		Priority: services.PriorityHigh,
	}, task)
	urgent := "urgent"
	_, err = NewTask(ctx, Work{}, &urgent)
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	_, err = NewTask[string](ctx, Work{Params: make(chan int)}, nil)
	require.Equal(t, services.KindInternal, services.KindOf(err))
	require.Empty(t, ViewerOf(WithCaller(ctx, services.Caller{Key: "k", All: true})))
	require.Equal(t, "k", ViewerOf(ctx))
}

// TestAMovedUploadIsRemovedOnce hands an upload on.
func TestAMovedUploadIsRemovedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	upload := &Upload{file: &spooledFile{path: path}}
	moved := upload.Move()
	require.NoError(t, upload.Close())
	require.FileExists(t, path)
	require.NoError(t, moved.Close())
	require.NoFileExists(t, path)
}
