package jobs_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// submitSound submits a job with an upload, under a key.
func submitSound(b *bundle) (jobs.Job, error) {
	in, err := b.library.Receive(context.Background(), strings.NewReader("sound"), library.About{ContentType: "audio/wav"})
	if err != nil {
		return jobs.Job{}, err
	}
	job, _, err := b.Submit(context.Background(), jobs.Submission{
		Service: "echo", Task: "say", Upload: in, IdempotencyKey: "key", Params: []byte(`{"a":1}`),
	})
	return job, err
}

// TestEachCallOfTheStoreCanFailUnderAJob has each call that a submission makes fail once, and
// each call of the job's run. The job runs to its end once, or the fault is the caller's.
func TestEachCallOfTheStoreCanFailUnderAJob(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"submission", "run"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
				t.Helper()
				synctest.Test(t, func(t *testing.T) {
					hold := make(chan struct{})
					w := &worker{run: func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
						<-hold
						return services.TaskResult{Model: "echo-tiny", Value: task.Params}, nil
					}}
					b := prepareOver(t, w, store, func(_ *jobs.Config, d *wiring) { d.Store = store })
					require.NoError(t, b.db.Start(t.Context()))
					require.NoError(t, b.Start(t.Context()))
					synctest.Wait()
					var fault error
					if phase == "submission" {
						fault = store.Arm(nth)
					}
					job, err := submitSound(b)
					if phase == "submission" {
						store.Disarm()
					}
					if err != nil {
						require.ErrorIs(t, err, fault)
						job, err = submitSound(b)
					}
					require.NoError(t, err)
					synctest.Wait()
					if phase == "run" {
						store.Arm(nth)
					}
					close(hold)
					if phase == "run" {
						time.Sleep(time.Minute)
						store.Disarm()
					}
					job = b.end(t, job.ID)
					require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
					_, value, err := b.Result(t.Context(), "", job.ID)
					require.NoError(t, err)
					require.JSONEq(t, `{"a":1}`, string(value))
					time.Sleep(time.Hour)
					synctest.Wait()
					names, err := store.Objects(t.Context())
					require.NoError(t, err)
					require.Len(t, names, 1, "the recording, and nothing that a fault left")
					b.stop()
				})
			})
		})
	}
}

// TestALongResultThatCannotBeReadNow has each call of the store fail while a result is read that
// is stored beside its record. It stays the fault of the store, and the result can be read later.
func TestALongResultThatCannotBeReadNow(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			long := strings.Repeat("long", 10<<10)
			b := prepareOver(t, &worker{run: says(long)}, store)
			require.NoError(t, b.db.Start(t.Context()))
			require.NoError(t, b.Start(t.Context()))
			synctest.Wait()
			job := b.end(t, b.submit(t, jobs.Submission{}).ID)
			fault := store.Arm(nth)
			_, value, err := b.Result(t.Context(), "", job.ID)
			store.Disarm()
			if nth > 0 {
				require.ErrorIs(t, err, fault)
				require.Equal(t, services.KindUnavailable, services.KindOf(err))
				_, value, err = b.Result(t.Context(), "", job.ID)
			}
			require.NoError(t, err)
			require.JSONEq(t, `"`+long+`"`, string(value))
			require.NoError(t, store.DeleteObject(t.Context(), job.Result.ValueID))
			_, _, err = b.Result(t.Context(), "", job.ID)
			require.Equal(t, services.KindInternal, services.KindOf(err), "a lost one is")
			b.stop()
		})
	})
}
