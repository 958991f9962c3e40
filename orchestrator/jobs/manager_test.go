package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

func TestAJobRunsAndItsResultIsStored(t *testing.T) {
	t.Parallel()
	w := &worker{run: func(_ context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		if task.Name != "say" || task.Model != "echo-large" || string(task.Params) != `{"loud":true}` || task.Priority != services.PriorityHigh {
			return services.TaskResult{}, services.Faultf(services.KindInvalid, "got %+v", task)
		}
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		data, err := io.ReadAll(file)
		sink.Progress(0.5, "halfway")
		return services.TaskResult{Model: "echo-large", Value: string(data)}, err
	}}
	b := setup(t, w)
	job := b.submit(t, jobs.Submission{
		Params: json.RawMessage(`{"loud":true,"model":"echo-large"}`), Priority: services.PriorityHigh,
		Labels: map[string]string{"a": "b"}, Upload: b.upload(t, "hello"),
	})
	require.Equal(t, jobs.StatusQueued, job.Status)
	job = b.end(t, job.ID)
	require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
	require.Len(t, job.Attempts, 1)
	require.Equal(t, services.OutcomeSuccess, job.Attempts[0].Outcome)
	require.Nil(t, job.Claim)
	require.InDelta(t, 1, job.Progress, 0)
	_, value, err := b.Result(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.Equal(t, `"hello"`, string(value))
}

func TestALargeResultAndASoundAreStored(t *testing.T) {
	t.Parallel()
	large := string(bytes.Repeat([]byte("x"), 200<<10))
	w := &worker{run: func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		path := filepath.Join(t.TempDir(), "made")
		err := os.WriteFile(path, []byte("a sound"), 0o600)
		return services.TaskResult{Value: large, Audio: &services.Artifact{Path: path, ContentType: "audio/flac", Bytes: 7}}, err
	}}
	b := setup(t, w)
	job := b.end(t, b.submit(t, jobs.Submission{}).ID)
	require.Equal(t, jobs.StatusSucceeded, job.Status, job.Failure)
	_, value, err := b.Result(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.Len(t, value, len(large)+2)
	file, audio, err := b.library.Open(t.Context(), services.Caller{}, job.Result.AudioID)
	require.NoError(t, err)
	defer file.Close()
	require.Equal(t, "audio/flac", audio.ContentType)
	_, err = file.Seek(2, io.SeekStart)
	require.NoError(t, err)
	rest, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "sound", string(rest))
}

func TestFailuresAreTriedAgainOrNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		runs   int
		status jobs.Status
	}{
		"a fault of the service uses the attempts up": {services.Internal(errors.New("x"), "it broke"), 3, jobs.StatusFailed},
		"a timeout too":                   {services.Faultf(services.KindTimeout, "it broke"), 3, jobs.StatusFailed},
		"bad input is final":              {services.Invalidf("audio", "it broke"), 1, jobs.StatusFailed},
		"too large is final":              {services.Faultf(services.KindTooLarge, "it broke"), 1, jobs.StatusFailed},
		"a refusal counts for nothing":    {services.Faultf(services.KindBusy, "it broke"), 8, jobs.StatusSucceeded},
		"nor does a service that is down": {services.Faultf(services.KindUnavailable, "it broke"), 8, jobs.StatusSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &worker{}
			w.run = func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
				if w.runs() == 8 {
					return services.TaskResult{Value: 1}, nil
				}
				return services.TaskResult{}, c.err
			}
			b := setup(t, w)
			job := b.end(t, b.submit(t, jobs.Submission{}).ID)
			require.Equal(t, c.status, job.Status)
			require.Len(t, job.Attempts, c.runs)
			require.Equal(t, c.runs, w.runs())
			require.Equal(t, services.OutcomeOf(c.err), job.Attempts[0].Outcome)
			require.Contains(t, job.Attempts[0].Error, "it broke")
			if c.status == jobs.StatusFailed {
				require.Equal(t, services.KindOf(c.err), job.Failure.Kind)
				require.Contains(t, job.Failure.Message, "it broke")
				_, _, err := b.Result(t.Context(), "", job.ID)
				require.ErrorIs(t, err, jobs.ErrNoResult)
				again, err := b.Retry(t.Context(), "", job.ID)
				require.NoError(t, err)
				require.Equal(t, jobs.StatusQueued, again.Status)
				require.Len(t, b.end(t, job.ID).Attempts, 2*c.runs, "a retry has all its attempts before it")
			} else {
				_, err := b.Retry(t.Context(), "", job.ID)
				require.ErrorIs(t, err, jobs.ErrNotRetriable)
			}
		})
	}
}

func TestAPanicInAResultIsNotTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says(math.NaN())})
	job := b.end(t, b.submit(t, jobs.Submission{}).ID)
	require.Equal(t, jobs.StatusFailed, job.Status, "a result that is no JSON is a failure, not a loop")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	began := make(chan string)
	w := &worker{run: hangs(began)}
	b := setup(t, w, func(c *jobs.Config, _ *wiring) { c.Spare = 1 })
	running, second := b.submit(t, jobs.Submission{}), b.submit(t, jobs.Submission{})
	begins(t, began)
	begins(t, began)
	queued := b.submit(t, jobs.Submission{})
	job, err := b.Cancel(t.Context(), "", queued.ID)
	require.NoError(t, err)
	require.Equal(t, jobs.StatusCancelled, job.Status)
	require.Empty(t, job.Attempts)
	for _, id := range []string{running.ID, second.ID} {
		job, err = b.Cancel(t.Context(), "", id)
		require.NoError(t, err)
		require.Equal(t, jobs.StatusCancelled, job.Status)
		require.Equal(t, services.KindCancelled, job.Failure.Kind)
		require.Equal(t, services.Outcome("cancelled"), job.Attempts[0].Outcome)
	}
	again, err := b.Cancel(t.Context(), "", running.ID)
	require.NoError(t, err)
	require.Equal(t, job.Status, again.Status)
	require.Equal(t, 2, w.runs(), "a cancelled job in the queue never starts")
	_, err = b.Cancel(t.Context(), "", "job-never")
	require.Equal(t, services.KindNotFound, services.KindOf(err))
}

func TestJobsOfAnotherOwnerDoNotExist(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")})
	job := b.submit(t, jobs.Submission{Owner: "key-1"})
	b.end(t, job.ID)
	_, err := b.Get(t.Context(), "key-2", job.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, err = b.Cancel(t.Context(), "key-2", job.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, err = b.Retry(t.Context(), "key-2", job.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, _, err = b.Result(t.Context(), "key-2", job.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	require.Equal(t, services.KindNotFound, services.KindOf(b.Follow(t.Context(), "key-2", job.ID, 0, func(jobs.Job) error { return nil })))
	page, err := b.List(t.Context(), jobs.Filter{Owner: "key-2", Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Jobs)
	_, err = b.Get(t.Context(), "key-1", job.ID)
	require.NoError(t, err)
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	began := make(chan string)
	w := &worker{}
	w.run = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		ctx, cancel := context.WithDeadline(ctx, task.Deadline)
		defer cancel()
		return hangs(began)(ctx, task, sink)
	}
	b := setup(t, w, func(c *jobs.Config, _ *wiring) { c.Spare = 1 })
	soon := time.Now().Add(2 * time.Second) // on a busy machine a job takes a while to begin
	first, second := b.submit(t, jobs.Submission{Deadline: soon}), b.submit(t, jobs.Submission{Deadline: soon})
	begins(t, began)
	begins(t, began)
	waiting := b.submit(t, jobs.Submission{Deadline: time.Now().Add(200 * time.Millisecond)})
	for _, id := range []string{first.ID, second.ID, waiting.ID} {
		job := b.end(t, id)
		require.Equal(t, jobs.StatusFailed, job.Status)
		require.Equal(t, services.KindTimeout, job.Failure.Kind)
		require.Contains(t, job.Failure.Message, "deadline")
	}
	require.Equal(t, 2, w.runs())
}

func TestAnIntactOrderOfTurns(t *testing.T) {
	t.Parallel()
	gate, held := make(chan struct{}), make(chan struct{})
	w := &worker{}
	w.run = func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		if w.runs() == 1 {
			<-held // one place stays taken, so that the others go one by one
		} else {
			<-gate
		}
		return services.TaskResult{Value: "x"}, nil
	}
	b := setup(t, w, func(c *jobs.Config, d *wiring) {
		c.Spare = 1
		d.Runs["echo"] = 1
		c.Services = []string{"echo"}
	})
	// Two take the places; the others line up.
	for n := range 2 {
		job := b.submit(t, jobs.Submission{})
		b.await(t, job.ID, func(job jobs.Job) bool { return job.Status == jobs.StatusRunning })
		for w.runs() <= n {
			runtime.Gosched()
		}
	}
	long := b.submit(t, jobs.Submission{Upload: b.upload(t, strings.Repeat("x", 8<<20))})
	low := b.submit(t, jobs.Submission{Priority: services.PriorityLow})
	normal := b.submit(t, jobs.Submission{})
	high := b.submit(t, jobs.Submission{Priority: services.PriorityHigh})
	close(gate)
	for _, id := range []string{long.ID, low.ID, normal.ID, high.ID} {
		b.end(t, id)
	}
	close(held)
	require.Equal(t, []string{high.ID, normal.ID, long.ID, low.ID}, w.order[2:])
}

func TestPagesOfAList(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{run: says("x")}, t.TempDir(), func(cfg *jobs.Config, _ *wiring) { cfg.Services = []string{"none"} })
	b.start(t)
	var made []string
	for i := range 7 {
		made = append(made, b.submit(t, jobs.Submission{Labels: map[string]string{"odd": fmt.Sprint(i % 2)}}).ID)
	}
	var listed []string
	cursor := ""
	for {
		page, err := b.List(t.Context(), jobs.Filter{Limit: 3, Cursor: cursor})
		require.NoError(t, err)
		for _, job := range page.Jobs {
			listed = append(listed, job.ID)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		if len(listed) == 3 {
			// One that comes meanwhile shifts nothing.
			b.submit(t, jobs.Submission{})
		}
	}
	want := make([]string, 0, 7)
	for i := range made {
		want = append(want, made[6-i])
	}
	require.Equal(t, want, listed)
	page, err := b.List(t.Context(), jobs.Filter{Limit: 10, Labels: map[string]string{"odd": "1"}, Statuses: []jobs.Status{jobs.StatusQueued}})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 3)
	_, err = b.List(t.Context(), jobs.Filter{Limit: 10, Cursor: "!"})
	require.ErrorContains(t, err, "cursor")
}
