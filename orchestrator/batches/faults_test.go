package batches_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// logged is a log that a test reads while others write it.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// faulty is a bundle over a store of which a call fails, with a batch of four items: one of
// them fails while its worker is strict, and one has a recording.
type faulty struct {
	*bundle
	store  *recordstest.Faulty
	log    *logged
	hold   chan struct{}
	strict bool
	audio  string
	id     string
}

func prepareFaulty(t *testing.T, store *recordstest.Faulty, maxAge time.Duration) *faulty {
	t.Helper()
	f := &faulty{store: store, log: &logged{}, hold: make(chan struct{}), strict: true}
	w := newWorker()
	w.run = func(ctx context.Context, task services.Task) (services.TaskResult, error) {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return services.TaskResult{}, ctx.Err()
		}
		if f.strict && strings.Contains(string(task.Params), "bad") {
			return services.TaskResult{}, services.Invalidf("say", "is refused")
		}
		value := string(task.Params)
		if strings.Contains(value, `"d"`) {
			value = strings.Repeat("long", 10<<10) // it is stored beside the record of its job
		}
		return services.TaskResult{Model: "echo-tiny", Value: value}, nil
	}
	f.bundle = prepare(t, store, w, func(o *options) {
		o.sealAt, o.batches.Window, o.batches.Retention.MaxAge = 2, 2, maxAge
		o.log = slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelWarn})
	}).begin(t)
	f.audio = f.bundle.store(t, "a recording")
	synctest.Wait()
	return f
}

// submit submits the batch; a repetition returns the same.
func (f *faulty) submit(*testing.T) error {
	d, err := f.Draft(anyone)
	if err != nil {
		return err
	}
	defer func() { _ = d.Discard(context.Background()) }()
	items := say("a", "bad", "c", "d")
	items[3].AudioID = f.audio
	for _, item := range items {
		if err := d.Add(context.Background(), item, 0); err != nil {
			return err
		}
	}
	v, _, err := d.Commit(context.Background(), batches.Request{Shared: batches.Item{Task: "say"}, IdempotencyKey: "k"})
	f.id = v.ID
	return err
}

// phases are what is done to a batch, before and while a call fails, and how it ends. settle
// is how long the faults last.
var phases = map[string]struct {
	before, do func(t *testing.T, f *faulty) error
	settle     time.Duration
	counts     batches.Counts
	gone       bool
}{
	"submission": {
		before: func(*testing.T, *faulty) error { return nil },
		do:     func(t *testing.T, f *faulty) error { t.Helper(); return f.submit(t) },
		counts: batches.Counts{Succeeded: 3, Failed: 1},
	},
	"run": {
		before: func(t *testing.T, f *faulty) error { t.Helper(); return f.submit(t) },
		do:     func(_ *testing.T, f *faulty) error { close(f.hold); return nil },
		settle: 3 * time.Second,
		counts: batches.Counts{Succeeded: 3, Failed: 1},
	},
	"retry": {
		before: func(t *testing.T, f *faulty) error { t.Helper(); f.finish(t); f.strict = false; return nil },
		do:     func(*testing.T, *faulty) error { return nil },
		settle: 3 * time.Second,
		counts: batches.Counts{Succeeded: 4},
	},
	"cancellation": {
		before: func(t *testing.T, f *faulty) error { t.Helper(); return f.submit(t) },
		do: func(_ *testing.T, f *faulty) error {
			_, err := f.Cancel(context.Background(), "alice", f.id)
			return err
		},
		settle: 3 * time.Second,
		counts: batches.Counts{Cancelled: 4},
	},
	"removal": {
		before: func(t *testing.T, f *faulty) error { t.Helper(); f.finish(t); return nil },
		do: func(_ *testing.T, f *faulty) error {
			err := f.Remove(context.Background(), "alice", f.id)
			if services.KindOf(err) == services.KindNotFound {
				return nil // the first attempt has got that far
			}
			return err
		},
		gone: true,
	},
	"expiry": {
		before: func(t *testing.T, f *faulty) error {
			t.Helper()
			f.finish(t)
			time.Sleep(time.Minute - time.Second)
			return nil
		},
		do:     func(*testing.T, *faulty) error { return nil },
		settle: 2 * time.Second, // with a sweep of the database
		gone:   true,
	},
}

// finish submits the batch and waits for its end.
func (f *faulty) finish(t *testing.T) {
	t.Helper()
	require.NoError(t, f.submit(t))
	close(f.hold)
	require.Equal(t, batches.StatusFailed, f.end(t, f.id).Status)
}

// TestEachCallCanFailUnderASubmission and the tests after it have each call of the store fail
// once in a phase of a batch. The fault is returned, and the request can be repeated, or it is
// logged, and the batch goes on as it would without the fault. Nothing is left over.
func TestEachCallCanFailUnderASubmission(t *testing.T) { t.Parallel(); failEachCall(t, "submission") }

