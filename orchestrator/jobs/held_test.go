package jobs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

// TestHeldJobsWaitAndGoOn has an operator drain a service: a job that is refused while it
// waits for its lease returns to the queue, and one whose deadline passes ends.
func TestHeldJobsWaitAndGoOn(t *testing.T) {
	t.Parallel()
	var held, refuses atomic.Bool
	refuses.Store(true)
	w := &worker{run: func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		if refuses.Load() {
			held.Store(true)
			return services.TaskResult{}, &services.Fault{Kind: services.KindUnavailable, Message: "drained", RetryAfter: time.Hour}
		}
		require.NotEmpty(t, task.Job)
		return services.TaskResult{Model: "echo-tiny", Value: "done"}, nil
	}}
	b := setup(t, w, func(c *jobs.Config, deps *wiring) {
		c.Retry.MaxDelay = time.Hour
		deps.Held = func(services.Task) bool { return held.Load() }
	})
	job, _, err := b.Submit(t.Context(), jobs.Submission{Service: "echo"})
	require.NoError(t, err)
	late, _, err := b.Submit(t.Context(), jobs.Submission{Service: "echo", Deadline: time.Now().Add(time.Second)})
	require.NoError(t, err)
	is := func(id string, status jobs.Status) {
		t.Helper()
		require.Eventually(t, func() bool {
			job, err := b.Get(t.Context(), "", id)
			return err == nil && job.Status == status
		}, 30*time.Second, time.Millisecond)
	}
	is(late.ID, jobs.StatusFailed)
	is(job.ID, jobs.StatusQueued)
	runs := w.runs()
	require.LessOrEqual(t, runs, 2)
	refuses.Store(false)
	held.Store(false)
	is(job.ID, jobs.StatusSucceeded)
	require.LessOrEqual(t, w.runs(), 3, "it was not tried while it was held")
}
