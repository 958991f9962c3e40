package e2e

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OTLP receiver that keeps what it is sent.
type receiver struct {
	mu       sync.Mutex
	spans    map[string][]*otlp.Span // by trace
	resource string
	key      string
}

// ServeHTTP takes what an OTLP exporter posts.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var export collector.ExportTraceServiceRequest
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key = request.Header.Get("X-Key")
	for _, resource := range export.GetResourceSpans() {
		r.resource = resource.GetResource().String()
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				id := hex.EncodeToString(span.GetTraceId())
				r.spans[id] = append(r.spans[id], span)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// trace waits for a trace whose first step has ended, and returns its steps by name.
func (r *receiver) trace(t *testing.T, id, first string) map[string][]*otlp.Span {
	t.Helper()
	var steps map[string][]*otlp.Span
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		steps = make(map[string][]*otlp.Span)
		for _, span := range r.spans[id] {
			steps[span.GetName()] = append(steps[span.GetName()], span)
		}
		return len(steps[first]) > 0
	}, 20*time.Second, 20*time.Millisecond, "no %s in trace %s", first, id)
	return steps
}

// traced posts a clip as a step of the caller's trace.
func (s *server) traced(t *testing.T, audio []byte, traceparent string) (int, string) {
	t.Helper()
	body, contentType := form(t, audio)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Traceparent", traceparent)
	return do(t, request)
}

// requireSteps checks the steps of a transcription.
func requireSteps(t *testing.T, steps map[string][]*otlp.Span, route string) {
	t.Helper()
	for name, above := range map[string]string{
		"task": route, "prepare": "task", "wait for lease": "task", "attempt": "task", "input": "attempt", "infer": "attempt",
		"output": "attempt",
	} {
		require.Len(t, steps[name], 1, name)
		span, parent := steps[name][0], steps[above][0]
		require.Equal(t, parent.GetSpanId(), span.GetParentSpanId(), "%s is a step of %s", name, above)
		require.GreaterOrEqual(t, span.GetStartTimeUnixNano(), parent.GetStartTimeUnixNano(), name)
		require.LessOrEqual(t, span.GetEndTimeUnixNano(), parent.GetEndTimeUnixNano(), name)
	}
}

// requireTracedTasks checks that tasks of other services are traced too.
func requireTracedTasks(t *testing.T, s *server, received *receiver, caller string) {
	t.Helper()
	generated := strings.Repeat("3", 32)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/generations",
		strings.NewReader(`{"prompt":"a beep","num_inference_steps":2,"audio_length_in_s":0.5}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", "00-"+generated+"-"+caller+"-01")
	status, body := do(t, request)
	require.Equal(t, http.StatusOK, status, body)
	asking := strings.Repeat("4", 32)
	question, contentType := form(t, clip(t, "clip09.wav"), "question", "What is it?", "max_tokens", "4")
	request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/captions", question)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Traceparent", "00-"+asking+"-"+caller+"-01")
	status, body = do(t, request)
	require.Equal(t, http.StatusOK, status, body)
	for id, route := range map[string]string{generated: "POST /v1/audio/generations", asking: "POST /v1/audio/captions"} {
		steps := received.trace(t, id, route)
		for _, stage := range []string{"input", "infer"} {
			require.NotEmpty(t, steps[stage], "%s of %s", stage, route)
			require.Equal(t, steps["attempt"][0].GetSpanId(), steps[stage][0].GetParentSpanId())
		}
	}
}

func TestATraceHasEveryStep(t *testing.T) {
	t.Parallel()
	received := &receiver{spans: make(map[string][]*otlp.Span)}
	there := httptest.NewServer(received)
	defer there.Close()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("tracing: {enabled: true, endpoint: '"+there.URL+"', headers: ['X-Key=s3cret']}\n"), 0o600))
	s := start(t, "--config", file)

	const id, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	status, body := s.traced(t, clip(t, "clip09.wav"), "00-"+id+"-"+caller+"-01")
	require.Equal(t, http.StatusOK, status, body)
	const route = "POST /v1/audio/transcriptions"
	steps := received.trace(t, id, route)
	require.Equal(t, caller, hex.EncodeToString(steps[route][0].GetParentSpanId()), "the caller's step is above")
	requireSteps(t, steps, route)
	require.Contains(t, steps["task"][0].String(), `"wav2vec2-tiny"`)
	require.Contains(t, received.resource, "grym-synth")
	require.Equal(t, "s3cret", received.key)
	s.logged(t, `"trace":"`+id+`"`)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	_, metrics := do(t, request)
	for _, histogram := range []string{"grym_inference_queue_seconds_bucket", "grym_inference_compute_seconds_bucket",
		"grym_lease_wait_seconds_bucket"} {
		require.Regexp(t, histogram+`\{.*# \{trace_id="`+id+`"\}`, metrics)
	}

	requireTracedTasks(t, s, received, caller)
	failed := strings.Repeat("1", 32)
	status, body = s.traced(t, []byte("hello, this is not audio\n"), "00-"+failed+"-"+caller+"-01")
	require.Equal(t, http.StatusUnsupportedMediaType, status, body)
	require.Equal(t, otlp.Status_STATUS_CODE_ERROR, received.trace(t, failed, route)["prepare"][0].GetStatus().GetCode())

	unsampled := strings.Repeat("2", 32)
	status, body = s.traced(t, clip(t, "clip09.wav"), "00-"+unsampled+"-"+caller+"-00")
	require.Equal(t, http.StatusOK, status, body)
	_, shown := s.get(t, "/v1/system/config")
	require.NotContains(t, shown, "s3cret")
	require.NoError(t, s.stop(t), "what is left is sent before the end")
	received.mu.Lock()
	defer received.mu.Unlock()
	require.NotContains(t, received.spans, unsampled, "the caller did not want it recorded")
	require.Len(t, received.spans, 5, "and the settings, which were asked for without a trace")
}

func TestAReceiverOfTracesThatIsNotThereHurtsNobody(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("tracing: {enabled: true, endpoint: 'http://127.0.0.1:1'}\n"), 0o600))
	s := start(t, "--config", file)
	status, body := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, s.stop(t))
}
