package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheInventoryHasModelsSessionsAndFiles checks the inventory after some tasks.
func TestTheInventoryHasModelsSessionsAndFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	for range 2 {
		status, body := s.transcribe(t, clip(t, "clip09.wav"))
		require.Equal(t, http.StatusOK, status, body)
	}
	create, contentType := form(t, clip(t, "clip09.wav"))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/contexts", create)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	status, body := do(t, request)
	require.Equal(t, http.StatusCreated, status, body)

	status, body = s.get(t, "/v1/resources")
	require.Equal(t, http.StatusOK, status)
	require.Regexp(t, `"id":"wav2vec2/wav2vec2-tiny",.*?"type":"model"`, body)
	require.Regexp(t, `"id":"session/wav2vec2-tiny/[a-z]+.onnx".*?"metadata":\{"inputs":\["input_values"\],"outputs":\["logits"\],`+
		`"running":0,"runs":[1-9]`, body)
	require.Regexp(t, `"id":"file/jobs/.*?"type":"file"`, body)
	require.Regexp(t, `"leases":[1-9][0-9]*,"measured"`, body)
	require.Contains(t, body, `"models_per_hour":0`)
}

// TestAFreshServerHasTheKnownMetrics checks the metric names used by dashboards.
func TestAFreshServerHasTheKnownMetrics(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, body := s.get(t, "/metrics")
	for _, series := range []string{
		`grym_inference_requests_total{model="wav2vec2-tiny",outcome="success",service="wav2vec2"} 0`,
		`grym_inference_queue_seconds_count{service="wav2vec2"} 0`,
		`grym_inference_compute_seconds_count{service="wav2vec2",stage="input"} 0`,
		`grym_inference_compute_seconds_count{service="wav2vec2",stage="infer"} 0`,
		`grym_inference_compute_seconds_count{service="wav2vec2",stage="output"} 0`,
		`grym_inference_executions_total{model="wav2vec2-tiny",service="wav2vec2"} 0`,
		`grym_inference_inputs_total{model="wav2vec2-tiny",service="wav2vec2"} 0`,
		`grym_inference_pending 0`,
		`grym_breaker_state{model="",service="gama"} 0`,
		`grym_breaker_transitions_total{model="",service="gama",to="open"} 0`,
		`grym_retries_total{model="",service="audioldm"} 0`,
		`grym_recoveries_total{model="",outcome="failure",service="audioProcessor"} 0`,
		`grym_lease_reserved_bytes 0`,
		`grym_lease_used_bytes{service="wav2vec2"} `,
		`grym_lease_predicted_bytes{service="wav2vec2"} `,
		`grym_lease_wait_seconds_count `,
		`grym_lease_refusals_total{reason="queue_full",service="wav2vec2"} 0`,
		`grym_evictions_total{service="wav2vec2"} 0`,
		`grym_model_loads_total{service="wav2vec2"} 1`,
		`grym_model_resident_bytes `,
		`grym_cleanups_total 0`,
		`grym_jobs{status="queued"} 0`,
		`grym_job_queue_oldest_seconds 0`,
		`grym_custom_conversations{service="gama"} 0`,
		`grym_service_last_success_timestamp_seconds{model="",service="wav2vec2"} `,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		require.Contains(t, "\n"+body, "\n"+series)
	}
	status, answer := s.transcribe(t, clip(t, "clip09.wav"))
	require.Equal(t, http.StatusOK, status, answer)
	_, body = s.get(t, "/metrics")
	require.Contains(t, body, `grym_inference_executions_total{model="wav2vec2-tiny",service="wav2vec2"} 1`)
}
