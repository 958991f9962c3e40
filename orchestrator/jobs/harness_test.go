package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/orchestrator/records/natsstore"
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

// hangs runs until it is stopped, and signals that it began.
func hangs(began chan<- string) func(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
	return func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		sink.Progress(0.25, "hanging")
		began <- task.ID
		<-ctx.Done()
		return services.TaskResult{}, ctx.Err()
	}
}

// begins waits until a task that hangs has begun.
func begins(t *testing.T, began <-chan string) {
	t.Helper()
	select {
	case <-began:
	case <-time.After(30 * time.Second):
		t.Fatal("no task begins")
	}
}

// receiver is a scripted sender of webhooks.
type receiver struct {
	mu     sync.Mutex
	bodies [][]byte
	ids    []string
	fail   int // so many tries first
}

// fails sets how many tries fail.
func (r *receiver) fails(tries int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = tries
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
	library  *library.Library
	db       *records.Database
	store    records.Store
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
	store := natsstore.New(cfg, func(string) (services.Bytes, error) { return math.MaxInt64, nil }, slog.New(slog.DiscardHandler))
	require.NoError(t, store.Start(t.Context()))
	require.Empty(t, store.Problem())
	return store
}

// setup starts a manager with a worker; change may alter what it is made of.
func setup(t *testing.T, w *worker, change ...func(*jobs.Config, *wiring)) *bundle {
	t.Helper()
	b := prepare(t, w, t.TempDir(), change...)
	b.start(t)
	return b
}

// start starts the manager and its database, and waits until all is known.
func (b *bundle) start(t *testing.T) {
	t.Helper()
	require.NoError(t, b.db.Start(t.Context()))
	require.NoError(t, b.Start(t.Context()))
	require.Eventually(t, b.Ready, 5*time.Minute, time.Millisecond)
}

// wiring is what a test changes of a manager before it is made.
type wiring struct {
	jobs.Dependencies
	Store  records.Store
	Ledger *ledger.Ledger // nil for none
	Clock  *records.Clock // nil for the system's
}

// prepare makes a manager over a store in a folder. It has not been started.
func prepare(t *testing.T, w *worker, dir string, change ...func(*jobs.Config, *wiring)) *bundle {
	t.Helper()
	store := openStore(t, dir)
	b := prepareOver(t, w, store, change...)
	b.dir = dir
	stop := b.stop
	b.stop = sync.OnceFunc(func() {
		stop()
		assert.NoError(t, store.Stop(context.Background()))
	})
	t.Cleanup(b.stop)
	return b
}

// prepareOver makes a manager over a store. It has not been started.
func prepareOver(t *testing.T, w *worker, store records.Store, change ...func(*jobs.Config, *wiring)) *bundle {
	t.Helper()
	b := &bundle{store: store, worker: w, receiver: &receiver{}, cfg: testConfig()}
	made := wiring{Store: store, Dependencies: jobs.Dependencies{
		Executor: w, Sender: b.receiver,
		Encode: func(job jobs.Job) ([]byte, error) { return json.Marshal(job.Status) },
		Describe: func(name string) (services.Description, error) {
			if name != "echo" && name != "later" {
				return services.Description{}, services.Faultf(services.KindNotFound, "no service %s", name)
			}
			return services.Description{Name: "echo", Tasks: []services.TaskKind{{Name: "say"}, {Name: "sing"}}}, nil
		},
		Bind: func(task services.Task) (services.Task, error) {
			if task.Service == "" {
				task.Service = "echo"
			}
			switch task.Model {
			case "whisper-1":
				task.Model = "echo-tiny"
			case "none":
				return task, services.Faultf(services.KindNotFound, "no model none")
			}
			return task, nil
		},
		Runs: map[string]int{"echo": 1}, Ageing: 30 * time.Second, MaxAttempts: 3, MaxDeliveries: 3,
		Log: slog.New(slog.DiscardHandler),
	}}
	for _, apply := range change {
		apply(&b.cfg, &made)
	}
	b.deps = made.Dependencies
	b.db, b.library, b.Manager = manage(b.cfg, made)
	b.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what hangs is interrupted at once
		assert.NoError(t, b.Stop(ctx))
		assert.NoError(t, b.db.Stop(context.Background()))
	})
	return b
}

// manage makes a manager over a store.
func manage(cfg jobs.Config, made wiring) (*records.Database, *library.Library, *jobs.Manager) {
	db := records.NewDatabase(made.Store, slog.New(slog.DiscardHandler))
	if made.Clock != nil {
		db.Clock = made.Clock
	}
	if made.Ledger != nil {
		db.KeepLedger(made.Ledger)
	}
	made.Database, made.Library = db, library.New(cfg.Audio, db, slog.New(slog.DiscardHandler))
	return db, made.Library, jobs.NewManager(cfg, made.Dependencies)
}

// upload receives a recording.
func (b *bundle) upload(t *testing.T, content string) *library.Incoming {
	t.Helper()
	in, err := b.library.Receive(t.Context(), strings.NewReader(content), library.About{ContentType: "audio/wav"})
	require.NoError(t, err)
	return in
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
