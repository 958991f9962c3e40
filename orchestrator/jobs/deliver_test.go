package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

func TestWebhooksAreDeliveredUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail, deliveries int
		state            jobs.CallbackState
	}{
		"at once":  {0, 1, jobs.CallbackDelivered},
		"given up": {1, 1, jobs.CallbackGivenUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, &worker{run: says("x")}, func(_ *jobs.Config, d *wiring) { d.MaxDeliveries = 1 })
			b.receiver.fail = c.fail
			job := b.submit(t, jobs.Submission{Callback: "http://receiver"})
			require.Equal(t, jobs.CallbackWaiting, job.Callback.State)
			require.Eventually(t, func() bool {
				var err error
				job, err = b.Get(t.Context(), "", job.ID)
				return err == nil && job.Callback.State == c.state
			}, 10*time.Second, 5*time.Millisecond)
			require.Len(t, job.Callback.Deliveries, c.deliveries)
			require.Equal(t, `"succeeded"`, string(b.receiver.bodies[0]))
		})
	}
}

func TestARetriedJobIsDeliveredAnew(t *testing.T) {
	t.Parallel()
	w := &worker{}
	w.run = func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		return services.TaskResult{}, services.Invalidf("audio", "it broke")
	}
	b := setup(t, w, func(_ *jobs.Config, d *wiring) { d.MaxDeliveries = 2 })
	job := b.submit(t, jobs.Submission{Callback: "http://receiver"})
	callback := func(state jobs.CallbackState, deliveries int) {
		t.Helper()
		require.Eventually(t, func() bool {
			var err error
			job, err = b.Get(t.Context(), "", job.ID)
			return err == nil && job.Callback.State == state && len(job.Callback.Deliveries) == deliveries
		}, 20*time.Second, 5*time.Millisecond)
	}
	callback(jobs.CallbackDelivered, 1)
	b.receiver.mu.Lock()
	b.receiver.fail = 2
	b.receiver.mu.Unlock()
	_, err := b.Retry(t.Context(), "", job.ID)
	require.NoError(t, err)
	callback(jobs.CallbackPending, 2) // the try for the first end is not counted against the second
	require.NotEqual(t, b.receiver.ids[0], b.receiver.ids[1], "another end is another message")
}

func TestAWebhookThatIsOwedSurvives(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{run: says("x")}, t.TempDir())
	left(t, b.store, "job-owes", func(job *jobs.Job) {
		job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, time.Now()
		job.Callback = &jobs.Callback{
			URL: "http://receiver", State: jobs.CallbackPending,
			Deliveries: []jobs.Delivery{{At: time.Now(), Error: "no answer"}},
		}
	})
	b.start(t)
	require.Eventually(t, func() bool {
		job, err := b.Get(t.Context(), "", "job-owes")
		return err == nil && job.Callback.State == jobs.CallbackDelivered && len(job.Callback.Deliveries) == 2
	}, 10*time.Second, 5*time.Millisecond)
}
