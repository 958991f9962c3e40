package api

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

func TestManyJobsInOneStream(t *testing.T) {
	t.Parallel()
	queued := func(id string, at jobs.Revision) jobs.Job {
		return jobs.Job{ID: id, Status: jobs.StatusQueued, Revision: at}
	}
	b := setupJobs(t, &scriptedJobs{feed: func(_ context.Context, f jobs.Filter, after jobs.Revision,
		changed func([]jobs.Job, jobs.Revision) error,
	) error {
		require.Equal(t, jobs.Filter{Service: "echo", Labels: map[string]string{"batch": "7", "side": "a:b"}, Limit: 20}, f)
		require.EqualValues(t, 5, after)
		running := queued("job_1", 8)
		running.Status = jobs.StatusRunning
		moved := running
		moved.Progress, moved.Revision = 0.5, 9
		ended := queued("job_2", 10)
		ended.Status = jobs.StatusSucceeded
		for _, one := range []struct {
			list []jobs.Job
			mark jobs.Revision
		}{
			{[]jobs.Job{queued("job_1", 6), queued("job_2", 7)}, 7},
			{nil, 7},
			{[]jobs.Job{running}, 8},
			{[]jobs.Job{running}, 8},
			{[]jobs.Job{moved, ended}, 11},
		} {
			require.NoError(t, changed(one.list, one.mark))
		}
		return jobs.ErrStopping
	}})
	response, body := b.call(t, "GET", "/v1/jobs/events?label=batch:7&label=side:a:b&service=echo", "", "Last-Event-ID", "5")
	require.Equal(t, http.StatusOK, response.StatusCode, body)
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	require.Equal(t, []string{
		"retry: 2000", "event: state", "id: 7", "event: state", "id: 8", "event: state", "event: progress", "id: 11", "event: end",
	}, lines(body), "a state that shows nothing new is not sent, and the last event has the id of all before it")
}

func TestInvalidFeeds(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, &scriptedJobs{})
	response, body := b.call(t, "GET", "/v1/jobs/events?label=7", "")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, body, "must be key:value")
	response, body = b.call(t, "GET", "/v1/jobs/events", "", "Last-Event-ID", "x")
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
	require.Contains(t, body, "Last-Event-ID")
}
