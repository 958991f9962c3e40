package e2e

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// TestABodyThatIsMissingIsTheFaultOfTheClient sends no body, and bodies of other kinds, to
// every operation that takes one. None of them makes the server fail.
func TestABodyThatIsMissingIsTheFaultOfTheClient(t *testing.T) {
	t.Parallel()
	s := start(t)
	status, body := s.sendJSON(t, http.MethodPost, "/v1/pipelines",
		`{"name":"stored","steps":[{"id":"a","task":"generate","params":{"prompt":"rain"}}]}`)
	require.Equal(t, http.StatusCreated, status, body)
	text, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	spec, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	path := strings.NewReplacer("{pipeline}", "stored", "{service}", "wav2vec2", "{action}", "reset", "{pattern_id}", "none",
		"{batch_id}", "none", "{job_id}", "none", "{context_id}", "none", "{model}", "none")
	tried := 0
	for route, item := range spec.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil {
				continue
			}
			for _, kind := range []string{"", "application/json", "application/merge-patch+json", "application/x-ndjson", "multipart/form-data",
				"multipart/form-data; boundary=x", "text/plain"} {
				for _, sent := range []string{"", "null", "[]"} {
					request, err := http.NewRequestWithContext(t.Context(), method, s.url+path.Replace(route), strings.NewReader(sent))
					require.NoError(t, err)
					if kind != "" {
						request.Header.Set("Content-Type", kind)
					}
					response, err := http.DefaultClient.Do(request)
					require.NoError(t, err)
					answer, err := io.ReadAll(response.Body)
					require.NoError(t, err)
					require.NoError(t, response.Body.Close())
					require.Less(t, response.StatusCode, http.StatusInternalServerError, "%s %s with %q of type %q: %s",
						method, route, sent, kind, answer)
					tried++
				}
			}
		}
	}
	require.Greater(t, tried, 500)
}
