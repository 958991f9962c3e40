package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// left writes the record of a job that another worker has claimed and left.
func left(t *testing.T, store records.Store, id string, change func(*jobs.Job)) {
	t.Helper()
	now := time.Now().UTC()
	job := jobs.Job{
		ID: id, Service: "echo", Task: "say", Status: jobs.StatusRunning, Created: now, Started: now,
		Claim:    &jobs.Claim{Worker: "gone", Token: "token", Since: now},
		Attempts: []jobs.Attempt{{Started: now, Worker: "gone"}},
	}
	change(&job)
	raw, err := json.Marshal(job)
	require.NoError(t, err)
	_, err = store.Create(t.Context(), "job."+id, raw)
	require.NoError(t, err)
}

func TestJobsOfAProcessThatEndedAreDeliveredAgain(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{run: says("done")}, t.TempDir(), func(c *jobs.Config, _ *wiring) { c.MaxRedeliveries = 4 })
	left(t, b.store, "job-first", func(*jobs.Job) {})
	left(t, b.store, "job-often", func(job *jobs.Job) { job.Redeliveries, job.Tries = 3, 2 })
	left(t, b.store, "job-poison", func(job *jobs.Job) { job.Redeliveries = 4 })
	left(t, b.store, "job-cancelled", func(job *jobs.Job) { job.CancelRequested = true })
	b.start(t)
	for id, want := range map[string]struct {
		status       jobs.Status
		redeliveries int
	}{
		"job-first": {jobs.StatusSucceeded, 1}, "job-often": {jobs.StatusSucceeded, 4},
		"job-poison": {jobs.StatusFailed, 5}, "job-cancelled": {jobs.StatusCancelled, 0},
	} {
		job := b.end(t, id)
		require.Equal(t, want.status, job.Status, id)
		require.Equal(t, want.redeliveries, job.Redeliveries, id)
		require.Equal(t, jobs.OutcomeLost, job.Attempts[0].Outcome, id)
	}
	require.Equal(t, 2, b.worker.runs())
	poison, err := b.Get(t.Context(), "", "job-poison")
	require.NoError(t, err)
	require.Contains(t, poison.Failure.Message, "maxRedeliveries")
}

// shared makes a store look as if other processes used it too.
type shared struct{ records.Store }

func (shared) Exclusive() bool { return false }

func TestASharedStoresClaimHoldsWhileItsWorkerLives(t *testing.T) {
	t.Parallel()
	began := make(chan string, 2)
	first := setup(t, &worker{run: hangs(began)}, func(c *jobs.Config, d *wiring) {
		d.Store, c.ClaimTimeout = shared{d.Store}, 3*time.Second
	})
	second := &worker{run: says("stolen")}
	deps := first.deps
	deps.Executor = second
	db, _, thief := manage(first.cfg, wiring{Dependencies: deps, Store: shared{first.store}})
	defer func() {
		require.NoError(t, thief.Stop(t.Context()))
		require.NoError(t, db.Stop(t.Context()))
	}()

	job := first.submit(t, jobs.Submission{})
	begins(t, began)
	require.NoError(t, db.Start(t.Context()))
	require.NoError(t, thief.Start(t.Context()))
	// Signs of life are counted, not time: the claim outlives its timeout by them.
	revisions := 0
	enough := errors.New("enough")
	err := first.Follow(t.Context(), "", job.ID, 0, func(job jobs.Job) error {
		require.Equal(t, jobs.StatusRunning, job.Status)
		if revisions++; time.Since(job.Claim.Since) > 5*time.Second {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Greater(t, revisions, 5)
	require.Zero(t, second.runs())
	// The other process cancels it.
	cancelled, err := thief.Cancel(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.StatusCancelled, cancelled.Status)
}

func TestAWorkerThatLostItsClaimCannotWriteTheEnd(t *testing.T) {
	t.Parallel()
	began, finish := make(chan string), make(chan struct{})
	b := setup(t, &worker{run: func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		began <- task.ID
		<-finish
		return services.TaskResult{Value: strings.Repeat("late", 20<<10)}, nil // large enough for an object
	}}, func(_ *jobs.Config, d *wiring) { d.Store = shared{d.Store} })
	job := b.submit(t, jobs.Submission{})
	begins(t, began)
	raw, at, err := b.store.Read(t.Context(), "job."+job.ID)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &job))
	job.Status, job.Claim, job.Result = jobs.StatusSucceeded, nil, &jobs.Result{Value: json.RawMessage(`"first"`)}
	raw, err = json.Marshal(job)
	require.NoError(t, err)
	_, err = b.store.Replace(t.Context(), "job."+job.ID, raw, at)
	require.NoError(t, err)
	close(finish)
	b.halt(t)
	stored, _, err := b.store.Read(t.Context(), "job."+job.ID)
	require.NoError(t, err)
	require.Equal(t, string(raw), string(stored))
	names, err := b.store.Objects(t.Context())
	require.NoError(t, err)
	require.Empty(t, names, "the result that lost is not left behind")
}

