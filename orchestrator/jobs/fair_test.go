package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// workshop is a manager whose jobs take run slots of the memory manager, on a fake clock.
// A job works as long as its params say, in windows of a second.
type workshop struct {
	*jobs.Manager
	db   *records.Database
	pool *resources.Manager

	mu     sync.Mutex
	worked map[string]time.Duration // by owner
}

type length struct{ Seconds float64 }

// open makes and starts a workshop with so many run slots.
func openWorkshop(t *testing.T, runs int, change ...func(*jobs.Config, *jobs.Dependencies)) *workshop {
	t.Helper()
	cfg := resources.DefaultConfig()
	cfg.Weights = []string{"heavy=3"}
	weights, err := resources.ParseWeights(cfg.Weights)
	require.NoError(t, err)
	w := &workshop{worked: make(map[string]time.Duration)}
	w.pool = resources.NewManager(cfg, resources.Budget{Bytes: services.GiB}, resources.Dependencies{
		Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	w.pool.Limit("echo", resources.ServiceLimit{MaxMemory: services.GiB, Runs: runs})
	w.db = records.NewDatabase(recordstest.NewMemory(), slog.New(slog.DiscardHandler))
	settings := testConfig()
	deps := jobs.Dependencies{
		Database: w.db, Executor: w, Sender: &receiver{},
		Describe: func(string) (services.Description, error) {
			return services.Description{Name: "echo", Tasks: []services.TaskKind{{Name: "say"}}}, nil
		},
		Bind: func(task services.Task) (services.Task, error) { return task, nil },
		Runs: map[string]int{"echo": runs}, Width: w.pool.Runs, Weights: weights, Ageing: cfg.Ageing, MaxAttempts: 3,
		Log: slog.New(slog.DiscardHandler),
	}
	for _, apply := range change {
		apply(&settings, &deps)
	}
	deps.Library = library.New(settings.Audio, w.db, slog.New(slog.DiscardHandler))
	w.Manager = jobs.NewManager(settings, deps)
	require.NoError(t, w.db.Start(t.Context()))
	require.NoError(t, w.Start(t.Context()))
	synctest.Wait()
	require.True(t, w.Ready())
	return w
}

// shut stops the workshop; what runs is interrupted.
func (w *workshop) shut(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, w.Stop(ctx))
	require.NoError(t, w.db.Stop(context.Background()))
	require.NoError(t, w.pool.Stop(context.Background()))
}

// Check implements jobs.Executor.
func (w *workshop) Check(context.Context, services.Task) error { return nil }

// Execute implements jobs.Executor.
func (w *workshop) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	var c length
	if err := json.Unmarshal(task.Params, &c); err != nil {
		return services.TaskResult{}, err
	}
	lease, err := w.pool.Acquire(ctx, services.Claim{Service: "echo", Priority: task.Priority, Tenant: task.Caller.Key})
	if err != nil {
		return services.TaskResult{}, err
	}
	defer lease.Release()
	for left := time.Duration(c.Seconds * float64(time.Second)); left > 0; left -= time.Second {
		step := min(left, time.Second)
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return services.TaskResult{}, ctx.Err()
		}
		sink.Progress(1-left.Seconds()/c.Seconds, "working")
		w.mu.Lock()
		w.worked[task.Caller.Key] += step
		w.mu.Unlock()
		if err := lease.Yield(ctx); err != nil {
			return services.TaskResult{}, err
		}
	}
	return services.TaskResult{Value: 1}, nil
}

// done returns the work done for an owner so far.
func (w *workshop) done(owner string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.worked[owner]
}

// post queues a job.
func (w *workshop) post(t *testing.T, owner string, seconds float64, priority services.Priority) jobs.Job {
	t.Helper()
	job, _, err := w.Submit(t.Context(), jobs.Submission{
		Owner: owner, Service: "echo", Params: fmt.Appendf(nil, `{"Seconds":%g}`, seconds), Priority: priority,
	})
	require.NoError(t, err)
	return job
}

// wait returns how long a job takes from its submission to its end.
func (w *workshop) wait(t *testing.T, job jobs.Job) time.Duration {
	t.Helper()
	require.NoError(t, w.Follow(t.Context(), "", job.ID, 0, func(state jobs.Job) error { job = state; return nil }))
	require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
	return job.Finished.Sub(job.Created)
}

// TestAFloodOfOneOwnerHoldsNoJobOfAnotherUp has one owner queue 300 long urgent jobs, and
// another ask for short ones that are not urgent, one after the other and all at once.
func TestAFloodOfOneOwnerHoldsNoJobOfAnotherUp(t *testing.T) {
	t.Parallel()
	for runs, priority := range map[int]services.Priority{1: services.PriorityNormal, 2: services.PriorityLow} {
		t.Run(fmt.Sprintf("%d, %s", runs, priority), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := openWorkshop(t, runs)
				defer w.shut(t)
				for range 300 {
					w.post(t, "flood", 600, services.PriorityHigh)
				}
				time.Sleep(1300 * time.Millisecond)
				for range 10 {
					require.LessOrEqual(t, w.wait(t, w.post(t, "other", 0.2, priority)), 1200*time.Millisecond, "one window and its own time")
				}
				var ten []jobs.Job
				for range 10 {
					ten = append(ten, w.post(t, "other", 0.2, priority))
				}
				for _, job := range ten {
					// Half of the slots is its share; one window is under way, and shares may
					// differ by one and a short job.
					require.LessOrEqual(t, w.wait(t, job), 2*2*time.Second+2200*time.Millisecond)
				}
			})
		})
	}
}

