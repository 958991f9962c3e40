package jobs_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// makes is a task with a large result and a sound.
func makes(dir string) func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
	return func(_ context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		path := filepath.Join(dir, task.ID)
		err := os.WriteFile(path, []byte("a sound"), 0o600)
		return services.TaskResult{
			Value: strings.Repeat("x", 100<<10), Audio: &services.Artifact{Path: path, ContentType: "audio/flac", Bytes: 7},
		}, err
	}
}

func TestAFinishedJobIsDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: makes(t.TempDir())})
	ask := jobs.Submission{Owner: "key-1", IdempotencyKey: "k"}
	job := b.end(t, b.submit(t, ask).ID)
	require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
	require.Equal(t, services.KindNotFound, services.KindOf(b.Remove(t.Context(), "key-2", job.ID)))
	require.NoError(t, b.Remove(t.Context(), "key-1", job.ID))
	_, err := b.Get(t.Context(), "", job.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	require.Equal(t, services.KindNotFound, services.KindOf(b.Remove(t.Context(), "key-1", job.ID)))
	require.Zero(t, b.Count(jobs.StatusSucceeded))
	names, err := b.store.Objects(t.Context())
	require.NoError(t, err)
	require.Len(t, names, 1, "the sound alone")
	owner := services.Caller{Key: "key-1"}
	file, _, err := b.library.Open(t.Context(), owner, job.Result.AudioID)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	again, existed, err := b.Submit(t.Context(), jobs.Submission{Service: "echo", Owner: "key-1", IdempotencyKey: "k"})
	require.NoError(t, err)
	require.False(t, existed, "the key is free")
	require.Equal(t, jobs.StatusSucceeded, b.end(t, again.ID).Status)
}

func TestAJobThatHasNotEndedIsNotDeleted(t *testing.T) {
	t.Parallel()
	began := make(chan string, 1)
	b := setup(t, &worker{run: hangs(began)}, func(cfg *jobs.Config, _ *wiring) { cfg.Spare = 0 })
	running := b.submit(t, jobs.Submission{})
	begins(t, began)
	queued := b.submit(t, jobs.Submission{})
	for id, status := range map[string]string{running.ID: "running", queued.ID: "queued"} {
		err := b.Remove(t.Context(), "", id)
		require.ErrorIs(t, err, jobs.ErrNotFinished)
		require.ErrorContains(t, err, status)
	}
	_, err := b.Cancel(t.Context(), "", queued.ID)
	require.NoError(t, err)
	require.NoError(t, b.Remove(t.Context(), "", queued.ID))
}

// retrying is a store in which a job is retried just before it is deleted.
type retrying struct {
	records.Store
	retry func(id string)
}

func (r *retrying) Delete(ctx context.Context, key string, at records.Revision) error {
	if id, isJob := strings.CutPrefix(key, "job."); isJob && r.retry != nil {
		retry := r.retry
		r.retry = nil
		retry(id)
	}
	return r.Store.Delete(ctx, key, at)
}

func TestAJobThatIsRetriedMeanwhileIsNotDeleted(t *testing.T) {
	t.Parallel()
	store := &retrying{}
	began := make(chan string, 2)
	b := setup(t, &worker{run: hangs(began)}, func(_ *jobs.Config, made *wiring) { store.Store, made.Store = made.Store, store })
	job := b.submit(t, jobs.Submission{})
	begins(t, began)
	_, err := b.Cancel(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.StatusCancelled, b.end(t, job.ID).Status)
	store.retry = func(id string) {
		_, err := b.Retry(t.Context(), "", id)
		require.NoError(t, err)
	}
	require.ErrorIs(t, b.Remove(t.Context(), "", job.ID), jobs.ErrNotFinished)
	begins(t, began)
}

func TestJobsAreCountedByStatus(t *testing.T) {
	t.Parallel()
	began := make(chan string, 1)
	b := setup(t, &worker{run: hangs(began)}, func(cfg *jobs.Config, _ *wiring) { cfg.Spare = 0 })
	first := b.submit(t, jobs.Submission{Owner: "key-1", Params: json.RawMessage(`{"loud":true}`)})
	begins(t, began)
	for _, owner := range []string{"key-1", "key-2", "key-2"} {
		last := b.submit(t, jobs.Submission{Owner: owner})
		if owner == "key-1" {
			_, err := b.Cancel(t.Context(), "", last.ID)
			require.NoError(t, err)
		}
	}
	for owner, want := range map[string]map[jobs.Status]int{
		"key-1": {jobs.StatusRunning: 1, jobs.StatusCancelled: 1}, "key-2": {jobs.StatusQueued: 2}, "key-3": {},
		"": {jobs.StatusRunning: 1, jobs.StatusCancelled: 1, jobs.StatusQueued: 2},
	} {
		page, err := b.List(t.Context(), jobs.Filter{Owner: owner, Limit: 1, Statuses: []jobs.Status{jobs.StatusFailed}})
		require.NoError(t, err)
		require.Equal(t, want, page.Counts, owner)
	}
	page, err := b.List(t.Context(), jobs.Filter{Owner: "key-1", Limit: 5})
	require.NoError(t, err)
	require.Empty(t, page.Jobs[1].Params)
	page, err = b.List(t.Context(), jobs.Filter{Owner: "key-1", Limit: 5, WithParams: true})
	require.NoError(t, err)
	require.Equal(t, first.ID, page.Jobs[1].ID)
	require.JSONEq(t, `{"loud":true}`, string(page.Jobs[1].Params))
}

func TestTheTitleOfAJob(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")})
	named := func(name string) *library.Incoming {
		in, err := b.library.Receive(t.Context(), strings.NewReader("hello "+name), library.About{Name: name})
		require.NoError(t, err)
		return in
	}
	stored, _, err := b.library.Save(t.Context(), named("/a/stored.wav"), "")
	require.NoError(t, err)
	for want, s := range map[string]jobs.Submission{
		"of its own":             {Title: "of its own", Params: json.RawMessage(`{"question":"What?"}`)},
		"What do you hear?":      {Params: json.RawMessage(`{"question":" What do\n you hear?"}`), Upload: named("a.wav")},
		"rain":                   {Params: json.RawMessage(`{"prompt":"rain"}`)},
		"b.wav":                  {Params: json.RawMessage(`{"prompt":"names of people"}`), Upload: named("../b.wav")},
		"stored.wav":             {AudioID: stored.ID},
		"":                       {Params: json.RawMessage(`{"prompt":7}`)},
		strings.Repeat("ä", 200): {Params: json.RawMessage(`{"prompt":"` + strings.Repeat("ä", 300) + `"}`)},
	} {
		require.Equal(t, want, b.submit(t, s).Title)
	}
	page, err := b.List(t.Context(), jobs.Filter{Limit: 10})
	require.NoError(t, err)
	titles := make(map[string]bool)
	for _, job := range page.Jobs {
		titles[job.Title] = true
	}
	require.Len(t, titles, 7, "also in lists")
	one := jobs.Submission{Service: "echo", IdempotencyKey: "k", Title: "one"}
	_, _, err = b.Submit(t.Context(), one)
	require.NoError(t, err)
	_, existed, err := b.Submit(t.Context(), one)
	require.NoError(t, err)
	require.True(t, existed)
	one.Title = "other"
	_, _, err = b.Submit(t.Context(), one)
	require.ErrorIs(t, err, jobs.ErrKeyReused)
}
