package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
)

// TestAListOfJobsHasTheCallersQueue lists with two keys.
func TestAListOfJobsHasTheCallersQueue(t *testing.T) {
	t.Parallel()
	b := setupJobs(t, &scriptedJobs{
		list: func(jobs.Filter) (jobs.Page, error) { return jobs.Page{}, nil },
		queue: map[string]jobs.Queue{
			"alice": {Own: 9, All: 12, Limit: 10, Owners: 2, Full: true},
			"admin": {Own: 3, All: 12, Limit: 10, Owners: 2},
		},
	}, func(_ *Config, d *Dependencies) { d.Keys = everyKey{} })
	for key, want := range map[string]string{
		"alice": `{"waiting":12,"yours":9,"limit":10,"full":true,` +
			`"detail":"the job queue is full of your own jobs: 12 wait and the limit is 10; 9 of the waiting jobs are yours"}`,
		"admin": `{"waiting":12,"yours":3,"limit":10,"full":false,"detail":"the job queue is full of other callers' jobs: ` +
			`12 wait and the limit is 10; there is a place for you, as 3 of the waiting jobs are yours"}`,
	} {
		response, body := b.call(t, "GET", "/v1/jobs", "", "Authorization", "Bearer "+key)
		require.Equal(t, http.StatusOK, response.StatusCode, body)
		require.Contains(t, body, `"queue":{`)
		var list struct{ Queue json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(body), &list))
		require.JSONEq(t, want, string(list.Queue))
	}
}