func TestEachCallCanFailUnderARun(t *testing.T) { t.Parallel(); failEachCall(t, "run") }

func TestEachCallCanFailUnderARetry(t *testing.T) { t.Parallel(); failEachCall(t, "retry") }

func TestEachCallCanFailUnderACancellation(t *testing.T) {
	t.Parallel()
	failEachCall(t, "cancellation")
}

func TestEachCallCanFailUnderARemoval(t *testing.T) { t.Parallel(); failEachCall(t, "removal") }

func TestEachCallCanFailUnderAnExpiry(t *testing.T) { t.Parallel(); failEachCall(t, "expiry") }

func failEachCall(t *testing.T, phase string) {
	t.Helper()
	c := phases[phase]
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			maxAge := time.Hour
			if phase == "expiry" {
				maxAge = 30 * time.Second
			}
			f := prepareFaulty(t, store, maxAge)
			require.NoError(t, c.before(t, f))
			synctest.Wait()
			fault := store.Arm(nth)
			if phase == "retry" {
				_, err := f.Retry(context.Background(), "alice", f.id, false)
				if err != nil {
					require.ErrorIs(t, err, fault)
					_, err = f.Retry(context.Background(), "alice", f.id, false)
					require.NoError(t, err)
					fault = nil
				}
			}
			err := c.do(t, f)
			time.Sleep(c.settle)
			store.Disarm()
			if err != nil {
				require.ErrorIs(t, err, fault)
				require.NoError(t, c.do(t, f), "again")
				fault = nil
			}
			calls := store.Calls() // their number is not always the same
			if fault != nil && phase != "submission" && len(calls) >= nth && !ofRecording(calls[nth-1]) {
				require.Contains(t, f.log.String(), fault.Error(), calls[nth-1])
			}
			if phase == "submission" {
				close(f.hold)
			}
			f.verify(t, c.counts, c.gone)
			f.stop()
		})
	})
}

// ofRecording reports whether a call is for a recording: a task waits for it without a word.
func ofRecording(call string) bool {
	_, key, _ := strings.Cut(call, " ")
	return call == "read object" || strings.HasPrefix(key, "ref.") || strings.HasPrefix(key, "audio")
}

// verify compares a batch's end with what it must be.
func (f *faulty) verify(t *testing.T, counts batches.Counts, gone bool) {
	t.Helper()
	if gone {
		f.Sweep(t.Context())
		_, err := f.Get(t.Context(), "", f.id)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
	} else {
		v := f.end(t, f.id)
		require.Equal(t, counts, v.Counts)
		require.True(t, v.Status.Terminal())
		var got []string
		for _, line := range f.results(t, f.id) {
			got = append(got, strings.Fields(line)[1])
		}
		require.Len(t, got, 4)
		require.Equal(t, counts.Cancelled, strings.Count(fmt.Sprint(got), "cancelled"))
		require.Equal(t, counts.Failed, strings.Count(fmt.Sprint(got), "failed"))
	}
	for text, times := range f.worker.counts() {
		limit := 1
		if text == "bad" {
			limit = 2
		}
		require.LessOrEqual(t, times, limit, text)
	}
	for range 2 { // what a fault left is swept
		f.Sweep(t.Context())
		time.Sleep(time.Second)
	}
	page, err := f.jobs.List(t.Context(), jobs.Filter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Jobs, counts.Failed, "only failed jobs stay")
	names, err := f.store.Objects(t.Context())
	require.NoError(t, err)
	want := 1 // the recording
	if !gone {
		v, err := f.Get(t.Context(), "", f.id)
		require.NoError(t, err)
		want += len(v.Inputs) + len(v.Outputs)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "value-") }) // the jobs sweep these
	require.Len(t, names, want)
}

// TestResultsThatCannotBeRead has each call of the store fail while results are read.
func TestResultsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			f := prepareFaulty(t, store, time.Hour)
			f.finish(t)
			want := f.results(t, f.id)
			fault := store.Arm(nth)
			lines := 0
			err := f.Results(t.Context(), "", f.id, func(batches.Result) error { lines++; return nil })
			store.Disarm()
			if nth > 0 && nth <= len(store.Calls()) { // some readings need fewer calls
				require.ErrorIs(t, err, fault)
				require.Less(t, lines, 4)
			} else {
				require.NoError(t, err)
				require.Equal(t, 4, lines)
			}
			require.Equal(t, want, f.results(t, f.id))
			stop := services.Invalidf("x", "stops")
			require.ErrorIs(t, f.Results(t.Context(), "", f.id, func(batches.Result) error { return stop }), stop)
			f.stop()
		})
	})
}
