package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestATextNeedsNoFile sends forms of embeddings and classifications without a recording.
func TestATextNeedsNoFile(t *testing.T) {
	t.Parallel()
	var got services.Task
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		return services.TaskResult{Model: "m", Value: &tasks.Embedding{Dimensions: 1, Vector: []float32{1}, Space: tasks.SpaceCaption}}, nil
	}))
	response, body := b.call(t, "POST", "/v1/audio/embeddings", form("text", "a dog"), "Content-Type", formType)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.JSONEq(t, `{"model":"m","dimensions":1,"duration":0,"embedding":[1],"frame_seconds":0,"space":"caption"}`, body)
	require.JSONEq(t, `{"text":"a dog"}`, string(got.Params))
	require.Nil(t, got.Audio)
	response, body = b.call(t, "POST", "/v1/audio/classifications", form("labels", "a dog"), "Content-Type", formType)
	require.Equal(t, http.StatusBadRequest, response.StatusCode, body)
	require.Contains(t, body, "file is missing")
	parts := form("file", "x", "labels[]", "a dog", "labels[]", `["rain, far away"]`, "template", "{}")
	_, body = b.call(t, "POST", "/v1/audio/classifications", parts, "Content-Type", formType)
	require.JSONEq(t, `{"labels":["a dog","rain, far away"],"template":"{}"}`, string(got.Params), body)
}
