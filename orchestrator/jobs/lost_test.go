package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/services"
)

// withLedger has a manager compare its store with the ledger beside it.
func withLedger(t *testing.T, dir string) func(*jobs.Config, *wiring) {
	t.Helper()
	return func(_ *jobs.Config, d *wiring) {
		l, err := ledger.Open(filepath.Join(dir, "ledger"), ledger.Options{})
		require.NoError(t, err)
		d.Ledger = l
	}
}

// reopen makes a manager over the store and the ledger in a folder.
func reopen(t *testing.T, w *worker, dir string) *bundle {
	t.Helper()
	return prepare(t, w, filepath.Join(dir, "store"), withLedger(t, dir))
}

// go test ./orchestrator/jobs -run EveryLoss -damagepoints 6 -timeout 30m.
var damagePoints = flag.Int("damagepoints", 0, "places at which files of the store are damaged; with 2 only the first and the last file, "+
	"and with 0 a few of those")

// points returns at how many places a file is damaged.
func points() int64 { return int64(max(2, *damagePoints)) }

// state is a job before the damage.
type state struct {
	status   jobs.Status
	finished time.Time
	at       jobs.Revision
}

// eventful makes a folder with jobs in every state, in several files, and stops cleanly.
func eventful(t *testing.T) (dir string, before map[string]state) {
	t.Helper()
	dir = t.TempDir()
	large := strings.Repeat("x", 60<<10)
	w := &worker{run: func(ctx context.Context, task services.Task, _ services.Sink) (services.TaskResult, error) {
		switch task.Name {
		case "sing":
			return services.TaskResult{}, services.Invalidf("params", "is not singable")
		default:
			return services.TaskResult{Value: large[:len(task.Params)/2]}, nil
		}
	}}
	b := reopen(t, w, dir)
	b.start(t)
	params := json.RawMessage(`{"text":"` + large + `"}`)
	for i := range 60 {
		s := jobs.Submission{Task: "say", Params: params, IdempotencyKey: fmt.Sprint("key-", i)}
		if i%5 == 1 {
			s.Task = "sing"
		}
		if i%20 == 2 {
			s.Upload = b.upload(t, fmt.Sprint("recording ", i))
		}
		job := b.submit(t, s)
		b.end(t, job.ID)
	}
	for i := range 60 { // these wait for another process
		s := jobs.Submission{Service: "later", Task: "say", Params: params, IdempotencyKey: fmt.Sprint("later-", i)}
		job, _, err := b.Submit(t.Context(), s)
		require.NoError(t, err)
		if i%5 == 0 {
			_, err = b.Cancel(t.Context(), "", job.ID)
			require.NoError(t, err)
		}
	}
	b.stop()
	return dir, survivors(t, filepath.Join(dir, "store"))
}

// survivors returns what a store has, opened alone in a copy.
func survivors(t *testing.T, dir string) map[string]state {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	store := openStore(t, copied)
	defer func() { require.NoError(t, store.Stop(context.Background())) }()
	found := make(map[string]state)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_ = store.Watch(ctx, func(change records.Change) { // it ends when it is stopped
		if change.CaughtUp {
			stop()
			return
		}
		delete(found, change.Key)
		if change.Value == nil {
			return
		}
		var e struct {
			Body struct {
				Status   jobs.Status
				Finished time.Time
			}
		}
		require.NoError(t, json.Unmarshal(change.Value, &e))
		found[change.Key] = state{e.Body.Status, e.Body.Finished, change.Revision}
	})
	return found
}

// damages returns every damage to a folder, by name: each block file cut, flipped and
// removed, with and without the index that a clean stop leaves, and whole folders
// removed.
func damages(t *testing.T, dir string) map[string]func(dir string) error {
	t.Helper()
	all := map[string]func(dir string) error{
		"nothing":    func(string) error { return nil },
		"everything": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "store")) },
	}
	var files []string
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "store"), func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		stream := strings.Contains(name, "KV_")
		switch {
		case d.IsDir() && stream:
			all["without "+name] = func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
		case stream && strings.HasSuffix(name, ".blk"):
			files = append(files, name)
		}
		return nil
	}))
	require.Greater(t, len(files), 2)
	if points() == 2 {
		files = []string{files[0], files[len(files)-1]}
	}
	for _, name := range files {
		damageBlock(t, all, filepath.Join(dir, name), name)
	}
	return all
}

