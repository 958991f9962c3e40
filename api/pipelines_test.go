package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	apipipelines "github.com/grym-synth/grym-synth/api/pipelines"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/pipelines"
	"github.com/grym-synth/grym-synth/services"
)

// anyPipelines has a pipeline of every name but "none".
type anyPipelines struct{ apipipelines.Pipelines }

// Get implements apipipelines.Pipelines.
func (anyPipelines) Get(_ context.Context, _ services.Caller, name string) (pipelines.Pipeline, error) {
	if name == "none" {
		return pipelines.Pipeline{}, services.Faultf(services.KindNotFound, "pipeline %q does not exist", name)
	}
	return pipelines.Pipeline{Definition: pipelines.Definition{Name: name}, Origin: pipelines.OriginStored}, nil
}

// Delete implements apipipelines.Pipelines.
func (anyPipelines) Delete(context.Context, services.Caller, string) error { return pipelines.ErrFixed }

func TestARunIsAJobOfThePipelinesService(t *testing.T) {
	t.Parallel()
	var got jobs.Submission
	script := &scriptedJobs{submit: func(s jobs.Submission) (jobs.Job, bool, error) {
		got = s
		if s.Title == "bad" {
			return jobs.Job{}, false, services.Invalidf("input.x", "is not an input of this pipeline")
		}
		return queued("job-1"), false, nil
	}}
	b := setup(t, says("unused"), func(_ *Config, d *Dependencies) { d.Jobs, d.Pipelines = script, anyPipelines{} })
	answer, body := b.call(t, http.MethodPost, "/v1/pipelines/one/runs",
		`{"input":{"n":2},"priority":"high","labels":{"a":"b"},"audio_id":"`+hash+`"}`, "Content-Type", jsonType, "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, answer.StatusCode, body)
	require.Equal(t, "/v1/jobs/job-1", answer.Header.Get("Location"))
	require.Equal(t, pipelines.ServiceName, got.Service)
	require.Equal(t, pipelines.TaskRun, got.Task)
	require.JSONEq(t, `{"pipeline":"one","input":{"n":2}}`, string(got.Params))
	require.Equal(t, services.PriorityHigh, got.Priority)
	require.Equal(t, map[string]string{"a": "b"}, got.Labels)
	require.Equal(t, hash, got.AudioID)
	require.Equal(t, "k", got.IdempotencyKey)

	answer, body = b.call(t, http.MethodPost, "/v1/pipelines/one/runs", `{"title":"bad"}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	require.Contains(t, body, `"field":"input.x"`)
	answer, _ = b.call(t, http.MethodPost, "/v1/pipelines/none/runs", `{}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	answer, body = b.call(t, http.MethodDelete, "/v1/pipelines/one", "")
	require.Equal(t, http.StatusConflict, answer.StatusCode, body)
	require.Contains(t, body, "pipeline_fixed")
}
