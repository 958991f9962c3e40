package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// deltaExecutor streams an answer.
type deltaExecutor []tasks.AnswerDelta

func (d deltaExecutor) Execute(_ context.Context, _ services.Task, sink services.Sink) (services.TaskResult, error) {
	answer := &tasks.Answer{FinishReason: tasks.FinishStop}
	for _, delta := range d {
		sink.Partial(delta)
		answer.Text, answer.ContextID = answer.Text+delta.Text, delta.ContextID
	}
	return services.TaskResult{Value: answer}, nil
}

// chunksOf returns the data of a stream's events.
func chunksOf(t *testing.T, executor deltaExecutor) []string {
	t.Helper()
	b := setup(t, executor)
	request := b.request(t, http.MethodPost, "/v1/chat/completions",
		strings.NewReader(`{"stream":true,"context_id":"ctx_1","messages":[{"role":"user","content":"what?"}]}`))
	request.Header.Set("Content-Type", "application/json")
	response, body := b.do(t, request)
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(body, "data: ", "")), "\n\n")
}

func TestTheFirstChunkHasTheConversation(t *testing.T) {
	t.Parallel()
	chunks := chunksOf(t, deltaExecutor{{Text: "a ", ContextID: "ctx_1"}, {Text: "bell", ContextID: "ctx_1"}})
	require.Len(t, chunks, 5)
	require.Contains(t, chunks[0], `"context_id":"ctx_1"`)
	require.NotContains(t, chunks[1], "context_id")
	require.Contains(t, chunks[3], `"context_id":"ctx_1"`)
	require.NotContains(t, strings.Join(chunks, ""), "piece")
}

func TestChunksHaveTheTimesOfTheirPiece(t *testing.T) {
	t.Parallel()
	chunks := chunksOf(t, deltaExecutor{
		{Text: "0.0-8.9 s: ", Piece: &tasks.AnswerSpan{End: 8.9}}, {Text: "a bell", Piece: &tasks.AnswerSpan{End: 8.9}},
		{Text: "\n8.9-17.8 s: a siren", Piece: &tasks.AnswerSpan{Start: 8.9, End: 17.8}},
	})
	require.NotContains(t, chunks[0], "context_id")
	require.Contains(t, chunks[1], `"piece":{"start":0,"end":8.9}`)
	require.Contains(t, chunks[2], `"piece":{"start":0,"end":8.9}`)
	require.Contains(t, chunks[3], `"piece":{"start":8.9,"end":17.8}`)
}
