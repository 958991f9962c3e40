package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/jobs/natsstore"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// worker is a scripted executor.
type worker struct {
	mu    sync.Mutex
	order []string
	check func(services.Task) error
	run   func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error)
}

func (w *worker) Execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	w.mu.Lock()
	w.order = append(w.order, task.ID)
	w.mu.Unlock()
	return w.run(ctx, task, sink)
}

func (w *worker) Check(_ context.Context, task services.Task) error {
	if w.check == nil {
		return nil
	}
	return w.check(task)
}

func (w *worker) runs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.order)
}

// says is a task that answers at once.
func says(value any) func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
	return func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
		return services.TaskResult{Model: "echo-tiny", Value: value}, nil
	}
}

// hangs runs until it is stopped, and tells that it began.
func hangs(began chan<- string) func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
	return func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		sink.Progress(0.25, "hanging")
		began <- task.ID
		<-ctx.Done()
		return services.TaskResult{}, ctx.Err()
	}
}

// receiver is a scripted sender of webhooks.
type receiver struct {
	mu     sync.Mutex
	bodies [][]byte
	ids    []string
	fail   int // so many tries first
}

func (r *receiver) CheckURL(url string) error {
	if url == "http://private" {
		return services.Invalidf("callback_url", "is private")
	}
	return nil
}

func (r *receiver) Send(_ context.Context, _, id string, body []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.ids = append(r.bodies, body), append(r.ids, id)
	if len(r.bodies) <= r.fail {
		return 500, errors.New("the receiver answered 500")
	}
	return 200, nil
}

// bundle is a manager over a store in a folder.
type bundle struct {
	*jobs.Manager
	store    jobs.Store
	cfg      jobs.Config
	deps     jobs.Dependencies
	worker   *worker
	receiver *receiver
	dir      string
	stop     func()
}

func testConfig() jobs.Config {
	cfg := jobs.DefaultConfig()
	cfg.Retry.Delay, cfg.Retry.MaxDelay = time.Millisecond, 4*time.Millisecond
	return cfg
}

func openStore(t *testing.T, dir string) *natsstore.Store {
	t.Helper()
	cfg := natsstore.DefaultConfig()
	cfg.Dir = dir
	store := natsstore.Open(t.Context(), cfg, func(string) (services.Bytes, error) { return math.MaxInt64, nil }, slog.New(slog.DiscardHandler))
	require.Empty(t, store.Problem())
	return store
}

// setup starts a manager with a worker; change may alter what it is made of.
func setup(t *testing.T, w *worker, change ...func(*jobs.Config, *jobs.Dependencies)) *bundle {
	t.Helper()
	b := prepare(t, w, t.TempDir(), change...)
	b.Start()
	require.Eventually(t, b.Ready, 10*time.Second, time.Millisecond)
	return b
}

// prepare makes a manager that has not been started.
func prepare(t *testing.T, w *worker, dir string, change ...func(*jobs.Config, *jobs.Dependencies)) *bundle {
	t.Helper()
	store := openStore(t, dir)
	b := &bundle{store: store, worker: w, receiver: &receiver{}, dir: dir, cfg: testConfig()}
	b.deps = jobs.Dependencies{
		Store: store, Executor: w, Sender: b.receiver,
		Encode: func(job jobs.Job) ([]byte, error) { return json.Marshal(job.Status) },
		Describe: func(name string) (services.Description, error) {
			if name != "echo" {
				return services.Description{}, services.Faultf(services.KindNotFound, "no service %s", name)
			}
			return services.Description{Name: "echo", Tasks: []services.TaskKind{{Name: "say"}, {Name: "sing"}}}, nil
		},
		Runs: map[string]int{"echo": 1}, Ageing: 30 * time.Second, MaxAttempts: 3, MaxDeliveries: 3, SpoolDir: t.TempDir(),
		Log: slog.New(slog.DiscardHandler),
	}
	for _, apply := range change {
		apply(&b.cfg, &b.deps)
	}
	b.Manager = jobs.NewManager(b.cfg, b.deps)
	b.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what hangs is interrupted at once
		b.Stop(ctx)
		store.Close()
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bundle) submit(t *testing.T, s jobs.Submission) jobs.Job {
	t.Helper()
	s.Service = "echo"
	job, _, err := b.Submit(t.Context(), s)
	require.NoError(t, err)
	return job
}

