package api

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestEveryTaskIsOnBehalfOfItsCaller has each route that runs a task hand on whose it is, by
// which run slots are shared.
func TestEveryTaskIsOnBehalfOfItsCaller(t *testing.T) {
	t.Parallel()
	callers := make(chan services.Caller, 1)
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		callers <- task.Caller
		return services.TaskResult{}, services.Faultf(services.KindBusy, "not now")
	}), func(_ *Config, d *Dependencies) { d.Keys = everyKey{} })
	sound := form("file", "x")
	for path, body := range map[string]string{
		"/v1/audio/transcriptions":  sound,
		"/v1/audio/embeddings":      sound,
		"/v1/audio/classifications": sound,
		"/v1/audio/conversions":     sound,
		"/v1/audio/captions":        sound,
		"/v1/audio/generations":     `{"prompt":"a tone"}`,
		"/v1/chat/completions":      `{"messages":[{"role":"user","content":"What?"}]}`,
	} {
		contentType := formType
		if body != sound {
			contentType = jsonType
		}
		_, answer := b.call(t, "POST", path, body, "Content-Type", contentType, "Authorization", "Bearer alice")
		select {
		case caller := <-callers:
			require.Equal(t, services.Caller{Key: "alice"}, caller, path)
		default:
			require.Fail(t, "no task was run", "%s: %s", path, answer)
		}
	}
}
