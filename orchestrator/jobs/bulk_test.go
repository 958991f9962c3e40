package jobs_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// within runs a manager over a store in memory, on a fake clock.
func within(t *testing.T, w *worker, do func(t *testing.T, b *bundle, store *recordstest.Memory), change ...func(*jobs.Config, *wiring)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		b := prepareOver(t, w, store, change...)
		require.NoError(t, b.db.Start(t.Context()))
		require.NoError(t, b.Start(t.Context()))
		defer b.stop()
		synctest.Wait()
		do(t, b, store)
	})
}

func TestLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, jobs.DefaultConfig().Validate())
	for _, c := range []struct {
		key       string
		change    func(c *jobs.Config, v int)
		good, bad []int
	}{
		{"spare", func(c *jobs.Config, v int) { c.Spare = v }, []int{1, 256}, []int{0, 257}},
		{"maxQueued", func(c *jobs.Config, v int) { c.MaxQueued = v }, []int{1, 1_000_000}, []int{0, 1_000_001}},
		{"maxRedeliveries", func(c *jobs.Config, v int) { c.MaxRedeliveries = v }, []int{0, 1}, []int{-1}},
		{"claimTimeout", func(c *jobs.Config, v int) { c.ClaimTimeout = 3*time.Second + time.Duration(v) }, []int{0}, []int{-1}},
		{"retry.delay", func(c *jobs.Config, v int) { c.Retry.Delay = time.Duration(v) }, []int{1}, []int{0, -1}},
		{"retry.maxDelay", func(c *jobs.Config, v int) { c.Retry.MaxDelay = c.Retry.Delay + time.Duration(v) }, []int{0, 1}, []int{-1}},
		{"retention.maxAge", func(c *jobs.Config, v int) { c.Retention.MaxAge = time.Minute + time.Duration(v) }, []int{0}, []int{-1}},
		{"retention.maxBytes", func(c *jobs.Config, v int) { c.Retention.MaxBytes = services.MiB + services.Bytes(v) }, []int{0}, []int{-1}},
		{"audio.ttl", func(c *jobs.Config, v int) { c.Audio.TTL = time.Minute + time.Duration(v) }, []int{0}, []int{-1}},
	} {
		for _, v := range c.good {
			cfg := jobs.DefaultConfig()
			c.change(&cfg, v)
			require.Empty(t, cfg.Validate(), "%s: %d", c.key, v)
		}
		for _, v := range c.bad {
			cfg := jobs.DefaultConfig()
			c.change(&cfg, v)
			errs := cfg.Validate()
			require.Len(t, errs, 1, "%s: %d", c.key, v)
			require.ErrorContains(t, errs[0], c.key+": must ")
		}
	}
}

// TestManyJobsAreCancelledAndDeleted has jobs of two owners in every status.
func TestManyJobsAreCancelledAndDeleted(t *testing.T) {
	t.Parallel()
	within(t, &worker{run: hangs(make(chan string, 10))}, func(t *testing.T, b *bundle, store *recordstest.Memory) {
		t.Helper()
		ids := make(map[string]string)
		for _, name := range []string{"runs", "waits", "waits too", "another's"} {
			s := jobs.Submission{Labels: map[string]string{"name": name}, Owner: "alice"}
			if name == "another's" {
				s.Owner = "bob"
			}
			ids[b.submit(t, s).ID] = name
			synctest.Wait()
		}
		left(t, store, "job-item", func(job *jobs.Job) {
			job.Status, job.Claim, job.Owner, job.Batch, job.Item, job.Finished = jobs.StatusSucceeded, nil, "alice", "batch-1", 3, time.Now()
		})
		synctest.Wait()
		require.Equal(t, []any{4, 1}, []any{b.Count(jobs.StatusRunning) + b.Count(jobs.StatusQueued), b.Count(jobs.StatusSucceeded)})
		require.Positive(t, b.Count(jobs.StatusQueued))
		time.Sleep(time.Minute)
		require.GreaterOrEqual(t, b.OldestQueued(), time.Minute)
		require.Equal(t, []bool{true, false}, []bool{b.Exists("job-item"), b.Exists("job-none")})
		requireOfBatch(t, b)
		alice := jobs.Filter{Owner: "alice"}
		done, err := b.RemoveAll(t.Context(), alice)
		require.NoError(t, err)
		require.Equal(t, jobs.Bulk{Matched: 4}, done, "none has ended but that of the batch")
		done, err = b.CancelAll(t.Context(), jobs.Filter{Owner: "alice", Labels: map[string]string{"name": "waits"}})
		require.NoError(t, err)
		require.Equal(t, jobs.Bulk{Matched: 1, Changed: 1}, done)
		synctest.Wait()
		ended, stop := context.WithCancel(t.Context())
		stop()
		done, err = b.CancelAll(ended, alice)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, jobs.Bulk{Matched: 4}, done)
		requireStoreFaults(t, b, store, alice)
		done, err = b.CancelAll(t.Context(), alice)
		require.NoError(t, err)
		require.Equal(t, jobs.Bulk{Matched: 4, Changed: 2}, done)
		synctest.Wait()
		for id, name := range ids {
			job, err := b.Get(t.Context(), "", id)
			require.NoError(t, err)
			if name == "another's" {
				require.NotEqual(t, jobs.StatusCancelled, job.Status)
				continue
			}
			require.Equal(t, jobs.StatusCancelled, job.Status, name)
		}
		done, err = b.RemoveAll(t.Context(), alice)
		require.NoError(t, err)
		require.Equal(t, jobs.Bulk{Matched: 4, Changed: 3}, done)
		page, err := b.List(t.Context(), jobs.Filter{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Jobs, 2)
		require.Zero(t, b.OldestQueued())
	}, func(c *jobs.Config, _ *wiring) { c.Spare = 1 })
}