// end waits for a job's end.
func (b *bundle) end(t *testing.T, id string) jobs.Job {
	t.Helper()
	require.NoError(t, b.Follow(t.Context(), "", id, 0, func(jobs.Job) error { return nil }))
	job, err := b.Get(t.Context(), "", id)
	require.NoError(t, err)
	return job
}

// await waits until a job is as wanted.
func (b *bundle) await(t *testing.T, id string, wanted func(jobs.Job) bool) jobs.Job {
	t.Helper()
	found := errors.New("found")
	var last jobs.Job
	err := b.Follow(t.Context(), "", id, 0, func(job jobs.Job) error {
		last = job
		if wanted(job) {
			return found
		}
		return nil
	})
	require.ErrorIs(t, err, found)
	return last
}

// sound is a recording in memory.
type sound []byte

func (s sound) Open() (io.ReadSeekCloser, error) { return nopCloser{bytes.NewReader(s)}, nil }
func (s sound) Size() int64                      { return int64(len(s)) }

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func TestAJobRunsAndItsResultIsKept(t *testing.T) {
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
		heard, err := io.ReadAll(file)
		sink.Progress(0.5, "halfway")
		return services.TaskResult{Model: "echo-large", Value: string(heard)}, err
	}}
	b := setup(t, w)
	job := b.submit(t, jobs.Submission{
		Params: json.RawMessage(`{"loud":true,"model":"echo-large"}`), Priority: services.PriorityHigh,
		Labels: map[string]string{"a": "b"}, Upload: &jobs.Upload{Audio: sound("hello"), ContentType: "audio/wav"},
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

func TestALargeResultAndASoundAreKept(t *testing.T) {
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
	file, audio, err := b.OpenAudio(t.Context(), job.Result.AudioID)
	require.NoError(t, err)
	defer file.Close()
	require.Equal(t, "audio/flac", audio.ContentType)
	_, err = file.Seek(2, io.SeekStart)
	require.NoError(t, err)
	rest, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "sound", string(rest))
}

func TestWhatIsSureToFailIsRefused(t *testing.T) {
	t.Parallel()
	w := &worker{run: says("x"), check: func(task services.Task) error {
		if string(task.Params) == `{"bad":1}` {
			return services.Invalidf("bad", "is bad")
		}
		return services.Faultf(services.KindUnavailable, "down just now")
	}}
	b := setup(t, w)
	for name, c := range map[string]struct {
		s    jobs.Submission
		kind services.Kind
		says string
	}{
		"an unknown service":   {jobs.Submission{Service: "nobody"}, services.KindNotFound, "nobody"},
		"an unknown task":      {jobs.Submission{Service: "echo", Task: "dance"}, services.KindInvalid, "say or sing"},
		"params of no object":  {jobs.Submission{Service: "echo", Params: json.RawMessage(`[1]`)}, services.KindInvalid, "JSON object"},
		"a model of no text":   {jobs.Submission{Service: "echo", Params: json.RawMessage(`{"model":1}`)}, services.KindInvalid, "params.model"},
		"bad params":           {jobs.Submission{Service: "echo", Params: json.RawMessage(`{"bad":1}`)}, services.KindInvalid, "is bad"},
		"huge params":          {jobs.Submission{Service: "echo", Params: json.RawMessage(`{"x":"` + string(bytes.Repeat([]byte("x"), 300<<10)) + `"}`)}, services.KindInvalid, "256.0 KiB"},
		"a past deadline":      {jobs.Submission{Service: "echo", Deadline: time.Now().Add(-time.Hour)}, services.KindInvalid, "future"},
		"a forbidden callback": {jobs.Submission{Service: "echo", Callback: "http://private"}, services.KindInvalid, "private"},
		"an unknown recording": {jobs.Submission{Service: "echo", AudioID: "abc"}, services.KindInvalid, "audio_id"},
		"two recordings":       {jobs.Submission{Service: "echo", AudioID: "abc", Upload: &jobs.Upload{Audio: sound("x")}}, services.KindInvalid, "audio_id"},
	} {
		_, _, err := b.Submit(t.Context(), c.s)
		require.Equal(t, c.kind, services.KindOf(err), name)
		require.ErrorContains(t, err, c.says, name)
	}
	page, err := b.List(t.Context(), jobs.Filter{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Jobs)
	// What is down now may be up when the job's turn comes.
	require.Equal(t, jobs.StatusSucceeded, b.end(t, b.submit(t, jobs.Submission{}).ID).Status)
}

func TestAnIdempotencyKeyGivesOneJob(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")})
	one := jobs.Submission{Owner: "key-1", Service: "echo", IdempotencyKey: "k", Params: json.RawMessage(`{"a":1}`), Upload: &jobs.Upload{Audio: sound("hello")}}
	var ids sync.Map
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if job, _, err := b.Submit(t.Context(), one); err == nil {
				ids.Store(job.ID, true)
			} else {
				ids.Store(err.Error(), true)
			}
		})
	}
	all.Wait()
	count := 0
	ids.Range(func(id, _ any) bool { count++; require.Contains(t, id, "job-"); return true })
	require.Equal(t, 1, count)

	other := one
	other.Params = json.RawMessage(`{"a":2}`)
	_, _, err := b.Submit(t.Context(), other)
	require.ErrorIs(t, err, jobs.ErrKeyReused)
	other = one
	other.Upload = &jobs.Upload{Audio: sound("other")}
	_, _, err = b.Submit(t.Context(), other)
	require.ErrorIs(t, err, jobs.ErrKeyReused)
	other = one
	other.Owner = "key-2"
	_, existed, err := b.Submit(t.Context(), other)
	require.NoError(t, err)
	require.False(t, existed, "keys of two owners are apart")
	require.Equal(t, 2, b.Count(jobs.StatusSucceeded)+b.Count(jobs.StatusQueued)+b.Count(jobs.StatusRunning))
}

