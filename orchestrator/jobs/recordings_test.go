package jobs_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/services"
)

// TestRecordingsInParametersStay has a job whose parameters name recordings.
func TestRecordingsInParametersStay(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	b := setup(t, &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		<-goOn
		return services.TaskResult{Value: "done"}, nil
	}})
	upload := b.upload(t, "hello")
	_, _, err := b.library.Save(t.Context(), upload, "")
	require.NoError(t, err)
	const named = `{"list":[{"audio_id":"ID"},{"deep":[[{"audio_id":"ID"}]]},{"audio_id":"other"}],"audio_id":7}`
	params := json.RawMessage(strings.ReplaceAll(named, "ID", upload.ID))
	job := b.submit(t, jobs.Submission{Params: params})
	require.ElementsMatch(t, []string{upload.ID, "other"}, job.Recordings)
	err = b.library.Delete(t.Context(), services.Caller{}, upload.ID)
	require.ErrorIs(t, err, library.ErrInUse)
	require.ErrorContains(t, err, job.ID)
	close(goOn)
	require.Equal(t, jobs.StatusSucceeded, b.end(t, job.ID).Status)
	require.NoError(t, b.library.Delete(t.Context(), services.Caller{}, upload.ID))
}