// TestOwnersShareByWorkAndWeight has owners queue jobs of very different lengths: what they
// have had done is as their weights.
func TestOwnersShareByWorkAndWeight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := openWorkshop(t, 2)
		defer w.shut(t)
		for i, owner := range []string{"long", "short", "heavy", "urgent", "fifth", "sixth"} {
			for range 80 {
				w.post(t, owner, []float64{50, 6, 10, 20, 7, 30}[i], services.Priority(i%3-1))
			}
		}
		time.Sleep(10 * time.Minute)
		for _, owner := range []string{"long", "short", "urgent", "fifth", "sixth"} {
			require.InDelta(t, 1200./8, w.done(owner).Seconds(), 25, owner)
		}
		require.InDelta(t, 3*1200./8, w.done("heavy").Seconds(), 70)
	})
}

// TestTheDispatcherSeesHowManyRunsThereAre widens the service while jobs wait.
func TestTheDispatcherSeesHowManyRunsThereAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := openWorkshop(t, 1, func(cfg *jobs.Config, _ *jobs.Dependencies) { cfg.Spare = 1 })
		defer w.shut(t)
		for range 20 {
			w.post(t, "one", 3600, 0)
		}
		time.Sleep(time.Second)
		require.Equal(t, 2, w.Count(jobs.StatusRunning))
		w.pool.Limit("echo", resources.ServiceLimit{MaxMemory: services.GiB, Runs: 3})
		time.Sleep(time.Second)
		require.Equal(t, 4, w.Count(jobs.StatusRunning))
		require.Equal(t, 3, w.pool.Usage().Services[0].Running)
	})
}

// TestTheQueueOfJobsHasAPlaceForEachOwner fills it with one owner's.
func TestTheQueueOfJobsHasAPlaceForEachOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := openWorkshop(t, 1, func(cfg *jobs.Config, _ *jobs.Dependencies) {
			cfg.MaxQueued, cfg.Services = 12, []string{"none"}
		})
		defer w.shut(t)
		fill := func(owner string, places int, says string) {
			t.Helper()
			for range places {
				require.False(t, w.Queue(owner).Full)
				w.post(t, owner, 1, 0)
			}
			require.True(t, w.Queue(owner).Full)
			_, _, err := w.Submit(t.Context(), jobs.Submission{Owner: owner, Service: "echo"})
			require.Equal(t, services.KindBusy, services.KindOf(err), owner)
			require.ErrorContains(t, err, says)
			var fault *services.Fault
			require.ErrorAs(t, err, &fault)
			require.Positive(t, fault.RetryAfter)
		}
		require.Contains(t, w.Queue("flood").Detail(), "has room: 0 wait and the limit is 12; 0 of the waiting jobs are yours")
		fill("flood", 12, "the job queue is full of your own jobs: 12 wait and the limit is 12; 12 of the waiting jobs are yours")
		require.Contains(t, w.Queue("second").Detail(), "full of other callers' jobs: 12 wait and the limit is 12; there is a place for you")
		fill("second", 6, "full of the jobs of 2 callers: 18 wait and the limit is 12; 6 of the waiting jobs are yours")
		fill("third", 4, "of the jobs of 3 callers: 22 wait")
		fill("fourth", 2, "of the jobs of 4 callers: 24 wait")
		fill("fifth", 1, "5 callers: 25 wait")
		fill("sixth", 1, "6 callers: 26 wait")
	})
}

// TestAFullQueueSaysWhenAPlaceIsFree fills the queue of a service that ends a job every ten
// seconds.
func TestAFullQueueSaysWhenAPlaceIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := openWorkshop(t, 1, func(cfg *jobs.Config, _ *jobs.Dependencies) { cfg.MaxQueued, cfg.Spare = 30, 1 })
		defer w.shut(t)
		refusal := func(seconds int) (*services.Fault, error) {
			for {
				_, _, err := w.Submit(t.Context(), jobs.Submission{
					Owner: "one", Service: "echo", Params: fmt.Appendf(nil, `{"Seconds":%d}`, seconds),
				})
				var fault *services.Fault
				if err != nil {
					require.ErrorAs(t, err, &fault)
					return fault, err
				}
				synctest.Wait()
			}
		}
		fault, _ := refusal(10)
		require.LessOrEqual(t, fault.RetryAfter, time.Minute)
		time.Sleep(150 * time.Second)
		require.False(t, w.Queue("one").Full)
		require.InDelta(t, 15, w.Queue("one").Own, 2)
		fault, err := refusal(10)
		require.ErrorContains(t, err, "your own")
		require.InDelta(t, 10, fault.RetryAfter.Seconds(), 5, "half and twice are near enough")
		time.Sleep(2 * time.Hour)
		require.Equal(t, jobs.Queue{Limit: 30}, w.Queue("one"))
		refusal(40)
		time.Sleep(15 * 40 * time.Second)
		fault, _ = refusal(40)
		require.InDelta(t, 40, fault.RetryAfter.Seconds(), 20)
	})
}