func TestARepetitionFindsItsJobThoughItCouldNotBeAcceptedNow(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")})
	audio, _, err := b.StoreAudio(t.Context(), jobs.Upload{Audio: sound("hello")})
	require.NoError(t, err)
	one := jobs.Submission{Service: "echo", IdempotencyKey: "k", AudioID: audio.ID, Deadline: time.Now().Add(2 * time.Second)}
	first, _, err := b.Submit(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, jobs.StatusSucceeded, b.end(t, first.ID).Status)
	require.NoError(t, b.DeleteAudio(t.Context(), audio.ID))
	again := func() {
		t.Helper()
		job, existed, err := b.Submit(t.Context(), one)
		require.NoError(t, err)
		require.True(t, existed)
		require.Equal(t, first.ID, job.ID)
	}
	again()
	require.Eventually(t, func() bool { return time.Now().After(one.Deadline) }, 10*time.Second, 10*time.Millisecond)
	again()
	one.IdempotencyKey = "other"
	_, _, err = b.Submit(t.Context(), one)
	require.ErrorContains(t, err, "audio_id names no stored recording")
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
	b := setup(t, w, func(c *jobs.Config, _ *jobs.Dependencies) { c.Spare = 1 })
	running, second := b.submit(t, jobs.Submission{}), b.submit(t, jobs.Submission{})
	<-began
	<-began
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
	b := setup(t, w, func(c *jobs.Config, _ *jobs.Dependencies) { c.Spare = 1 })
	soon := time.Now().Add(400 * time.Millisecond)
	first, second := b.submit(t, jobs.Submission{Deadline: soon}), b.submit(t, jobs.Submission{Deadline: soon})
	<-began
	<-began
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
	b := setup(t, w, func(c *jobs.Config, d *jobs.Dependencies) {
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
	long := b.submit(t, jobs.Submission{Upload: &jobs.Upload{Audio: sound(make([]byte, 8<<20))}})
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
	b := prepare(t, &worker{run: says("x")}, t.TempDir(), func(cfg *jobs.Config, _ *jobs.Dependencies) { cfg.Services = []string{"none"} })
	b.Start()
	require.Eventually(t, b.Ready, 10*time.Second, time.Millisecond)
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