// requireOfBatch checks that an item of a batch is left to it.
func requireOfBatch(t *testing.T, b *bundle) {
	t.Helper()
	_, err := b.Retry(t.Context(), "alice", "job-item")
	require.ErrorIs(t, err, jobs.ErrInBatch)
	require.ErrorContains(t, err, "job job-item is item 3 of batch batch-1; retry the batch")
	err = b.Remove(t.Context(), "alice", "job-item")
	require.ErrorIs(t, err, jobs.ErrInBatch)
	require.ErrorContains(t, err, "delete the batch")
}

// requireStoreFaults checks that changes of many jobs return the store's fault.
func requireStoreFaults(t *testing.T, b *bundle, store *recordstest.Memory, f jobs.Filter) {
	t.Helper()
	store.Before = func(operation, _ string) error {
		if operation == "replace" || operation == "delete" {
			return services.Faultf(services.KindUnavailable, "the store is down")
		}
		return nil
	}
	_, err := b.CancelAll(t.Context(), f)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	_, err = b.RemoveAll(t.Context(), f)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	store.Before = nil
}

// TestFiltersOfJobs has jobs that differ in one property each.
func TestFiltersOfJobs(t *testing.T) {
	t.Parallel()
	within(t, &worker{run: says("x")}, func(t *testing.T, b *bundle, store *recordstest.Memory) {
		t.Helper()
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for id, change := range map[string]func(*jobs.Job){
			"a": func(*jobs.Job) {},
			"b": func(j *jobs.Job) { j.Owner = "bob" },
			"c": func(j *jobs.Job) { j.Service = "other" },
			"d": func(j *jobs.Job) { j.Batch = "batch-1" },
			"e": func(j *jobs.Job) { j.Created = at.Add(time.Hour) },
			"f": func(j *jobs.Job) { j.Labels = map[string]string{"k": "w"} },
			"g": func(j *jobs.Job) { j.Status = jobs.StatusFailed },
			"h": func(j *jobs.Job) { j.Labels = nil },
		} {
			left(t, store, "job-"+id, func(job *jobs.Job) {
				job.Status, job.Claim, job.Owner, job.Service, job.Created = jobs.StatusSucceeded, nil, "alice", "echo", at
				job.Labels, job.Finished = map[string]string{"k": "v"}, time.Now()
				change(job)
			})
		}
		synctest.Wait()
		for name, c := range map[string]struct {
			filter jobs.Filter
			want   string
		}{
			"all":                 {jobs.Filter{}, "abcdefgh"},
			"owner":               {jobs.Filter{Owner: "bob"}, "b"},
			"service":             {jobs.Filter{Service: "other"}, "c"},
			"batch":               {jobs.Filter{Batch: "batch-1"}, "d"},
			"status":              {jobs.Filter{Statuses: []jobs.Status{jobs.StatusFailed, jobs.StatusQueued}}, "g"},
			"label":               {jobs.Filter{Labels: map[string]string{"k": "w"}}, "f"},
			"no such label":       {jobs.Filter{Labels: map[string]string{"other": ""}}, ""},
			"from":                {jobs.Filter{CreatedFrom: at.Add(time.Hour)}, "e"},
			"from a moment later": {jobs.Filter{CreatedFrom: at.Add(time.Hour + 1)}, ""},
			"to":                  {jobs.Filter{CreatedTo: at.Add(time.Hour)}, "abcdfgh"},
			"to a moment later":   {jobs.Filter{CreatedTo: at.Add(time.Hour + 1)}, "abcdefgh"},
		} {
			c.filter.Limit = 100
			page, err := b.List(t.Context(), c.filter)
			require.NoError(t, err)
			got := make([]string, 0, len(page.Jobs))
			for _, job := range page.Jobs {
				got = append(got, strings.TrimPrefix(job.ID, "job-"))
			}
			require.ElementsMatch(t, strings.Split(c.want, "")[:len(c.want)], got, name)
		}
	})
}

