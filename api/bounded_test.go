package api

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// The most that an error's body, and all fields of its header, may have.
const (
	mostError  = 6 << 10
	mostHeader = 1 << 10
)

// TestErrorsHaveABoundedSize sends every operation requests with large names and values;
// none determines the size of its answer.
func TestErrorsHaveABoundedSize(t *testing.T) {
	t.Parallel()
	b := setup(t, executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		return services.TaskResult{}, services.Invalidf("prompt", "is too long, got %q", task.Params)
	}))
	variables := regexp.MustCompile(`\{[a-z_]+\}`)
	errors := 0
	for _, large := range []string{strings.Repeat("x", 40<<10), strings.Repeat("\"\\\t", 9<<10)} {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(large)
		bodies := map[string][]string{
			jsonType: {`{"` + quoted + `":1}`, `{"prompt":"` + quoted + `"}`, `"` + quoted + `"`, `{"model":"` + quoted + `"}`, quoted,
				`{"messages":[{"role":"` + quoted + `","content":"x"}]}`, `{"level":"` + quoted + `","reason":"` + quoted + `"}`},
			formType: {form(large, "x"), form("file", "x", "model", large), form("file", "x", "target_format", large),
				form("file", "x", "response_format", large, "temperature", large, "language", large), form("request", `{"`+quoted+`":1}`),
				form("request", `{"service":"`+quoted+`","task":"`+quoted+`"}`)},
			large: {"x"},
		}
		check := func(request *http.Request, what string) {
			t.Helper()
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err, what)
			body := readAll(t, response)
			if response.StatusCode < http.StatusBadRequest {
				return
			}
			errors++
			require.LessOrEqual(t, len(body), mostError, "%s: %d %.300s", what, response.StatusCode, body)
			size := 0
			for name, values := range response.Header {
				size += len(name) + len(strings.Join(values, ""))
			}
			require.LessOrEqual(t, size, mostHeader, "%s: %v", what, response.Header)
		}
		for path, item := range b.spec.Paths.Map() {
			for method, operation := range item.Operations() {
				plain := variables.ReplaceAllString(strings.Replace(path, "{audio_id}", hash, 1), "x")
				check(b.request(t, method, variables.ReplaceAllLiteralString(path, url.PathEscape(large)), nil), method+" "+path)
				check(b.request(t, method, plain+"/"+url.PathEscape(large), nil), method+" below "+path)
				for _, parameter := range operation.Parameters {
					check(largeParameter(b.request(t, method, plain, nil), parameter.Value, large), method+" "+path+" "+parameter.Value.Name)
				}
				for contentType, list := range bodies {
					for _, body := range list {
						request := b.request(t, method, plain, strings.NewReader(body))
						request.Header.Set("Content-Type", strings.ReplaceAll(contentType, "\t", " "))
						check(request, method+" "+path+" with a body")
					}
				}
			}
		}
		for _, name := range []string{"X-Request-Id", "Origin", "Referer", "Authorization", "Accept", "X-Forwarded-For", "Traceparent", "Prefer",
			"Idempotency-Key", "Range", "If-None-Match"} {
			request := b.request(t, http.MethodPost, "/v1/audio/generations", strings.NewReader("{}"))
			request.Header.Set("Content-Type", jsonType)
			request.Header.Set(name, "http://"+strings.ReplaceAll(large, "\t", " "))
			check(request, name)
		}
	}
	require.Greater(t, errors, 500)
}

// largeParameter sets a parameter of a request.
func largeParameter(request *http.Request, parameter *openapi3.Parameter, large string) *http.Request {
	switch parameter.In {
	case openapi3.ParameterInQuery:
		request.URL.RawQuery = url.Values{parameter.Name: {large}}.Encode()
	case openapi3.ParameterInHeader:
		request.Header.Set(parameter.Name, strings.ReplaceAll(large, "\t", " "))
	}
	return request
}
