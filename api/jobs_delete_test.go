package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

func TestAnEndedJobIsDeletedOnRequest(t *testing.T) {
	t.Parallel()
	var removed []string
	b := setupJobs(t, &scriptedJobs{
		cancel: func(_, id string) (jobs.Job, error) { return in(queued(id), jobs.StatusSucceeded), nil },
		forget: func(_, id string) error {
			removed = append(removed, id)
			switch id {
			case "job_2":
				return fmt.Errorf("job job_2 is running: %w", jobs.ErrNotFinished)
			case "job_3":
				return services.Faultf(services.KindNotFound, "the job does not exist")
			}
			return nil
		},
	})
	response, body := b.call(t, "DELETE", "/v1/jobs/job_1", "")
	require.Equal(t, http.StatusOK, response.StatusCode, "without the parameter it stays: %s", body)
	response, _ = b.call(t, "DELETE", "/v1/jobs/job_1?purge=false", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, removed)
	for id, want := range map[string]int{"job_1": 204, "job_2": 409, "job_3": 404} {
		response, body := b.call(t, "DELETE", "/v1/jobs/"+id+"?purge=true", "")
		require.Equal(t, want, response.StatusCode, body)
		if want == http.StatusConflict {
			require.Contains(t, body, "urn:grym-synth:problem:job_not_finished")
		}
	}
	response, _ = b.call(t, "DELETE", "/v1/jobs/job_1?purge=perhaps", "")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Len(t, removed, 3)
}

func TestAListHasTitlesParametersAndCounts(t *testing.T) {
	t.Parallel()
	var asked jobs.Filter
	var submitted jobs.Submission
	b := setupJobs(t, &scriptedJobs{
		list: func(f jobs.Filter) (jobs.Page, error) {
			asked = f
			job := queued("job_1")
			job.Title = "a siren"
			if f.WithParams {
				job.Params = []byte(`{"prompt":"a siren"}`)
			}
			return jobs.Page{Jobs: []jobs.Job{job}, Counts: map[jobs.Status]int{jobs.StatusQueued: 3, jobs.StatusFailed: 1}}, nil
		},
		submit: func(s jobs.Submission) (jobs.Job, bool, error) { submitted = s; return queued("job_1"), false, nil },
	})
	_, body := b.call(t, "GET", "/v1/jobs", "")
	require.False(t, asked.WithParams)
	require.Contains(t, body, `"title":"a siren"`)
	require.NotContains(t, body, `"params"`)
	require.Contains(t, body, `"counts":{"cancelled":0,"failed":1,"queued":3,"running":0,"succeeded":0}`)
	_, body = b.call(t, "GET", "/v1/jobs?include=params", "")
	require.True(t, asked.WithParams)
	require.Contains(t, body, `"params":{"prompt":"a siren"}`)
	response, _ := b.call(t, "GET", "/v1/jobs?include=result", "")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	response, body = b.call(t, "POST", "/v1/jobs", `{"service":"x","title":"mine"}`, "Content-Type", jsonType)
	require.Equal(t, http.StatusAccepted, response.StatusCode, body)
	require.Equal(t, "mine", submitted.Title)
}