// TestItemsOfBatches has jobs of a batch and others.
func TestItemsOfBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
			return services.TaskResult{}, services.Invalidf("file", "is bad")
		}}
		b := prepareOver(t, w, recordstest.NewMemory())
		var seen []string
		items := b.Items(func(id string, before, now *jobs.Job) {
			step := "-"
			if before != nil {
				step = string(before.Status)
			}
			if now != nil {
				step += ">" + string(now.Status)
			}
			seen = append(seen, id+" "+step)
		})
		require.NoError(t, b.db.Start(t.Context()))
		require.NoError(t, b.Start(t.Context()))
		defer b.stop()
		synctest.Wait()
		b.end(t, b.submit(t, jobs.Submission{}).ID)
		require.Empty(t, seen, "it is of no batch")
		item := jobs.Submission{Service: "echo", Task: "say", Batch: "batch-1", Item: 2}
		require.NoError(t, items.Check(t.Context(), item))
		for field, bad := range map[string]jobs.Submission{
			"service":  {Service: "none", Task: "say"},
			"audio_id": {Service: "echo", Task: "say", AudioID: strings.Repeat("0", 64)},
		} {
			require.Error(t, items.Check(t.Context(), bad), field)
		}
		w.check = func(services.Task) error { return services.Invalidf("prompt", "is missing") }
		require.Equal(t, services.KindInvalid, services.KindOf(items.Check(t.Context(), item)))
		w.check = nil
		require.Equal(t, 1, w.runs(), "a check runs nothing")

		job, err := items.Submit(t.Context(), item)
		require.NoError(t, err)
		again, err := items.Submit(t.Context(), item)
		require.NoError(t, err)
		require.Equal(t, job.ID, again.ID, "an item has one job")
		synctest.Wait()
		require.Equal(t, []string{job.ID + " ->queued", job.ID + " queued>running", job.ID + " running>failed"}, seen)
		_, _, err = items.Result(t.Context(), job.ID)
		require.ErrorIs(t, err, jobs.ErrNoResult)
		require.NoError(t, items.Cancel(t.Context(), job.ID), "it has ended")
		require.Equal(t, jobs.Queue{Limit: b.cfg.MaxQueued, Owners: 0}, items.Queue(""))
		_, err = items.Retry(t.Context(), job.ID)
		require.NoError(t, err)
		synctest.Wait()
		got, err := items.Get(t.Context(), job.ID)
		require.NoError(t, err)
		require.Equal(t, []any{jobs.StatusFailed, 2}, []any{got.Status, len(got.Attempts)})
		require.NoError(t, items.Remove(t.Context(), job.ID))
		require.NoError(t, items.Remove(t.Context(), job.ID), "it has gone")
		require.Equal(t, job.ID+" failed", seen[len(seen)-1])
		b.stop()
	})
}

// TestEveryDelayOfARetry doubles up to the maximum.
func TestEveryDelayOfARetry(t *testing.T) {
	t.Parallel()
	w := &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		return services.TaskResult{}, &services.Fault{Kind: services.KindInternal, Message: "broken", Transient: true}
	}}
	within(t, w, func(t *testing.T, b *bundle, _ *recordstest.Memory) {
		t.Helper()
		job := b.end(t, b.submit(t, jobs.Submission{}).ID)
		require.Equal(t, jobs.StatusFailed, job.Status)
		var pauses []time.Duration
		for i := range job.Attempts[1:] {
			pauses = append(pauses, job.Attempts[i+1].Started.Sub(job.Attempts[i].Ended).Round(time.Second))
		}
		require.Equal(t, []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 45 * time.Second}, pauses)
	}, func(c *jobs.Config, d *wiring) {
		c.Retry.Delay, c.Retry.MaxDelay, d.MaxAttempts = 10*time.Second, 45*time.Second, 5
	})
}

