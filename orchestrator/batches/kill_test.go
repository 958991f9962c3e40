package batches_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

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
// second one and so on, and lets another one finish it. An item whose end was written does not
// run again, and all have one outcome.
func TestAKillAfterEachWrite(t *testing.T) {
	t.Parallel()
	const n = 5
	for writes := 3; ; writes++ {
		memory := recordstest.NewMemory()
		dying := &mortal{Memory: memory, left: writes, dead: make(chan struct{})}
		w := newWorker()
		small := func(o *options) { o.sealAt, o.batches.Window = 2, 2 }
		first := prepare(t, dying, w, small).begin(t)
		var items []batches.Item
		for i := range n {
			items = append(items, say(fmt.Sprint(i))...)
		}
		d, err := first.Draft(anyone)
		require.NoError(t, err)
		for _, item := range items {
			require.NoError(t, d.Add(t.Context(), item, 0))
		}
		v, _, err := d.Commit(t.Context(), request)
		require.NoError(t, err)
		finished := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { finished <- first.Follow(ctx, "", v.ID, func(batches.Change) error { return nil }) }()
		survived := false
		select {
		case <-dying.dead:
		case err := <-finished:
			survived = err == nil
		}
		cancel()
		first.stop()
		before := w.counts()
		done := append([]string(nil), dying.ended...)

		second := prepare(t, memory, w, small).begin(t)
		require.Equal(t, batches.StatusSucceeded, second.end(t, v.ID).Status, "after %d writes", writes)
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("%d succeeded %q", i, fmt.Sprint(i)))
		}
		require.Equal(t, want, second.results(t, v.ID), "after %d writes", writes)
		for i := range n {
			text := fmt.Sprint(i)
			for _, key := range done {
				if key == "job."+jobs.ItemID(v.ID, i) {
					require.Equal(t, before[text], w.counts()[text], "item %d had ended before the kill after %d writes", i, writes)
				}
			}
			require.LessOrEqual(t, w.counts()[text], 2, "one kill repeats an item once")
		}
		second.Sweep(t.Context())
		names, err := memory.Objects(t.Context())
		require.NoError(t, err)
		stored, err := second.Get(t.Context(), "", v.ID)
		require.NoError(t, err)
		require.Len(t, names, len(stored.Inputs)+len(stored.Outputs), "after %d writes nothing is left over", writes)
		page, err := second.jobs.List(t.Context(), jobs.Filter{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, page.Jobs, "after %d writes", writes)
		second.stop()
		if survived {
			require.Greater(t, writes, 20)
			return
		}
	}
}
