package api

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// analysis sends a form with a file to one of the routes.
func analysis(t *testing.T, b *bundle, path string, fields ...string) (*answer, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	part, err := w.CreateFormFile("file", "x")
	require.NoError(t, err)
	_, err = part.Write([]byte("sound"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, &body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", w.FormDataContentType())
	request.Header.Set("Grym-Priority", "low")
	return b.do(t, request)
}

func TestAnalysesCarryTheirFields(t *testing.T) {
	t.Parallel()
	var got services.Task
	var value any
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		got = task
		return services.TaskResult{Model: "m", Value: value}, nil
	}))
	value = &tasks.Embedding{Dimensions: 2, DurationSeconds: 1.5, Vector: []float32{0.5, -1}, FrameSeconds: 0.02}
	response, body := analysis(t, b, "/v1/audio/embeddings", "model", "m", "pooling", "mean", "window_seconds", "20")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.JSONEq(t, `{"model":"m","dimensions":2,"duration":1.5,"embedding":[0.5,-1],"frame_seconds":0.02}`, body)
	require.Equal(t, tasks.Embed, got.Name)
	require.Equal(t, services.PriorityLow, got.Priority)
	require.JSONEq(t, `{"pooling":"mean","window_seconds":20}`, string(got.Params))

	windows := []tasks.FrameEmbeddings{{Hop: 0.5, Window: 1, Embeddings: [][]float32{{3}}}}
	value = &tasks.Embedding{Space: tasks.SpaceSound, FrameEmbeddings: windows}
	_, body = analysis(t, b, "/v1/audio/embeddings", "frames", "true", "frame_windows[]", "1, 0.5",
		"frame_windows[]", "[2]", "space", "sound")
	require.JSONEq(t, `{"model":"m","dimensions":0,"duration":0,"frame_seconds":0,"space":"sound","frame_embeddings":[{"hop":0.5,"window":1,`+
		`"embeddings":[[3]]}]}`, body)
	require.JSONEq(t, `{"frames":true,"frame_windows":[1,0.5,2],"space":"sound"}`, string(got.Params))
	_, body = analysis(t, b, "/v1/audio/embeddings", "frame_windows", "1,wide")
	require.Contains(t, body, `frame_windows must be a list of numbers, got \"wide\"`)

	value = &tasks.Embedding{Dimensions: 1, Frames: [][]float32{{1}, {2}}}
	_, body = analysis(t, b, "/v1/audio/embeddings", "pooling", "none")
	require.JSONEq(t, `{"model":"m","dimensions":1,"duration":0,"frames":[[1],[2]],"frame_seconds":0}`, body)

	value = &tasks.Classification{DurationSeconds: 2, Labels: []tasks.LabelScore{{Label: "dog", Score: 0.9}},
		Segments: []tasks.LabelSegment{{Label: "dog", Start: 1, End: 2, Score: 0.8}}}
	response, body = analysis(t, b, "/v1/audio/classifications", "top_k", "1", "threshold", "0.25")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.JSONEq(t, `{"model":"m","duration":2,"labels":[{"label":"dog","score":0.9}],"segments":[{"label":"dog","start":1,"end":2,`+
		`"score":0.8}]}`, body)
	require.JSONEq(t, `{"top_k":1,"threshold":0.25}`, string(got.Params))

	for path, says := range map[string][]string{
		"/v1/audio/embeddings": {"top_k is not a field of this form; the fields are file, end, frame_hop, frame_windows, frames, " +
			"model, pooling, space, start, strict, text, window_seconds",
			"window_seconds must be a number"},
		"/v1/audio/classifications": {"top_k must be a whole number", "window_seconds must be a number"},
	} {
		response, body = analysis(t, b, path, "top_k", "many", "window_seconds", "NaN")
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		for _, text := range says {
			require.Contains(t, body, text)
		}
	}
}
