package api

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// keptSound is a store with one recording, which counts its releases.
type keptSound struct {
	file     services.AudioSource
	released *int
}

func (k keptSound) StoredAudio(_ context.Context, _ services.Caller, id string) (services.AudioSource, func(), error) {
	if id != "aud_1" {
		return nil, nil, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: "audio_id",
			Problem: "does not exist"}}}
	}
	return k.file, func() { *k.released++ }, nil
}

// chat posts messages whose one part beside the text is the sound.
func (b *bundle) chat(t *testing.T, sound string) (*answer, string) {
	t.Helper()
	body := `{"messages":[{"role":"user","content":[{"type":"text","text":"What?"},{"type":"input_audio","input_audio":` + sound + `}]}]}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/v1/chat/completions", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	return b.do(t, request)
}

func TestAQuestionNamesStoredSound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, []byte("kept"), 0o600))
	received := ""
	listens := executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		require.NotNil(t, task.Audio)
		file, err := task.Audio.Open()
		require.NoError(t, err)
		defer file.Close()
		data, err := io.ReadAll(file)
		received = string(data)
		return services.TaskResult{Model: "m", Value: &tasks.Answer{Text: "A bell.", FinishReason: tasks.FinishStop}}, err
	})
	released := 0
	keeps := func(_ *Config, d *Dependencies) {
		d.StoredAudio = keptSound{&services.Artifact{Path: path, Bytes: 4}, &released}
	}
	b := setup(t, listens, keeps)
	answer, body := b.chat(t, `{"audio_id":"aud_1"}`)
	require.Equal(t, http.StatusOK, answer.StatusCode, body)
	require.Equal(t, "kept", received)
	require.FileExists(t, path, "what is kept stays")
	require.Equal(t, 1, released)
	answer, body = b.chat(t, `{"data":"c2VudA==","format":"wav"}`)
	require.Equal(t, http.StatusOK, answer.StatusCode, body)
	require.Equal(t, "sent", received)

	for sound, want := range map[string]string{
		`{"audio_id":"aud_2"}`:                   "messages[0].content[1].input_audio.audio_id does not exist",
		`{"audio_id":"aud_1","data":"c2VudA=="}`: "must have exactly one of data and audio_id",
		`{}`:                                     "must have exactly one of data and audio_id",
	} {
		_, body := b.chat(t, sound)
		require.Contains(t, body, want)
	}
	_, body = setup(t, listens).chat(t, `{"audio_id":"aud_1"}`)
	require.Contains(t, body, "this server stores no audio")
}
