package batches_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// mortal is a store that stops with its process after some writes: the last one is done, but
// its caller does not learn of it.
type mortal struct {
	*recordstest.Memory
	mu    sync.Mutex
	left  int
	dead  chan struct{}
	ended []string // the jobs whose ends were written
}

var errDead = services.Faultf(services.KindUnavailable, "the process was killed")

// write does one write if the process still lives.
func (m *mortal) write(do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == 0 {
		return errDead
	}
	m.left--
	err := do()
	if m.left == 0 {
		close(m.dead)
		return errDead
	}
	return err
}

func (m *mortal) Create(ctx context.Context, key string, value []byte) (at records.Revision, err error) {
	err = m.write(func() error { at, err = m.Memory.Create(ctx, key, value); return err })
	return at, err
}

func (m *mortal) Replace(ctx context.Context, key string, value []byte, rev records.Revision) (at records.Revision, err error) {
	err = m.write(func() error {
		at, err = m.Memory.Replace(ctx, key, value, rev)
		if err == nil && strings.HasPrefix(key, "job.") && strings.Contains(string(value), `"status":"succeeded"`) {
			m.ended = append(m.ended, key)
		}
		return err
	})
	return at, err
}

func (m *mortal) Delete(ctx context.Context, key string, at records.Revision) error {
	return m.write(func() error { return m.Memory.Delete(ctx, key, at) })
}

func (m *mortal) DeleteObject(ctx context.Context, name string) error {
	return m.write(func() error { return m.Memory.DeleteObject(ctx, name) })
}

func (m *mortal) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	staged, err := m.Memory.Stage(ctx, r)
	return mortalStaged{staged, m}, err
}

type mortalStaged struct {
	records.Staged
	store *mortal
}

func (s mortalStaged) Commit(ctx context.Context, name string) error {
	return s.store.write(func() error { return s.Staged.Commit(ctx, name) })
}

// TestAKillAfterEachWrite runs a batch in a process that is killed after its first write, its
// second one and so on, and lets another one finish it.
func TestAKillAfterEachWrite(t *testing.T) {
	t.Parallel()
	for writes := 3; ; writes++ {
		dying := &mortal{Memory: recordstest.NewMemory(), left: writes, dead: make(chan struct{})}
		if survived := finishAfterKill(t, dying); survived {
			require.Greater(t, writes, 20)
			return
		}
	}
}

// killItems is the number of items.
const killItems = 5

// finishAfterKill runs a batch until its process is killed, and then in another one. An item
// whose end was written does not run again, all have one outcome, and nothing is left over.
func finishAfterKill(t *testing.T, dying *mortal) (survived bool) {
	t.Helper()
	w, when := newWorker(), fmt.Sprintf("after %d writes", dying.left)
	small := func(o *options) { o.sealAt, o.batches.Window = 2, 2 }
	id, survived := runUntilKilled(t, prepare(t, dying, w, small).begin(t), dying)
	before, done := w.counts(), slices.Clone(dying.ended)

	second := prepare(t, dying.Memory, w, small).begin(t)
	defer second.stop()
	require.Equal(t, batches.StatusSucceeded, second.end(t, id).Status, when)
	var want []string
	for i := range killItems {
		text := fmt.Sprint(i)
		want = append(want, fmt.Sprintf("%d succeeded %q", i, text))
		if slices.Contains(done, "job."+jobs.ItemID(id, i)) {
			require.Equal(t, before[text], w.counts()[text], "item %d had ended before the kill %s", i, when)
		}
		require.LessOrEqual(t, w.counts()[text], 2, "one kill repeats an item once")
	}
	require.Equal(t, want, second.results(t, id), when)
	second.Sweep(t.Context())
	names, err := dying.Objects(t.Context())
	require.NoError(t, err)
	stored, err := second.Get(t.Context(), "", id)
	require.NoError(t, err)
	require.Len(t, names, len(stored.Inputs)+len(stored.Outputs), when)
	require.Eventually(t, func() bool { // by a sweep, where the end of the batch came before that of its last job
		second.Sweep(t.Context())
		page, err := second.jobs.List(t.Context(), jobs.Filter{Limit: 10})
		return err == nil && len(page.Jobs) == 0
	}, 10*time.Second, time.Millisecond, when)
	return survived
}

// runUntilKilled submits a batch and stops when its process is killed or the batch has ended.
func runUntilKilled(t *testing.T, b *bundle, dying *mortal) (id string, survived bool) {
	t.Helper()
	defer b.stop()
	d, err := b.Draft(anyone)
	require.NoError(t, err)
	for i := range killItems {
		require.NoError(t, d.Add(t.Context(), say(fmt.Sprint(i))[0], 0))
	}
	v, _, err := d.Commit(t.Context(), request)
	require.NoError(t, err)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { ended <- b.Follow(ctx, "", v.ID, func(batches.Change) error { return nil }) }()
	select {
	case <-dying.dead:
	case err := <-ended:
		return v.ID, err == nil
	}
	cancel()
	<-ended
	return v.ID, false
}