// damageBlock adds the damages to one block file.
func damageBlock(t *testing.T, all map[string]func(dir string) error, path, name string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	size := info.Size()
	unindexed := func(dir string) error { return os.Remove(filepath.Join(dir, filepath.Dir(name), "index.db")) }
	add := func(what string, do func(file string) error) {
		all[what+" "+name] = func(dir string) error { return do(filepath.Join(dir, name)) }
		all[what+" "+name+", no index"] = func(dir string) error { return errors.Join(do(filepath.Join(dir, name)), unindexed(dir)) }
	}
	add("removed", os.Remove)
	add("as it was", func(string) error { return nil })
	for part := range points() {
		at := (size - 1) * part / (points() - 1)
		if part == 1 && points() == 2 {
			at = size / 3
		}
		add(fmt.Sprintf("cut at %d of %d", at, size), func(file string) error { return os.Truncate(file, at) })
		add(fmt.Sprintf("flipped at %d of %d", at, size), func(file string) error {
			raw, err := os.ReadFile(file)
			if err == nil {
				raw[at] ^= 0x55
				err = os.WriteFile(file, raw, 0o600)
			}
			return err
		})
	}
}

func TestEveryLossIsCountedAndNothingRunsAgain(t *testing.T) {
	t.Parallel()
	dir, before := eventful(t)
	all := damages(t, dir)
	require.Greater(t, len(all), 25)
	names := make(chan string)
	var workers sync.WaitGroup
	for range 8 { // most of the time is spent waiting
		workers.Go(func() {
			for name := range names {
				t.Run(name, func(t *testing.T) {
					damaged := filepath.Join(t.TempDir(), "data")
					require.NoError(t, os.CopyFS(damaged, os.DirFS(dir)))
					require.NoError(t, all[name](damaged))
					checkLosses(t, damaged, before, name)
				})
			}
		})
	}
	some := slices.Sorted(maps.Keys(all))
	if *damagePoints == 0 {
		few := some[:0:0]
		for i := 3; i < len(some); i += 7 {
			few = append(few, some[i])
		}
		some = few
	}
	for _, name := range some {
		names <- name
	}
	close(names)
	workers.Wait()
}

// checkLosses opens a damaged folder and compares what is reported and run with what the
// store has.
func checkLosses(t *testing.T, dir string, before map[string]state, name string) {
	t.Helper()
	after := survivors(t, filepath.Join(dir, "store"))
	want := make(map[string]ledger.What)
	for key, was := range before {
		is, exists := after[key]
		switch {
		case !exists:
			want[key] = ledger.LostRecord
		case is.at < was.at:
			want[key] = ledger.LostChange
		}
	}
	w := &worker{run: says("again")}
	for restart := range 2 { // nothing runs at the second start either
		b := reopen(t, w, dir)
		b.start(t)
		got := make(map[string]ledger.What)
		for _, loss := range b.db.Losses() {
			if loss.What != ledger.LostContent {
				got[loss.Key] = loss.What
			}
		}
		require.Equal(t, want, got, "restart %d", restart)
		for key, was := range before {
			if id, ours := strings.CutPrefix(key, "job."); ours {
				checkJob(t, b, id, was, want[key])
			}
		}
		// A repeated request finds the job, lost or not.
		for _, key := range []string{"key-0", "key-1", "key-59"} {
			_, existed, err := b.Submit(t.Context(), jobs.Submission{Service: "echo", IdempotencyKey: key, Task: "say"})
			require.True(t, existed || errors.Is(err, jobs.ErrKeyReused), "%v", err)
		}
		b.stop()
	}
	t.Logf("%s: %d of %d records lost or reverted", name, len(want), len(before))
	require.Zero(t, w.runs(), "what ended, or was lost, runs again")
}

// checkJob checks what is answered for a job.
func checkJob(t *testing.T, b *bundle, id string, was state, loss ledger.What) {
	t.Helper()
	job, err := b.Get(t.Context(), "", id)
	require.NoError(t, err, "also a lost one")
	switch {
	case loss == "":
		require.Equal(t, was.status, job.Status, id)
		require.Nil(t, nilUnlessLost(job))
		return
	case was.status == jobs.StatusSucceeded, !was.status.Terminal():
		require.Contains(t, []jobs.Status{jobs.StatusFailed, was.status}, job.Status)
	default:
		require.Equal(t, was.status, job.Status)
	}
	if was.status.Terminal() {
		require.Equal(t, was.finished, job.Finished, "it ended once")
	}
	if job.Failure == nil {
		return // an earlier state of a missing record came back when the store was built anew
	}
	// Of a record that came back only the end is lost.
	if loss == ledger.LostRecord && !strings.Contains(job.Failure.Message, "the store lost the end of this job, which had ") {
		require.Contains(t, job.Failure.Message, "the store lost the record of this job, which ")
		require.True(t, job.Lost)
		_, err = b.Retry(t.Context(), "", id)
		require.ErrorIs(t, err, jobs.ErrNotRetriable)
	}
}

// nilUnlessLost returns the failure of a job that the store lost.
func nilUnlessLost(job jobs.Job) *jobs.Failure {
	if job.Failure != nil && strings.Contains(job.Failure.Message, "the store lost") {
		return job.Failure
	}
	return nil
}
