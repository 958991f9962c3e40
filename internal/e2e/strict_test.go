package e2e

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStrictRefusesWhatIsCutShort sends a recording that is cut short to every route that
// takes one, with the field strict and without it.
func TestStrictRefusesWhatIsCutShort(t *testing.T) {
	t.Parallel()
	dataDir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dataDir, "models"), os.DirFS("services/wav2vec2/testdata/heads")))
	s := startWith(t, options{dataDir: dataDir})
	cut := recording(t, "cut")
	inline := base64.StdEncoding.EncodeToString(cut)
	chat := func(strict string) string {
		return `{"strict":` + strict + `,"messages":[{"role":"user","content":[{"type":"text","text":"What do you hear first?"},` +
			`{"type":"input_audio","input_audio":{"data":"` + inline + `","format":"wav"}}]}]}`
	}
	job := func(task string) func(strict string) string {
		return func(strict string) string {
			return `{"task":"` + task + `","params":{"strict":` + strict + `},"audio":{"data":"` + inline + `"}}`
		}
	}
	for name, c := range map[string]struct {
		route string
		json  func(strict string) string
	}{
		"transcription":        {"/v1/audio/transcriptions", nil},
		"vector":               {"/v1/audio/embeddings", nil},
		"labels":               {"/v1/audio/classifications", nil},
		"conversion":           {"/v1/audio/conversions", nil},
		"description":          {"/v1/audio/captions", nil},
		"conversation":         {"/v1/contexts", nil},
		"question":             {"/v1/chat/completions", chat},
		"job of speech":        {"/v1/jobs", job("transcribe")},
		"job of a vector":      {"/v1/jobs", job("embed")},
		"job of labels":        {"/v1/jobs", job("classify")},
		"job of a conversion":  {"/v1/jobs", job("convert")},
		"job of a description": {"/v1/jobs", job("caption")},
	} {
		for strict, refused := range map[string]bool{"true": true, "false": false} {
			body, contentType := form(t, cut, "strict", strict)
			if c.json != nil {
				body, contentType = strings.NewReader(c.json(strict)), "application/json"
			}
			status, answer := s.sendBody(t, c.route, contentType, body, "Prefer", "wait=60")
			switch {
			case refused && c.route == "/v1/jobs":
				require.True(t, status == http.StatusBadRequest || strings.Contains(answer, `"status":"failed"`), "%s: %d %s", name, status, answer)
			case refused:
				require.Equal(t, http.StatusBadRequest, status, "%s: %s", name, answer)
			default:
				require.Less(t, status, http.StatusBadRequest, "%s: %s", name, answer)
				require.NotContains(t, answer, `"status":"failed"`, name)
			}
			require.Equal(t, refused, bytes.Contains([]byte(answer), []byte("upload the whole file")), "%s: %s", name, answer)
		}
	}
}

// sendBody posts a body with further headers, given as names and values.
func (s *server) sendBody(t testing.TB, path, contentType string, body io.Reader, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return do(t, request)
}
