package jobs_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// TestAJobKeepsToTheServiceAndTheModelThatItWasBoundTo names neither by their own names.
func TestAJobKeepsToTheServiceAndTheModelThatItWasBoundTo(t *testing.T) {
	t.Parallel()
	ran := make(chan services.Task, 1)
	b := setup(t, &worker{run: func(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		select {
		case ran <- task:
		case <-ctx.Done():
		}
		return services.TaskResult{Model: "echo-tiny"}, ctx.Err()
	}})
	one := jobs.Submission{Task: "sing", Params: json.RawMessage(`{"model":"whisper-1"}`), IdempotencyKey: "k"}
	job, _, err := b.Submit(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, []string{"echo", "sing", "echo-tiny"}, []string{job.Service, job.Task, job.Model})
	require.Equal(t, jobs.StatusSucceeded, b.end(t, job.ID).Status)
	task := <-ran
	require.Equal(t, []string{"echo", "sing", "echo-tiny"}, []string{task.Service, task.Name, task.Model})

	again, existed, err := b.Submit(t.Context(), one)
	require.NoError(t, err)
	require.True(t, existed)
	require.Equal(t, job.ID, again.ID)
	one.Params = json.RawMessage(`{"model":"echo-tiny"}`)
	_, _, err = b.Submit(t.Context(), one)
	require.ErrorIs(t, err, jobs.ErrKeyReused, "it is another request, whatever the names stand for")
}

// TestWarningsOutliveTheProcess reads a job's warnings in another process.
func TestWarningsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	warnings := []services.Warning{
		{Code: services.WarnPromptCut, Field: "prompt", Message: "was cut"},
		{Code: services.WarnTruncated, Message: "ends early"},
	}
	w := &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		return services.TaskResult{Model: "echo-tiny", Value: "x", Warnings: warnings}, nil
	}}
	b := setup(t, w)
	id := b.submit(t, jobs.Submission{}).ID
	require.Equal(t, warnings, b.end(t, id).Result.Warnings)
	page, err := b.List(t.Context(), jobs.Filter{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, warnings, page.Jobs[0].Result.Warnings, "lists have them too")
	b.stop()
	again := prepare(t, w, b.dir)
	again.start(t)
	job, err := again.Get(t.Context(), "", id)
	require.NoError(t, err)
	require.Equal(t, warnings, job.Result.Warnings)
}
