package batches_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// worker is a scripted executor. Its parameters are {"say":TEXT}; it counts how often it said
// each text.
type worker struct {
	mu   sync.Mutex
	said map[string]int
	// check adds to what it checks; nil adds nothing.
	check func(task services.Task) error
	// run replaces what it does; nil answers with the text.
	run func(ctx context.Context, task services.Task) (services.TaskResult, error)
}

func (w *worker) Execute(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
	var params struct{ Say string }
	if err := json.Unmarshal(task.Params, &params); err != nil {
		return services.TaskResult{}, services.Invalidf("say", "cannot be read")
	}
	w.mu.Lock()
	w.said[params.Say]++
	w.mu.Unlock()
	if w.run != nil {
		return w.run(ctx, task)
	}
	return services.TaskResult{Model: "echo-tiny", Value: params.Say}, nil
}

func (w *worker) Check(_ context.Context, task services.Task) error {
	var params map[string]json.RawMessage
	if err := json.Unmarshal(task.Params, &params); err != nil {
		return services.Invalidf("say", "is missing")
	}
	if string(params["say"]) == `""` {
		return services.Invalidf("say", "must have at least 1 character, got 0")
	}
	if task.Audio != nil && task.Audio.Size() == 3 {
		return services.Invalidf("file", "is no recording")
	}
	if w.check != nil {
		return w.check(task)
	}
	return nil
}

// counts returns how often each text was said.
func (w *worker) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := make(map[string]int, len(w.said))
	for text, n := range w.said {
		counts[text] = n
	}
	return counts
}

// receiver is a scripted receiver of webhooks.
type receiver struct {
	mu     sync.Mutex
	bodies []string
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
	r.bodies = append(r.bodies, id[:strings.LastIndex(id, "-")]+" "+string(body))
	return 200, nil
}

func (r *receiver) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

// bundle is a manager of batches with what it needs.
type bundle struct {
	*batches.Manager
	jobs     *jobs.Manager
	library  *library.Library
	db       *records.Database
	worker   *worker
	receiver *receiver
	stop     func()
}

// options are what a test changes.
type options struct {
	jobs    jobs.Config
	batches batches.Config
	sealAt  int
	log     slog.Handler
}

func newWorker() *worker { return &worker{said: make(map[string]int)} }

// prepare makes the managers over a store without starting them.
func prepare(t *testing.T, store records.Store, w *worker, change ...func(*options)) *bundle {
	t.Helper()
	o := options{jobs: jobs.DefaultConfig(), batches: batches.DefaultConfig(), sealAt: 256, log: slog.DiscardHandler}
	o.jobs.Retry = jobs.RetryConfig{Delay: time.Millisecond, MaxDelay: time.Millisecond}
	for _, one := range change {
		one(&o)
	}
	log := slog.New(o.log)
	b := &bundle{worker: w, receiver: &receiver{}, db: records.NewDatabase(store, log)}
	b.library = library.New(o.jobs.Audio, b.db, log)
	b.library.SetProbe(func(services.AudioSource) (library.Facts, string) { return library.Facts{}, "audio/wav" })
	b.jobs = jobs.NewManager(o.jobs, jobs.Dependencies{
		Database: b.db, Library: b.library, Executor: w, Sender: b.receiver,
		Encode: func(jobs.Job) ([]byte, error) { return []byte("job"), nil },
		Describe: func(name string) (services.Description, error) {
			if name != "echo" {
				return services.Description{}, services.Faultf(services.KindNotFound, "no service %s", name)
			}
			return services.Description{Name: "echo", Tasks: []services.TaskKind{{Name: "say"}}}, nil
		},
		Bind: func(task services.Task) (services.Task, error) {
			if task.Name != "say" {
				return task, services.Invalidf("task", "must be say, got %q", task.Name)
			}
			task.Service = "echo"
			return task, nil
		},
		Runs: map[string]int{"echo": 4}, Ageing: time.Second, MaxAttempts: 1, MaxDeliveries: 3, Log: log,
	})
	b.Manager = batches.New(o.batches, batches.Dependencies{
		Database: b.db, Library: b.library, Jobs: b.jobs, Sender: b.receiver, ClaimTimeout: o.jobs.ClaimTimeout, MaxDeliveries: 3, Log: log,
		Encode: func(v batches.View) ([]byte, error) { return []byte(v.Status), nil },
	})
	b.SetSealAt(o.sealAt)
	b.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		assert.NoError(t, b.Stop(context.Background()))
		assert.NoError(t, b.jobs.Stop(ctx))
		assert.NoError(t, b.db.Stop(context.Background()))
	})
	t.Cleanup(b.stop)
	return b
}

// begin starts the managers.
func (b *bundle) begin(t *testing.T) *bundle {
	t.Helper()
	require.NoError(t, b.db.Start(t.Context()))
	require.NoError(t, b.jobs.Start(t.Context()))
	require.NoError(t, b.Start(t.Context()))
	require.True(t, b.db.AwaitReady(t.Context()))
	return b
}

func setup(t *testing.T, w *worker, change ...func(*options)) *bundle {
	t.Helper()
	return prepare(t, recordstest.NewMemory(), w, change...).begin(t)
}

var anyone = services.Caller{Key: "alice"}

// say returns items that say texts.
func say(texts ...string) (items []batches.Item) {
	for _, text := range texts {
		items = append(items, batches.Item{Params: json.RawMessage(`{"say":"` + text + `"}`)})
	}
	return items
}

// request is a batch of the task say.
var request = batches.Request{Shared: batches.Item{Task: "say"}}

// draft adds items to a draft, from line 1 on.
func (b *bundle) draft(t *testing.T, items ...batches.Item) *batches.Draft {
	t.Helper()
	d, err := b.Draft(anyone)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, d.Discard(context.Background())) })
	for i, item := range items {
		require.NoError(t, d.Add(t.Context(), item, i+1))
	}
	return d
}

func (b *bundle) submit(t *testing.T, r batches.Request, items ...batches.Item) batches.View {
	t.Helper()
	d := b.draft(t, items...)
	v, existed, err := d.Commit(t.Context(), r)
	require.NoError(t, err)
	require.False(t, existed)
	return v
}

// end waits for the end of a batch.
func (b *bundle) end(t *testing.T, id string) batches.View {
	t.Helper()
	var last batches.View
	require.NoError(t, b.Follow(t.Context(), "", id, func(c batches.Change) error { last = c.View; return nil }))
	return last
}

// results returns the outcomes as "item status value-or-failure".
func (b *bundle) results(t *testing.T, id string) (lines []string) {
	t.Helper()
	require.NoError(t, b.Results(t.Context(), "", id, func(r batches.Result) error {
		text := string(r.Result)
		if r.Failure != nil {
			text = r.Failure.Message
		}
		lines = append(lines, strings.TrimSpace(string(rune('0'+r.Item))+" "+string(r.Status)+" "+text))
		return nil
	}))
	return lines
}
