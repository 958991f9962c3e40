package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// TestModelsAreLoadedAtTheStart has several models of a service loaded before the server is
// ready.
func TestModelsAreLoadedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	modeltest.CopySpeech(t, dir, "other", func(data []byte) []byte { return data })
	settings := "services: {wav2vec2: {preload: [other, wav2vec2-tiny]}, clap: {preload: [clap-tiny]}}\n"
	s := startWith(t, options{dataDir: dir, settings: settings})
	_, body := s.get(t, "/v1/resources")
	for _, id := range []string{"wav2vec2/other", "wav2vec2/wav2vec2-tiny", "clap/clap-tiny"} {
		require.Contains(t, body, `"id":"`+id+`"`)
	}
}

// TestAModelThatIsNotLoadedAtTheStartIsAReason asks for a model that does not exist, and for
// four that do not fit into the memory together.
func TestAModelThatIsNotLoadedAtTheStartIsAReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"other", "second", "third"} {
		modeltest.CopySpeech(t, dir, name, func(data []byte) []byte { return data })
	}
	s, listening := launch(t, "--data-dir", dir, "--config", writeSettings(t, `
services: {wav2vec2: {maxMemory: 16MiB, preload: [other, second, third, absent, wav2vec2-tiny]}}
`))
	s.await(t, listening)
	var body string
	require.Eventually(t, func() bool {
		_, body = s.get(t, "/readyz")
		return !strings.Contains(body, "the server is starting")
	}, startTimeout, 5*time.Millisecond)
	status, body := s.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.Contains(t, body, `model absent of service wav2vec2 was not loaded at the start: model \"absent\" does not exist`)
	require.Contains(t, body, "was not loaded at the start: it was unloaded again to make room")
	status, _ = s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, "the others serve")
}
