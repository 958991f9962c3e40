package problem

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func answerTo(t *testing.T, path string, err error) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	w := &Writer{
		Log:       slog.New(slog.DiscardHandler),
		RequestID: func(*http.Request) string { return "id-1" },
		OpenAI:    func(r *http.Request) bool { return r.URL.Path == "/openai" },
	}
	recorder := httptest.NewRecorder()
	w.Write(recorder, httptest.NewRequest(http.MethodGet, path, nil), err)
	var body map[string]any
	require.NoError(t, json.NewDecoder(recorder.Body).Decode(&body))
	return recorder, body
}

func TestEveryKindHasItsStatus(t *testing.T) {
	t.Parallel()
	want := map[services.Kind]int{
		services.KindInvalid: 400, services.KindUnsupported: 415, services.KindNotFound: 404, services.KindTooLarge: 413, services.KindFull: 507,
		services.KindBusy: 429, services.KindUnavailable: 503, services.KindCancelled: 499, services.KindTimeout: 504, services.KindInternal: 500,
	}
	require.Len(t, table, len(services.Kinds()))
	for _, kind := range services.Kinds() {
		response, body := answerTo(t, "/plain", fmt.Errorf("context: %w", services.Faultf(kind, "what happened")))
		require.Equal(t, want[kind], response.Code, kind)
		require.Equal(t, "application/problem+json", response.Header().Get("Content-Type"))
		require.Equal(t, "urn:grym-synth:problem:"+string(kind), body["type"])
		require.Equal(t, "what happened", body["detail"])
		require.Equal(t, "id-1", body["request_id"])
	}
}

func TestTheCauseIsNeverSent(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/plain", "/openai"} {
		for _, err := range []error{errors.New("secret"), services.Internal(errors.New("secret"), "it failed"), fmt.Errorf("secret: %w",
			services.Faultf(services.KindBusy, "full"))} {
			_, body := answerTo(t, path, err)
			require.NotContains(t, fmt.Sprint(body), "secret")
		}
	}
}

func TestRetryAfterIsRoundedUpAndNeverMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "1"}, {time.Millisecond, "1"}, {1500 * time.Millisecond, "2"}} {
		response, _ := answerTo(t, "/plain", &services.Fault{Kind: services.KindBusy, RetryAfter: c.after})
		require.Equal(t, c.want, response.Header().Get("Retry-After"))
	}
	response, _ := answerTo(t, "/plain", services.Faultf(services.KindInvalid, "no"))
	require.Empty(t, response.Header().Get("Retry-After"))
}

func TestOpenAIShape(t *testing.T) {
	t.Parallel()
	response, body := answerTo(t, "/openai", &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{Field: "model",
		Problem: `"x" does not exist`}}})
	require.Equal(t, http.StatusNotFound, response.Code)
	require.Equal(t, "application/json", response.Header().Get("Content-Type"))
	require.Equal(t, map[string]any{"error": map[string]any{
		"message": `model "x" does not exist`, "type": "invalid_request_error", "param": "model", "code": "model_not_found", "request_id": "id-1",
	}}, body)
	_, body = answerTo(t, "/openai", services.Faultf(services.KindBusy, "full"))
	require.Nil(t, body["error"].(map[string]any)["param"])
}

func TestEveryWrongFieldIsTold(t *testing.T) {
	t.Parallel()
	_, body := answerTo(t, "/plain", &services.Fault{Kind: services.KindInvalid,
		Fields: []services.FieldError{{Field: "a", Problem: "is bad"}, {Field: "b", Problem: "is worse"}}})
	require.Equal(t, "a is bad; b is worse", body["detail"])
	require.Len(t, body["errors"], 2)
}
