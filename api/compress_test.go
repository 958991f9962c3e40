package api

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// accepting sends a request with the given Accept-Encoding and does not decompress the
// response.
func accepting(t *testing.T, request *http.Request, coding string) *http.Response {
	t.Helper()
	request.Header.Set("Accept-Encoding", coding)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestTextIsCompressed(t *testing.T) {
	t.Parallel()
	b := setup(t, says("hello"))
	plain := accepting(t, b.request(t, http.MethodGet, "/openapi.json", nil), "identity")
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	require.Contains(t, plain.Header.Values("Vary"), "Accept-Encoding")
	want, err := io.ReadAll(plain.Body)
	require.NoError(t, err)

	zipped := accepting(t, b.request(t, http.MethodGet, "/openapi.json", nil), "br, gzip")
	require.Equal(t, "gzip", zipped.Header.Get("Content-Encoding"))
	packed, err := io.ReadAll(zipped.Body)
	require.NoError(t, err)
	require.Less(t, len(packed), len(want)/3)
	unzipped, err := gzip.NewReader(strings.NewReader(string(packed)))
	require.NoError(t, err)
	got, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))

	small := accepting(t, b.request(t, http.MethodGet, "/nothing", nil), "gzip")
	require.Equal(t, http.StatusNotFound, small.StatusCode)
	require.Empty(t, small.Header.Get("Content-Encoding"), "a short text is not worth it")
}

// streaming sends one piece of an answer and waits.
type streaming struct{ sent, finish chan struct{} }

func (s streaming) Execute(ctx context.Context, _ services.Task, sink services.Sink) (services.TaskResult, error) {
	sink.Partial(tasks.AnswerDelta{Text: "a bell"})
	close(s.sent)
	select {
	case <-s.finish:
	case <-ctx.Done():
	}
	return services.TaskResult{Value: &tasks.Answer{Text: "a bell", FinishReason: tasks.FinishStop}}, nil
}

// TestEventsAreNotHeldBack reads the first event of a stream before its task ends.
func TestEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	executor := streaming{make(chan struct{}), make(chan struct{})}
	b := setup(t, executor)
	body := `{"stream":true,"context_id":"ctx_1","messages":[{"role":"user","content":"what?"}]}`
	request := b.request(t, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	response := accepting(t, request, "gzip")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	require.Empty(t, response.Header.Get("Content-Encoding"))
	lines := bufio.NewScanner(response.Body)
	for !strings.Contains(lines.Text(), "a bell") {
		require.True(t, lines.Scan())
	}
	close(executor.finish)
	for lines.Scan() {
	}
	require.NoError(t, lines.Err())
}
