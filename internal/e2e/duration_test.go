package e2e

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// playLongRecordings sets audio.maxDuration alone, and sends a longer recording to
// every task. A key that it has replaced still loads, with a warning in the log.
func playLongRecordings(t *testing.T) {
	t.Helper()
	s := startWith(t, options{settings: "audio: {maxDuration: 2s}\nservices: {gama: {maxSeconds: 1}}\n"})
	s.logged(t, "services.gama.maxSeconds is replaced by audio.maxDuration")
	long := wav(16000, 1, 3*16000)
	for _, path := range []string{"transcriptions", "conversions", "captions"} {
		status, body := s.sendForm(t, "/v1/audio/"+path, long)
		require.Equal(t, http.StatusRequestEntityTooLarge, status, "%s: %s", path, body)
	}
	status, body := s.sendForm(t, "/v1/contexts", long)
	require.Equal(t, http.StatusRequestEntityTooLarge, status, body)
	status, body = s.chat(t, question(t, "What?", long, ""))
	require.Equal(t, http.StatusRequestEntityTooLarge, status, body)
	encoded := base64.StdEncoding.EncodeToString(long)
	for _, task := range []string{"transcribe", "convert", "caption"} {
		status, body = s.sendJSON(t, http.MethodPost, "/v1/jobs", `{"task":"`+task+`","audio":{"data":"`+encoded+`"}}`)
		require.Equal(t, http.StatusRequestEntityTooLarge, status, "%s: %s", task, body)
	}
	short := wav(16000, 1, 16000+8000)
	status, body = s.sendForm(t, "/v1/audio/transcriptions", short)
	require.Equal(t, http.StatusOK, status, body)
	status, body = s.sendForm(t, "/v1/audio/captions", short)
	require.Equal(t, http.StatusRequestEntityTooLarge, status, "the replaced key still lowers it: %s", body)
}
