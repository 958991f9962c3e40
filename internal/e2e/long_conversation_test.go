package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chatWarned is chat with the warnings of the answer.
func (s *server) chatWarned(t *testing.T, body string) (status int, warnings, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header.Get("Grym-Warning"), string(text)
}

// TestLongConversationsGoOn asks more than the prompt and the limit of turns have room for:
// in one request, and in a stored conversation. The oldest turns are dropped, with a
// warning; a request that wants none dropped is refused.
func TestLongConversationsGoOn(t *testing.T) {
	t.Parallel()
	s := startWith(t, options{})
	sound := soundClip(t, "clip00.wav")
	var request map[string]any
	require.NoError(t, json.Unmarshal([]byte(question(t, "What do you hear first?", sound, `,"max_tokens":2`)), &request))
	messages := request["messages"].([]any) //nolint:forcetypeassert // as question makes it
	for range 400 {
		messages = append(messages, map[string]any{"role": "assistant", "content": "Rain, and a bell behind it."},
			map[string]any{"role": "user", "content": "And what do you hear then, after the bell?"})
	}
	request["messages"] = messages
	send := func(want int) string {
		t.Helper()
		body, err := json.Marshal(request)
		require.NoError(t, err)
		status, warnings, answer := s.chatWarned(t, string(body))
		require.Equal(t, want, status, answer)
		return warnings + answer
	}
	require.Contains(t, send(http.StatusOK), "turns_dropped")
	request["stream"] = true
	require.Contains(t, send(http.StatusOK), `"code":"turns_dropped"`)
	delete(request, "stream")
	request["truncation"] = "disabled"
	require.Contains(t, send(http.StatusBadRequest), "256 exchanges")
	request["messages"] = messages[:401]
	require.Contains(t, send(http.StatusBadRequest), "leave truncation out")

	status, body := s.chat(t, question(t, "What do you hear first?", sound, `,"max_tokens":2,"context_id":"new"`))
	require.Equal(t, http.StatusOK, status, body)
	id := readCompletion(t, body).ContextID
	dropped := false
	for range 60 {
		status, warnings, body := s.chatWarned(t, question(t, strings.Repeat("And what do you hear then? ", 8), nil,
			`,"max_tokens":2,"context_id":"`+id+`"`))
		require.Equal(t, http.StatusOK, status, body)
		if dropped = warnings == "turns_dropped"; dropped {
			break
		}
	}
	require.True(t, dropped, body)
	status, body = s.chat(t, question(t, "And then?", nil, `,"max_tokens":2,"truncation":"disabled","context_id":"`+id+`"`))
	require.Equal(t, http.StatusBadRequest, status, body)
}