// TestWhatExpiresOfTheJobs has jobs at their maximum age and just beyond it, of a batch, with
// a webhook.
func TestWhatExpiresOfTheJobs(t *testing.T) {
	t.Parallel()
	within(t, &worker{run: says("x")}, func(t *testing.T, b *bundle, store *recordstest.Memory) {
		t.Helper()
		now := time.Now().UTC()
		b.receiver.fails(1 << 30)
		for id, change := range map[string]func(*jobs.Job){
			"young": func(j *jobs.Job) { j.Finished = now.Add(-time.Hour) },
			"old":   func(j *jobs.Job) { j.Finished = now.Add(-48 * time.Hour) },
			"item":  func(j *jobs.Job) { j.Finished, j.Batch = now.Add(-48*time.Hour), "batch-1" },
			"owes": func(j *jobs.Job) {
				j.Finished, j.Callback = now.Add(-48*time.Hour), &jobs.Callback{URL: "http://x", State: jobs.CallbackPending}
			},
			"waits": func(j *jobs.Job) { j.Status, j.Service = jobs.StatusQueued, "later" },
		} {
			left(t, store, "job-"+id, func(job *jobs.Job) {
				job.Status, job.Claim, job.Created = jobs.StatusSucceeded, nil, now.Add(-50*time.Hour)
				job.Result = &jobs.Result{ValueID: "value-job-" + id + "-1", ValueBytes: 1000}
				change(job)
			})
		}
		for _, name := range []string{"value-job-young-1", "value-job-young-2", "value-job-old-1", "value-job-waits-3",
			"value-job-gone-1", "other"} {
			require.NoError(t, putObject(t, store, name))
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		known := func() (ids []string) {
			page, err := b.List(t.Context(), jobs.Filter{Limit: 100})
			require.NoError(t, err)
			for _, job := range page.Jobs {
				ids = append(ids, strings.TrimPrefix(job.ID, "job-"))
			}
			return ids
		}
		require.ElementsMatch(t, []string{"young", "item", "owes", "waits"}, known())
		names, err := store.Objects(t.Context())
		require.NoError(t, err)
		require.NotContains(t, names, "value-job-old-1")
		require.Contains(t, names, "value-job-young-1")
		require.Contains(t, names, "other", "it is no result")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		names, err = store.Objects(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"value-job-young-1", "value-job-waits-3", "other"}, names, "no job names the others")
		b.receiver.fails(0)
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		require.ElementsMatch(t, []string{"item", "waits"}, known(), "the webhook was delivered, and the young one is old")
	}, func(c *jobs.Config, d *wiring) {
		c.Retention.MaxAge, d.MaxDeliveries, c.Retry.Delay, c.Retry.MaxDelay = 24*time.Hour, 1000, time.Hour, time.Hour
	})
}

// TestTooManyBytesOfJobs has more bytes than are allowed.
func TestTooManyBytesOfJobs(t *testing.T) {
	t.Parallel()
	within(t, &worker{run: says("x")}, func(t *testing.T, b *bundle, store *recordstest.Memory) {
		t.Helper()
		now := time.Now().UTC()
		for i, id := range []string{"oldest", "older", "newest"} {
			left(t, store, "job-"+id, func(job *jobs.Job) {
				job.Status, job.Claim, job.Created, job.Finished = jobs.StatusSucceeded, nil, now.Add(time.Duration(i-5)*time.Minute), now
				job.Result = &jobs.Result{ValueID: "value-job-" + id + "-1", ValueBytes: int64(services.MiB) / 2}
			})
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		require.Equal(t, []bool{false, false, true}, []bool{b.Exists("job-oldest"), b.Exists("job-older"), b.Exists("job-newest")},
			"no more than are too many, the oldest first")
	}, func(c *jobs.Config, _ *wiring) { c.Retention.MaxBytes = services.MiB })
}

func putObject(t *testing.T, store *recordstest.Memory, name string) error {
	t.Helper()
	staged, err := store.Stage(t.Context(), strings.NewReader("x"))
	if err != nil {
		return err
	}
	return staged.Commit(t.Context(), name)
}
