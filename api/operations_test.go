package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/api/problem"
	"github.com/grym-synth/grym-synth/internal/access"
)

// scopedKeys has one key for each scope, named like the scope.
type scopedKeys struct{}

// Check implements Keys.
func (scopedKeys) Check(text string) (access.Key, error) {
	return access.Key{ID: text, Scopes: []access.Scope{access.Scope(text)}}, nil
}

// letIn has the accepted keys of the operations that not every user may call.
var letIn = map[string]string{
	"getLiveness": "none use read admin", "getReadiness": "none use read admin", "getServiceReadiness": "none use read admin",
	"getHealth": "read admin", "getMetrics": "read admin",
	"listSchemas": "use read admin", "listSettings": "admin", "followSystem": "admin",
	"getVersion": "use read admin", "getOpenAPI": "use read admin", "listModels": "use read admin", "getModel": "use read admin",
	"listActions": "admin", "listKeys": "admin", "createKey": "admin", "revokeKey": "admin", "listCatalogue": "use read admin",
	"createModel": "admin", "deleteModel": "admin",
	"listServices": "admin", "getService": "admin", "changeService": "admin", "changeBreaker": "admin", "getResources": "admin",
	"drainService": "admin", "resumeService": "admin", "getAnalytics": "admin",
	"getSystem": "admin", "getPerformance": "admin", "getForecast": "admin", "getConfig": "admin", "changeConfig": "admin",
	"getLogLevel": "admin", "setLogLevel": "admin", "getStore": "admin", "acknowledgeLosses": "admin",
}

// TestEveryOperationLetsInItsScopes sends every operation a request without a key
// and with a key of each scope.
func TestEveryOperationLetsInItsScopes(t *testing.T) {
	t.Parallel()
	checked, err := contract()
	require.NoError(t, err)
	table, err := newOperations(checked.spec)
	require.NoError(t, err)
	h := &handlers{cfg: DefaultConfig(), operations: table, Dependencies: Dependencies{Keys: scopedKeys{}, Failures: access.NewFailures(0)}}
	variables := regexp.MustCompile(`\{[a-z_]+\}`)
	for path, item := range checked.spec.Paths.Map() {
		for method, described := range item.Operations() {
			allowed, special := letIn[described.OperationID]
			if !special {
				allowed = "use admin"
			}
			for _, key := range []string{"none", "use", "read", "admin"} {
				target := variables.ReplaceAllString(strings.Replace(path, "{audio_id}", hash, 1), "x")
				request := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+target, nil)
				want := http.StatusForbidden
				if key == "none" {
					want = http.StatusUnauthorized
				} else {
					request.Header.Set("Authorization", "Bearer "+key)
				}
				_, err := h.identify(request)
				if strings.Contains(" "+allowed+" ", " "+key+" ") {
					require.NoError(t, err, "%s %s with the key %s", method, path, key)
					continue
				}
				require.Equal(t, want, statusOf(t, err), "%s %s with the key %s", method, path, key)
			}
		}
	}
}

// TestOperationsMustDescribeThemselves reads contracts whose extension is missing or
// invalid.
func TestOperationsMustDescribeThemselves(t *testing.T) {
	t.Parallel()
	for said, wrong := range map[string]string{
		`x-else: {}`:                            "is missing",
		`x-grym: {errors: openai, owner: none}`: "scope is missing",
		`x-grym: {scope: everybody, errors: openai, owner: none}`:                     `scope must be one of`,
		`x-grym: {scope: [none, use], errors: openai, owner: none}`:                   "scope none excludes all others",
		`x-grym: {scope: use, errors: soap, owner: none}`:                             `errors must be one of`,
		`x-grym: {scope: use, errors: problem}`:                                       `owner must be one of`,
		`x-grym: {scope: use, errors: problem, owner: none, task: ask}`:               "task and service must be set together",
		`x-grym: {scope: use, errors: problem, owner: none, sound: {file: x}}`:        "sound, image, params, location and recordings require",
		`x-grym: {scope: use, errors: problem, owner: none, task: embed, service: x}`: "a task requires a request body, or a recording",
		`x-grym: {scope: use, errors: problem, owner: none, body: huge}`:              `body must be one of`,
		`x-grym: {scope: use, errors: problem, owner: none, colour: red}`:             `unknown field "colour"`,
	} {
		spec, err := openapi3.NewLoader().LoadFromData([]byte("openapi: 3.0.3\npaths:\n  /x:\n    get:\n      operationId: getX\n      " + said +
			"\n"))
		require.NoError(t, err)
		_, err = newOperations(spec)
		require.ErrorContains(t, err, wrong, said)
		require.ErrorContains(t, err, "GET /x: x-grym", said)
	}
}

// TestErrorsHaveTheShapeOfTheirRoute calls routes and methods that do not exist.
func TestErrorsHaveTheShapeOfTheirRoute(t *testing.T) {
	t.Parallel()
	b := setup(t, says("unused"))
	for _, c := range []struct {
		method, path string
		status       int
		openAI       bool
		says         string
	}{
		{"POST", "/v1/audio/translations", 415, true, "multipart/form-data"},
		{"POST", "/v1/audio/speech", 404, true, "text to speech is not available"},
		{"GET", "/v1/images", 404, true, "no route /v1/images"},
		{"PUT", "/v1/audio/transcriptions", 405, true, "does not allow PUT"},
		{"PUT", "/v1/resources", 405, true, "does not allow PUT"},
		{"GET", "/v1/models/none", 404, true, "does not exist"},
		{"GET", "/v1/audio/speech", 404, true, "text to speech is not available"},
		{"GET", "/v1/audio/transcriptions", 405, true, "does not allow GET"},
		{"GET", "/v1/audio/abc", 404, false, "no route"},
		{"GET", "/v2", 404, false, "no route /v2"},
		{"PUT", "/version", 405, false, "does not allow PUT"},
		{"POST", "/v1/audio/classifications", 415, false, "multipart/form-data"},
	} {
		request := b.request(t, c.method, c.path, strings.NewReader("x"))
		request.Header.Set("Content-Type", "text/plain")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body := readAll(t, response)
		require.Equal(t, c.status, response.StatusCode, "%s %s: %s", c.method, c.path, body)
		require.Equal(t, c.openAI, strings.HasPrefix(body, `{"error":`), "%s %s: %s", c.method, c.path, body)
		require.Contains(t, body, c.says)
	}
}

// statusOf returns the status of a refusal.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var refused *problem.HTTPError
	require.ErrorAs(t, err, &refused)
	return refused.Status
}

// readAll reads and closes a response's body.
func readAll(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}
