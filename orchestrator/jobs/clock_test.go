package jobs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// shiftable is a system's clock that a test sets forward and back.
type shiftable struct{ by atomic.Int64 }

func (s *shiftable) clock() *records.Clock {
	start := time.Now()
	return records.NewClock(func() time.Time { return time.Now().Add(time.Duration(s.by.Load())) },
		func() time.Duration { return time.Since(start) })
}

// TestAClockThatJumpsLosesNothing sets the clock forth and back by a day before the
// sweeps, with retention and deadlines of an hour.
func TestAClockThatJumpsLosesNothing(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, jump := range map[string]time.Duration{"forth": day, "back": -day} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &shiftable{}
			w := &worker{run: says("done")}
			b := prepare(t, w, t.TempDir(), func(c *jobs.Config, d *wiring) {
				c.Retention.MaxAge, c.Audio.TTL, d.Clock = time.Hour, time.Hour, clock.clock()
			})
			now := time.Now().UTC()
			left(t, b.store, "job-old", func(job *jobs.Job) {
				job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, now.Add(-4*day)
			})
			left(t, b.store, "job-done", func(job *jobs.Job) {
				job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, now
			})
			left(t, b.store, "job-due", func(job *jobs.Job) {
				job.Status, job.Claim, job.Deadline, job.Service = jobs.StatusQueued, nil, now.Add(time.Hour), "later"
			})
			left(t, b.store, "job-late", func(job *jobs.Job) {
				job.Status, job.Claim, job.Deadline, job.Service = jobs.StatusQueued, nil, now.Add(-2*day), "later"
			})
			in := b.upload(t, "sound")
			_, _, err := b.library.Save(t.Context(), in, "")
			require.NoError(t, err)
			clock.by.Store(int64(jump))
			b.start(t)
			// The sweep has passed when the old job is gone, the look at deadlines when the late
			// one has failed.
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				_, err := b.Get(context.Background(), "", "job-old")
				assert.Equal(c, services.KindNotFound, services.KindOf(err))
				late, err := b.Get(context.Background(), "", "job-late")
				assert.NoError(c, err)
				assert.Equal(c, jobs.StatusFailed, late.Status)
			}, 30*time.Second, 5*time.Millisecond)
			for id, status := range map[string]jobs.Status{"job-done": jobs.StatusSucceeded, "job-due": jobs.StatusQueued} {
				job, err := b.Get(t.Context(), "", id)
				require.NoError(t, err, id)
				require.Equal(t, status, job.Status, id)
			}
			_, err = b.library.Describe(t.Context(), services.Caller{All: true}, in.ID)
			require.NoError(t, err)
			clock.by.Store(0)
			// What is submitted under a key runs once.
			first := b.submit(t, jobs.Submission{IdempotencyKey: "k"})
			b.end(t, first.ID)
			clock.by.Store(int64(jump))
			require.Equal(t, first.ID, b.submit(t, jobs.Submission{IdempotencyKey: "k"}).ID)
			require.Equal(t, 1, w.runs())
		})
	}
}

// TestADelayDoesNotGrow has a job and a webhook whose delays were set before the clock
// was set back by a day.
func TestADelayDoesNotGrow(t *testing.T) {
	t.Parallel()
	w := &worker{run: says("done")}
	b := prepare(t, w, t.TempDir())
	tomorrow := time.Now().Add(24 * time.Hour).UTC()
	left(t, b.store, "job-delayed", func(job *jobs.Job) {
		job.Status, job.Claim, job.NotBefore = jobs.StatusQueued, nil, tomorrow
	})
	left(t, b.store, "job-calls", func(job *jobs.Job) {
		job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, tomorrow
		job.Callback = &jobs.Callback{URL: "http://x", State: jobs.CallbackPending, Next: tomorrow}
	})
	b.start(t)
	require.Equal(t, jobs.StatusSucceeded, b.end(t, "job-delayed").Status)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		job, err := b.Get(context.Background(), "", "job-calls")
		assert.NoError(c, err)
		assert.Equal(c, jobs.CallbackDelivered, job.Callback.State)
	}, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, 1, w.runs())
}

// TestTriesAreCountedAcrossAJump has a receiver that always fails, for a job that ended
// before the clock was set back.
func TestTriesAreCountedAcrossAJump(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{run: says("done")}, t.TempDir())
	b.receiver.fail = 100
	tomorrow := time.Now().Add(24 * time.Hour).UTC()
	left(t, b.store, "job-calls", func(job *jobs.Job) {
		job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, tomorrow
		yesterday := tomorrow.Add(-48 * time.Hour)
		job.Callback = &jobs.Callback{
			URL: "http://x", State: jobs.CallbackPending, Earlier: 1,
			Deliveries: []jobs.Delivery{{At: yesterday}, {At: tomorrow}, {At: yesterday}},
		}
	})
	b.start(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		job, err := b.Get(context.Background(), "", "job-calls")
		assert.NoError(c, err)
		assert.Equal(c, jobs.CallbackGivenUp, job.Callback.State, "the third try is the last one")
		assert.Len(c, job.Callback.Deliveries, 4)
	}, 30*time.Second, 5*time.Millisecond)
}

// TestADeliveryEndsWithItsProcess has a webhook that a process was delivering when it was
// killed.
func TestADeliveryEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	for _, exclusive := range []bool{true, false} {
		b := prepare(t, &worker{run: says("done")}, t.TempDir(), func(_ *jobs.Config, d *wiring) {
			if !exclusive {
				d.Store = shared{d.Store}
			}
		})
		for id, worker := range map[string]string{"job-interrupted": "gone", "job-failed": ""} {
			left(t, b.store, id, func(job *jobs.Job) {
				job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, time.Now().UTC()
				job.Callback = &jobs.Callback{URL: "http://x", State: jobs.CallbackPending, Next: time.Now().Add(time.Minute), Worker: worker}
			})
		}
		left(t, b.store, "job-due", func(job *jobs.Job) {
			job.Status, job.Claim, job.Finished = jobs.StatusSucceeded, nil, time.Now().UTC()
			job.Callback = &jobs.Callback{URL: "http://x", State: jobs.CallbackPending}
		})
		b.start(t)
		want := 1
		if exclusive {
			want = 2
		}
		delivered := func() (ids []string) {
			for _, id := range []string{"job-interrupted", "job-failed", "job-due"} {
				if job, err := b.Get(context.Background(), "", id); err == nil && job.Callback.State == jobs.CallbackDelivered {
					ids = append(ids, id)
				}
			}
			return ids
		}
		require.Eventually(t, func() bool { return len(delivered()) == want }, 30*time.Second, 5*time.Millisecond)
		require.NotContains(t, delivered(), "job-failed")
		require.Contains(t, delivered(), "job-due")
	}
}
