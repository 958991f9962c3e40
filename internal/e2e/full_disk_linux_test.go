package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// topUp writes until the disk is full.
func topUp(t *testing.T, dir string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, "more-ballast"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		defer file.Close()
	}
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}

// playFullDisk fills the disk of the whole data folder, and asks for
// everything that writes to it. Nothing else is said of the disk than that it is full, no
// service counts the failures, and the server is not ready until there is room.
func playFullDisk(t *testing.T) {
	t.Helper()
	dir := smallDisk(t, 64)
	s := startWith(t, options{dataDir: dir, settings: "jobs: {reserve: 0}\n"})
	short := clip(t, "clip09.wav")
	status, body := s.sendForm(t, "/v1/contexts", short)
	require.Equal(t, http.StatusCreated, status, body)
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &made), body)
	conversation := made.ID
	id := s.storeSound(t, short)
	// The models are loaded, so that only the disk is in the way.
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/audio/generations", `{"prompt":"rain"}`)
	ballast := fill(t, dir, 0)
	topUp(t, dir)
	require.Eventually(t, func() bool { return !s.ready(t) }, time.Minute, 5*time.Millisecond, "ready on a full disk")
	_, body = s.get(t, "/readyz")
	require.Contains(t, body, "is full")
	full := func(what string, status int, body string) {
		t.Helper()
		topUp(t, dir) // what was refused may have freed something
		require.Equal(t, http.StatusInsufficientStorage, status, "%s: %s", what, body)
	}
	large := longSpeech(t, 60)
	for _, path := range []string{"/v1/audio/transcriptions", "/v1/audio/embeddings", "/v1/audio/classifications", "/v1/audio/conversions",
		"/v1/audio/captions", "/v1/audio", "/v1/contexts"} {
		status, body := s.sendForm(t, path, large)
		full(path, status, body)
	}
	encoded := base64.StdEncoding.EncodeToString(large)
	for path, body := range map[string]string{
		"/v1/audio/generations": `{"prompt":"rain"}`,
		"/v1/chat/completions": `{"messages":[{"role":"user","content":[{"type":"text","text":"What?"},{"type":"input_audio","input_audio":` +
			`{"data":"` + encoded + `","format":"wav"}}]}]}`,
		"/v1/jobs": `{"service":"audioldm","params":{"prompt":"rain"}}`,
	} {
		status, answer := s.sendJSON(t, http.MethodPost, path, body)
		full(path, status, answer)
	}
	status, body = s.sendJSON(t, http.MethodPost, "/v1/services/audioldm/drain", `{"reason":"`+strings.Repeat("full ", 99)+`"}`)
	full("drain", status, body)
	status, body = s.postJob(t, `{"service":"wav2vec2"}`, large)
	full("/v1/jobs with a recording", status, body)
	status, body = s.sendOnly(t, "/v1/contexts", "audio_id", id)
	full("/v1/contexts of a stored recording", status, body)
	for range 100 { // what fits into the store's last page is stored
		status, body = s.chat(t, `{"context_id":"`+conversation+`","max_tokens":1,"messages":[{"role":"user","content":"`+
			strings.Repeat("What is this? ", 20)+`"}]}`)
		if status != http.StatusOK {
			break
		}
	}
	full("a question of a conversation", status, body)
	_, body = s.get(t, "/v1/services/audioldm")
	require.Contains(t, body, `"breaker":"closed"`)

	require.NoError(t, errors.Join(os.Remove(ballast), os.Remove(filepath.Join(dir, "more-ballast"))))
	s.checkRoomAgain(t, large)
}

// checkRoomAgain has the disk of the whole data folder free again.
func (s *server) checkRoomAgain(t *testing.T, large []byte) {
	t.Helper()
	require.Eventually(t, func() bool { return s.ready(t) }, time.Minute, 5*time.Millisecond, "not ready, and there is room")
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/services/audioldm/resume", "")
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/audio/generations", `{"prompt":"rain"}`)
	status, body := s.transcribe(t, large)
	require.Equal(t, http.StatusOK, status, body)
}
