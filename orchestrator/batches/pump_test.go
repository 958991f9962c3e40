package batches_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// TestAnItemThatCannotBecomeAJob has items refused after the batch was accepted, for good or for a while.
func TestAnItemThatCannotBecomeAJob(t *testing.T) {
	t.Parallel()
	for kind, refused := range map[services.Kind]bool{
		services.KindInvalid: true, services.KindUnsupported: true, services.KindNotFound: true, services.KindTooLarge: true,
		services.KindBusy: false, services.KindUnavailable: false, services.KindInternal: false,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, hold := newWorker(), make(chan struct{})
				w.run = func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
					select {
					case <-hold:
						return services.TaskResult{Value: "said"}, nil
					case <-ctx.Done():
						return services.TaskResult{}, ctx.Err()
					}
				}
				var mu sync.Mutex
				checks := 0
				w.check = func(task services.Task) error {
					if !strings.Contains(string(task.Params), "bad") {
						return nil
					}
					mu.Lock()
					defer mu.Unlock()
					checks++ // first when the batch is submitted
					if checks == 1 || checks > 2 && !refused {
						return nil
					}
					return services.Faultf(kind, "no")
				}
				b := setup(t, w)
				v := b.submit(t, request, say("a", "bad", "c")...)
				time.Sleep(3 * time.Second)
				now, err := b.Get(t.Context(), "", v.ID)
				require.NoError(t, err)
				if refused {
					require.Equal(t, batches.Counts{Running: 2, Failed: 1}, now.Counts)
					require.Equal(t, []string{"1 failed no"}, b.results(t, v.ID), "what has ended is known before it is noted")
				} else {
					require.Equal(t, batches.Counts{Running: 3}, now.Counts)
					require.Empty(t, b.results(t, v.ID))
				}
				close(hold)
				last := b.end(t, v.ID)
				require.Equal(t, []string{`0 succeeded "said"`, `2 succeeded "said"`}, append(b.results(t, v.ID)[:1], b.results(t, v.ID)[2]))
				if refused {
					require.Equal(t, batches.StatusFailed, last.Status)
					require.Equal(t, "1 failed no", b.results(t, v.ID)[1])
				} else {
					require.Equal(t, batches.StatusSucceeded, last.Status)
				}
				b.stop()
			})
		})
	}
}

// TestACancellationWaitsForAShortTime for tasks that do not stop.
func TestACancellationWaitsForAShortTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, hold := newWorker(), make(chan struct{})
		w.run = func(context.Context, services.Task) (services.TaskResult, error) {
			<-hold
			return services.TaskResult{}, context.Canceled
		}
		b := setup(t, w, func(o *options) { o.batches.Window = 1 })
		v := b.submit(t, request, say("a", "b", "c", "d", "e", "f", "g", "h")...)
		synctest.Wait()
		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Cancel(short, "alice", v.ID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		began = time.Now()
		view, err := b.Cancel(t.Context(), "alice", v.ID)
		require.NoError(t, err)
		require.Equal(t, 2*time.Second, time.Since(began))
		require.True(t, view.CancelRequested)
		require.Equal(t, batches.StatusRunning, view.Status)
		close(hold)
		view, err = b.Cancel(t.Context(), "alice", v.ID)
		require.NoError(t, err)
		require.Equal(t, batches.StatusCancelled, view.Status, "it has seen the end")
		require.Equal(t, batches.Counts{Cancelled: 8}, view.Counts)
		before := time.Now()
		again, err := b.Cancel(t.Context(), "alice", v.ID)
		require.NoError(t, err)
		require.Equal(t, view.Finished, again.Finished)
		require.Equal(t, before, time.Now())
		b.stop()
	})
}

// TestConflictsOfARemoval has a batch that another process changes meanwhile.
func TestConflictsOfARemoval(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	conflicts := 2
	store.Before = func(operation, key string) error {
		if operation == "delete" && strings.HasPrefix(key, "batch.") && conflicts > 0 {
			conflicts--
			return fmt.Errorf("changed: %w", records.ErrConflict)
		}
		return nil
	}
	b := prepare(t, store, newWorker()).begin(t)
	v := b.submit(t, request, say("a")...)
	b.end(t, v.ID)
	require.NoError(t, b.Remove(t.Context(), "alice", v.ID))
	require.Zero(t, conflicts)
}

// TestItemsFillSegments of at most so many items and bytes each, and no item is lost.
func TestItemsFillSegments(t *testing.T) {
	t.Parallel()
	store := &recordstest.Faulty{Store: recordstest.NewMemory()}
	w := newWorker()
	w.run = func(ctx context.Context, _ services.Task) (services.TaskResult, error) {
		<-ctx.Done()
		return services.TaskResult{}, ctx.Err()
	}
	b := prepare(t, store, w).begin(t)
	sizes := []int{60 << 10, 60 << 10, 60 << 10, 60 << 10, 60 << 10, 200 << 10, 200 << 10, 10, 250 << 10, 250 << 10}
	d, err := b.Draft(anyone)
	require.NoError(t, err)
	for _, size := range sizes {
		require.NoError(t, d.Add(t.Context(), say(strings.Repeat("x", size))[0], 0))
	}
	for range 2100 {
		require.NoError(t, d.Add(t.Context(), say("y")[0], 0))
	}
	d.Skip()
	require.Equal(t, len(sizes)+2101, d.Items())
	v, _, err := d.Commit(t.Context(), request)
	require.NoError(t, err)
	var items []int
	for _, one := range v.Inputs {
		items = append(items, one.Items)
		require.True(t, one.Items == 1 || one.Bytes <= 256<<10+1, one)
	}
	require.Equal(t, []int{4, 1, 1, 2}, items[:4])
	sum := 0
	for _, n := range items {
		require.LessOrEqual(t, n, 1000)
		sum += n
	}
	require.Equal(t, len(sizes)+2100, sum)
	require.NoError(t, d.Discard(t.Context()))
	_, err = b.Cancel(t.Context(), "", v.ID)
	require.NoError(t, err)
	require.Equal(t, batches.StatusCancelled, b.end(t, v.ID).Status)

	other := b.draft(t, say(strings.Repeat("x", 200<<10), strings.Repeat("x", 200<<10))...)
	fault := store.Arm(1)
	require.ErrorIs(t, other.Discard(t.Context()), fault)
	store.Disarm()
	require.NoError(t, other.Discard(t.Context()), "a sweep removes it")
	b.Sweep(t.Context())
	names, err := store.Objects(t.Context())
	require.NoError(t, err)
	stored, err := b.Get(t.Context(), "", v.ID)
	require.NoError(t, err)
	require.Len(t, names, len(stored.Inputs)+len(stored.Outputs))
}

// TestARetryOfNothing leaves a batch as it is in which everything has succeeded.
func TestARetryOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, newWorker())
	v := b.end(t, b.submit(t, request, say("a")...).ID)
	again, err := b.Retry(t.Context(), "alice", v.ID, false)
	require.NoError(t, err)
	require.Equal(t, batches.StatusSucceeded, again.Status)
	require.Equal(t, v.Revision, again.Revision)
	require.ErrorIs(t, b.Start(t.Context()), lifecycle.ErrStarted)
}
