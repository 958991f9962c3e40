package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDoubtIsShown has speech that the embedded model does not know, a prompt that names
// nothing it learnt, and the sentences about what the models know.
func TestDoubtIsShown(t *testing.T) {
	t.Parallel()
	s := start(t)
	unlisted, err := os.ReadFile("services/wav2vec2/testdata/unlisted.wav")
	require.NoError(t, err)
	status, header, body := s.heads(t, unlisted, "response_format", "verbose_json")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "low_confidence", header.Get("Grym-Warning"))
	type judged struct{ Confidence float64 }
	var answer struct{ Words, Segments []judged }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.NotEmpty(t, answer.Words)
	for _, one := range append(answer.Words, answer.Segments...) {
		require.Less(t, one.Confidence, 0.5)
	}
	status, header, body = s.heads(t, clip(t, "clip09.wav"), "response_format", "verbose_json")
	require.Equal(t, http.StatusOK, status, body)
	require.Empty(t, header.Get("Grym-Warning"))
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	for _, one := range append(answer.Words, answer.Segments...) {
		require.Greater(t, one.Confidence, 0.5)
	}
	status, _, body = s.heads(t, unlisted, "stream", "true")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"code":"low_confidence"`, "in the last event")

	for prompt, want := range map[string]string{"a dog barking": "unknown_prompt", "rain on a roof": ""} {
		response, _ := s.generate(t, `{"prompt":"`+prompt+`","audio_length_in_s":0.1,"num_inference_steps":1}`)
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, want, response.Header.Get("Grym-Warning"), prompt)
	}
	for name, summary := range map[string]string{
		"wav2vec2-tiny": "The 98 English words of words.txt,", "whisper-1": "The 98 English words of words.txt,",
		"audioldm-tiny": "Twenty families of sound:", "gama-tiny": "Twenty families of sound ",
	} {
		status, body := s.get(t, "/v1/models/"+name)
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, `"summary":"`+summary)
	}
}