// halt ends the manager and leaves its store open.
func (b *bundle) halt(t *testing.T) {
	t.Helper()
	require.NoError(t, b.Stop(t.Context()))
}

func TestAStopSendsJobsBackUncounted(t *testing.T) {
	t.Parallel()
	began := make(chan string)
	dir := t.TempDir()
	first := prepare(t, &worker{run: hangs(began)}, dir)
	first.start(t)
	job := first.submit(t, jobs.Submission{})
	begins(t, began)
	first.stop()
	second := prepare(t, &worker{run: says("done")}, dir)
	job, err := second.Get(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.StatusQueued, job.Status)
	require.Equal(t, jobs.OutcomeInterrupted, job.Attempts[0].Outcome)
	second.start(t)
	job = second.end(t, job.ID)
	require.Equal(t, jobs.StatusSucceeded, job.Status)
	require.Zero(t, job.Tries)
	require.Zero(t, job.Redeliveries)
}

var errCrash = errors.New("crash")

// mortal ends after so many writes, before or after the last of them takes
// effect, as a process would.
type mortal struct {
	records.Store
	writes atomic.Int64
	limit  int64
	after  bool
}

func (m *mortal) write(do func() error) error {
	n := m.writes.Add(1)
	if n > m.limit || n == m.limit && !m.after {
		return errCrash
	}
	err := do()
	if n == m.limit {
		return errCrash
	}
	return err
}

func (m *mortal) Create(ctx context.Context, key string, value []byte) (at records.Revision, err error) {
	err = m.write(func() (err error) { at, err = m.Store.Create(ctx, key, value); return err })
	return at, err
}

func (m *mortal) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	staged, err := m.Store.Stage(ctx, r)
	return &mortalObject{staged, m}, err
}

// mortalObject counts its commit as a write.
type mortalObject struct {
	records.Staged
	process *mortal
}

func (o *mortalObject) Commit(ctx context.Context, name string) error {
	return o.process.write(func() error { return o.Staged.Commit(ctx, name) })
}

func TestACrashBetweenAnyTwoWritesOfASubmission(t *testing.T) {
	t.Parallel()
	for limit := int64(1); limit <= 4; limit++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, %v", limit, after), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				submission := jobs.Submission{Service: "echo", IdempotencyKey: "k"}
				dying := prepare(t, &worker{run: says("x")}, dir, func(_ *jobs.Config, d *wiring) {
					d.Store = &mortal{Store: d.Store, limit: limit, after: after}
				})
				submission.Upload = dying.upload(t, "hello")
				_, _, err := dying.Submit(t.Context(), submission)
				require.ErrorIs(t, err, errCrash)
				dying.stop()

				w := &worker{run: says("done")}
				b := prepare(t, w, dir)
				b.start(t)
				submission.Upload = b.upload(t, "hello")
				job, existed, err := b.Submit(t.Context(), submission)
				require.NoError(t, err, "the client that got no answer asks again")
				require.Equal(t, limit == 4 && after, existed)
				require.Equal(t, jobs.StatusSucceeded, b.end(t, job.ID).Status)
				page, err := b.List(t.Context(), jobs.Filter{Limit: 10})
				require.NoError(t, err)
				require.Len(t, page.Jobs, 1)
				require.Equal(t, 1, w.runs())
			})
		}
	}
}

func TestWhatACrashLeavesBehindGoesAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dying := prepare(t, &worker{run: says("x")}, dir, func(_ *jobs.Config, d *wiring) {
		d.Store = &mortal{Store: d.Store, limit: 2}
	})
	_, _, err := dying.Submit(t.Context(), jobs.Submission{Service: "echo", Upload: dying.upload(t, "orphan")})
	require.ErrorIs(t, err, errCrash)
	require.NoError(t, records.PutObject(t.Context(), dying.store, "value-job-never-token", strings.NewReader("lost")))
	dying.stop()
	b := prepare(t, &worker{run: says(strings.Repeat("x", 100<<10))}, dir)
	b.start(t)
	lasting := b.end(t, b.submit(t, jobs.Submission{Upload: b.upload(t, "kept")}).ID)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		names, err := b.store.Objects(t.Context())
		require.NoError(c, err)
		require.Len(c, names, 2)
		require.Contains(c, names, lasting.Result.ValueID)
		require.Contains(c, strings.Join(names, " "), "audio-"+lasting.AudioID)
	}, 10*time.Second, 10*time.Millisecond)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{run: says("x")}, t.TempDir())
	long := time.Now().Add(-8 * 24 * time.Hour).UTC()
	old := func(job *jobs.Job) {
		job.Status, job.Claim, job.Created, job.Finished = jobs.StatusSucceeded, nil, long, long
	}
	left(t, b.store, "job-old", func(job *jobs.Job) {
		old(job)
		job.Result = &jobs.Result{ValueID: "value-job-old-token", ValueBytes: 4}
	})
	require.NoError(t, records.PutObject(t.Context(), b.store, "value-job-old-token", strings.NewReader("long")))
	left(t, b.store, "job-owes", func(job *jobs.Job) {
		old(job)
		job.Callback = &jobs.Callback{URL: "http://x", State: jobs.CallbackPending, Next: time.Now().Add(20 * time.Minute)}
	})
	left(t, b.store, "job-waits", func(job *jobs.Job) {
		old(job)
		job.Status, job.Service = jobs.StatusQueued, "later"
	})
	b.start(t)
	require.Eventually(t, func() bool {
		_, err := b.Get(t.Context(), "", "job-old")
		return services.KindOf(err) == services.KindNotFound
	}, 10*time.Second, 5*time.Millisecond)
	for _, id := range []string{"job-owes", "job-waits"} {
		_, err := b.Get(t.Context(), "", id)
		require.NoError(t, err, id)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		names, err := b.store.Objects(t.Context())
		require.NoError(c, err)
		require.Empty(c, names)
	}, 10*time.Second, 5*time.Millisecond)
}

func TestProgressIsTrue(t *testing.T) {
	t.Parallel()
	step := make(chan float64)
	b := setup(t, &worker{run: func(_ context.Context, _ services.Task, sink services.Sink) (services.TaskResult, error) {
		for fraction := range step {
			sink.Progress(fraction, "windows")
		}
		return services.TaskResult{Value: "x"}, nil
	}})
	job := b.submit(t, jobs.Submission{})
	step <- 0.25
	seen := b.await(t, job.ID, func(job jobs.Job) bool { return job.Progress == 0.25 })
	require.Equal(t, "windows", seen.Stage)
	step <- 0.75
	step <- 0.5 // does not go back
	seen = b.await(t, job.ID, func(job jobs.Job) bool { return job.Progress > 0.25 })
	require.InDelta(t, 0.75, seen.Progress, 0)
	require.Positive(t, seen.SecondsLeft)
	close(step)
	require.InDelta(t, 1, b.end(t, job.ID).Progress, 0)
}

// deaf is a store whose first watch breaks off, and which is then changed before
// the next one.
type deaf struct {
	records.Store
	broken    atomic.Bool
	meanwhile func()
}

func (d *deaf) Watch(ctx context.Context, changed func(records.Change)) error {
	if d.broken.Swap(true) {
		return d.Store.Watch(ctx, func(change records.Change) {
			// The marks of deletions go in time.
			if change.Value != nil || change.CaughtUp {
				changed(change)
			}
		})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := d.Store.Watch(ctx, func(change records.Change) {
		changed(change)
		if change.CaughtUp {
			cancel()
		}
	})
	d.meanwhile()
	return err
}

func TestWhatWasDeletedUnwatchedIsForgotten(t *testing.T) {
	t.Parallel()
	store := &deaf{}
	b := prepare(t, &worker{run: says("x")}, t.TempDir(), func(c *jobs.Config, d *wiring) {
		store.Store, d.Store = d.Store, store
		c.Services = []string{"none"}
	})
	left(t, b.store, "job-gone", func(job *jobs.Job) { job.Status, job.Claim = jobs.StatusQueued, nil })
	left(t, b.store, "job-stays", func(job *jobs.Job) { job.Status, job.Claim = jobs.StatusQueued, nil })
	store.meanwhile = func() {
		_, at, err := b.store.Read(context.Background(), "job.job-gone")
		if err == nil {
			err = b.store.Delete(context.Background(), "job.job-gone", at)
		}
		if err != nil {
			t.Error(err)
		}
	}
	b.start(t)
	require.Eventually(t, func() bool {
		page, err := b.List(t.Context(), jobs.Filter{Limit: 10})
		return err == nil && len(page.Jobs) == 1 && page.Jobs[0].ID == "job-stays"
	}, 20*time.Second, 5*time.Millisecond)
}
