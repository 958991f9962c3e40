package batches

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// bare calls do with a manager that has a started database and its own records, and neither jobs
// nor a driver, on a clock that only tests advance.
func bare(t *testing.T, store records.Store, do func(t *testing.T, m *Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := over(store)
		m.Log, m.worker, m.ClaimTimeout, m.sealAt = slog.New(slog.DiscardHandler), "me", time.Minute, sealAt
		m.Database = records.NewDatabase(store, m.Log)
		m.all = records.NewCollection(m.Database, record, m.changed)
		require.NoError(t, m.Database.Start(t.Context()))
		defer func() { require.NoError(t, m.Database.Stop(context.Background())) }()
		require.True(t, m.Database.AwaitReady(t.Context()))
		do(t, m)
	})
}

// add stores a batch, of one item if it has none.
func add(t *testing.T, m *Manager, b Batch) Batch {
	t.Helper()
	if b.Items == 0 {
		b.Items, b.States = 1, newStates(1)
	}
	if b.Status == "" {
		b.Status = StatusRunning
	}
	written, err := m.all.Create(t.Context(), b)
	require.NoError(t, err)
	synctest.Wait()
	return written
}

func (m *Manager) ids() []string {
	list := []string{}
	m.all.Each(func(e records.Entry[Batch]) bool { list = append(list, e.Value.ID); return true })
	return list
}

// together is a store that other processes use too.
type together struct{ records.Store }

func (together) Exclusive() bool { return false }

// TestWhoDrivesABatch claims batches that have been claimed before, or not.
func TestWhoDrivesABatch(t *testing.T) {
	t.Parallel()
	memory := func() records.Store { return recordstest.NewMemory() }
	shared := func() records.Store { return together{recordstest.NewMemory()} }
	other, own := &Claim{Worker: "other", Token: "o"}, &Claim{Worker: "me", Token: "old"}
	for name, c := range map[string]struct {
		store  func() records.Store
		claim  *Claim
		silent time.Duration
		want   bool
	}{
		"nobody's":                                 {memory, nil, 0, true},
		"nobody's in a shared store":               {shared, nil, 0, true},
		"an earlier process's":                     {memory, other, 0, true},
		"another process's":                        {shared, other, 0, false},
		"another process's at its limit":           {shared, other, time.Minute, false},
		"another process's that has been silent":   {shared, other, time.Minute + 1, true},
		"an earlier one of this process":           {shared, own, 0, true},
		"an earlier one of this process, its own":  {memory, own, 0, true},
		"without a token, as if it were a new one": {shared, &Claim{Worker: "other"}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bare(t, c.store(), func(t *testing.T, m *Manager) {
				b := add(t, m, Batch{ID: "b", Claim: c.claim})
				time.Sleep(c.silent)
				d := &driver{manager: m, id: "b", next: 7}
				got, err := d.claim(t.Context(), b)
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				now, err := m.all.Load(t.Context(), "b")
				require.NoError(t, err)
				if !c.want {
					require.Equal(t, c.claim, now.Claim)
					require.Equal(t, b.Revision, now.Revision)
					return
				}
				require.Equal(t, "me", now.Claim.Worker)
				require.Equal(t, time.Now().UTC(), now.Claim.Since)
				require.NotContains(t, []string{"", "o", "old"}, now.Claim.Token)
				require.Equal(t, d.token, now.Claim.Token)
				require.Zero(t, d.next, "it begins anew")
				require.NotNil(t, d.items)
			})
		})
	}
}

// TestAClaimIsRenewed before it ends, where others could take the batch.
func TestAClaimIsRenewed(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var store records.Store = recordstest.NewMemory()
			if shared {
				store = together{store}
			}
			bare(t, store, func(t *testing.T, m *Manager) {
				add(t, m, Batch{ID: "b"})
				d := &driver{manager: m, id: "b"}
				claim := func() Batch {
					b, err := m.all.Load(t.Context(), "b")
					require.NoError(t, err)
					mine, err := d.claim(t.Context(), b)
					require.NoError(t, err)
					require.True(t, mine)
					b, err = m.all.Load(t.Context(), "b")
					require.NoError(t, err)
					return b
				}
				first := claim()
				d.next = 3
				reader := d.items
				time.Sleep(15*time.Second - 1)
				require.Equal(t, first.Revision, claim().Revision)
				time.Sleep(1)
				again := claim()
				require.Equal(t, shared, again.Revision > first.Revision, "a quarter of the time has passed")
				require.Equal(t, first.Claim.Token, again.Claim.Token)
				require.Equal(t, 3, d.next, "it goes on")
				require.Same(t, reader, d.items)
				time.Sleep(15*time.Second - 1)
				require.Equal(t, again.Revision, claim().Revision)

				_, err := m.all.Edit(t.Context(), "b", func(b *Batch) (bool, error) { b.Claim = nil; return true, nil })
				require.NoError(t, err)
				require.NotEqual(t, first.Claim.Token, claim().Claim.Token, "after a retry")
			})
		})
	}
}

func TestWhatCannotBeClaimed(t *testing.T) {
	t.Parallel()
	store := &recordstest.Faulty{Store: recordstest.NewMemory()}
	bare(t, store, func(t *testing.T, m *Manager) {
		b := add(t, m, Batch{ID: "b"})
		d := &driver{manager: m, id: "b"}
		refused := func(b Batch) {
			t.Helper()
			mine, err := d.claim(t.Context(), b)
			require.NoError(t, err)
			require.False(t, mine)
			require.Empty(t, d.token)
		}
		late := b
		late.Revision--
		refused(late)
		for nth := 1; nth <= 2; nth++ {
			fault := store.Arm(nth)
			mine, err := d.claim(t.Context(), b)
			store.Disarm()
			require.ErrorIs(t, err, fault)
			require.False(t, mine)
			require.Empty(t, d.token)
		}
		ended, err := m.all.Edit(t.Context(), "b", func(b *Batch) (bool, error) { b.Status = StatusFailed; return true, nil })
		require.NoError(t, err)
		refused(ended)
		require.NoError(t, m.all.Delete(t.Context(), ended))
		refused(ended)
	})
}

// TestFinishedBatchesExpire by their age, and the oldest first if all together are too large.
func TestFinishedBatchesExpire(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	bare(t, store, func(t *testing.T, m *Manager) {
		m.cfg.Retention.MaxAge = time.Hour
		start := time.Now().UTC()
		one := func(id string, age int, status Status, bytes int64, callback *jobs.Callback) {
			segments := []Segment{{Object: "batch-" + id + "-in-0", Bytes: bytes}}
			put(t, store, segments[0].Object, []byte("x"))
			add(t, m, Batch{ID: id, Created: start.Add(time.Duration(age)), Finished: start, Status: status, Inputs: segments, Callback: callback})
		}
		const mb = 1 << 20
		one("running", 0, StatusRunning, mb, nil)
		one("owing", 1, StatusFailed, mb, &jobs.Callback{State: jobs.CallbackPending})
		one("oldest", 2, StatusFailed, mb, nil)
		one("older", 3, StatusCancelled, mb, &jobs.Callback{State: jobs.CallbackDelivered})
		one("new", 4, StatusSucceeded, mb, nil)
		all := []string{"running", "owing", "oldest", "older", "new"}
		m.cfg.Retention.MaxBytes = 5*mb + 64<<10
		m.expire(t.Context())
		require.Equal(t, all, m.ids())
		m.cfg.Retention.MaxBytes = 5 * mb // the records count too
		m.expire(t.Context())
		require.Equal(t, []string{"running", "owing", "older", "new"}, m.ids())
		m.cfg.Retention.MaxBytes = 2*mb + 64<<10
		m.expire(t.Context())
		require.Equal(t, []string{"running", "owing"}, m.ids())

		m.cfg.Retention.MaxBytes = 1 << 30
		one("new", 5, StatusSucceeded, mb, nil)
		time.Sleep(time.Hour)
		m.expire(t.Context())
		require.Equal(t, []string{"running", "owing", "new"}, m.ids())
		time.Sleep(time.Minute) // for the clock
		m.expire(t.Context())
		require.Equal(t, []string{"running", "owing"}, m.ids())
		names, err := store.Objects(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"batch-owing-in-0", "batch-running-in-0"}, names)
		require.ElementsMatch(t, []string{"running", "owing"}, slices.Collect(maps.Keys(m.trackers)))
	})
}

func TestObjectsWithoutANameAreDeleted(t *testing.T) {
	t.Parallel()
	store := &recordstest.Faulty{Store: recordstest.NewMemory()}
	bare(t, store, func(t *testing.T, m *Manager) {
		names := func() []string {
			list, err := store.Store.Objects(t.Context())
			require.NoError(t, err)
			return list
		}
		token, release := m.unnamed()
		for _, name := range []string{"batch-a-in-0", "batch-a-out", "batch-lost-out", "audio-x", "batch-" + token + "-in-1"} {
			put(t, store, name, []byte("x"))
		}
		add(t, m, Batch{ID: "b", Inputs: []Segment{{Object: "batch-a-in-0"}}, Outputs: []Segment{{Object: "batch-a-out"}}})
		require.Equal(t, strings.ToLower(token), token)
		before := names()
		m.sweep(t.Context(), false)
		require.Equal(t, before, names())
		for nth := 1; nth <= 2; nth++ {
			fault := store.Arm(nth)
			require.ErrorIs(t, m.removeOrphans(t.Context()), fault)
			store.Disarm()
		}
		require.Equal(t, before, names())
		m.sweep(t.Context(), true)
		require.ElementsMatch(t, []string{"audio-x", "batch-a-in-0", "batch-a-out", "batch-" + token + "-in-1"}, names())
		release()
		require.Empty(t, m.writing)
		m.sweep(t.Context(), true)
		require.Equal(t, []string{"audio-x", "batch-a-in-0", "batch-a-out"}, names())
	})
}

func TestAListHasWhatItsFilterSelects(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	bare(t, store, func(t *testing.T, m *Manager) {
		start := time.Now()
		for i, b := range []Batch{
			{ID: "0", Owner: "alice", Status: StatusFailed, Shared: Item{Labels: map[string]string{"a": "1", "b": ""}}},
			{ID: "1", Owner: "bob", Shared: Item{Labels: map[string]string{"a": "1"}}},
			{ID: "2", Owner: "alice"},
			{ID: "3", Status: StatusFailed, Shared: Item{Labels: map[string]string{"a": "2"}}},
		} {
			b.Created = start.Add(time.Duration(i))
			add(t, m, b)
		}
		for want, f := range map[string]Filter{
			"3210": {},
			"20":   {Owner: "alice"},
			"30":   {Status: StatusFailed},
			"0":    {Owner: "alice", Status: StatusFailed},
			"":     {Owner: "bob", Status: StatusFailed},
			"10":   {Labels: map[string]string{"a": "1"}, Limit: 9},
			"0 ":   {Labels: map[string]string{"b": ""}},
			"32":   {Limit: 2},
		} {
			if f.Limit == 0 {
				f.Limit = 10
			}
			views, next, err := m.List(t.Context(), f)
			require.NoError(t, err)
			got := ""
			for _, view := range views {
				got += view.ID
				require.Equal(t, 1, view.Counts.Pending)
			}
			require.Equal(t, strings.TrimSpace(want), got)
			require.Equal(t, f.Limit == 2, next != "")
		}
		_, next, err := m.List(t.Context(), Filter{Limit: 3})
		require.NoError(t, err)
		views, next, err := m.List(t.Context(), Filter{Limit: 3, Cursor: next})
		require.NoError(t, err)
		require.Len(t, views, 1)
		require.Empty(t, next)
		_, _, err = m.List(t.Context(), Filter{Limit: 3, Cursor: "?"})
		require.Equal(t, services.KindInvalid, services.KindOf(err))
		notFound(t, m)
	})
}

// notFound asks for batches of others and for unknown ones.
func notFound(t *testing.T, m *Manager) {
	t.Helper()
	view, err := m.Get(t.Context(), "bob", "1")
	require.NoError(t, err)
	require.Equal(t, "1", view.ID)
	for _, c := range [][2]string{{"bob", "0"}, {"", "x"}, {"bob", "x"}} {
		_, err = m.Get(t.Context(), c[0], c[1])
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.ErrorContains(t, err, `batch "`+c[1]+`" does not exist`)
		require.Equal(t, services.KindNotFound, services.KindOf(m.Remove(t.Context(), c[0], c[1])))
		_, err = m.Retry(t.Context(), c[0], c[1], true)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		_, err = m.Cancel(t.Context(), c[0], c[1])
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.Equal(t, services.KindNotFound, services.KindOf(m.Follow(t.Context(), c[0], c[1], func(Change) error { panic("not") })))
		require.Equal(t, services.KindNotFound, services.KindOf(m.Results(t.Context(), c[0], c[1], func(Result) error { panic("not") })))
	}
}

func TestNothingIsListedBeforeItIsLoaded(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	m := over(store)
	m.Database = records.NewDatabase(store, slog.New(slog.DiscardHandler))
	m.all = records.NewCollection(m.Database, record, m.changed)
	_, _, err := m.List(t.Context(), Filter{Limit: 3})
	require.ErrorContains(t, err, "the stored batches are still being loaded")
	_, err = m.Get(t.Context(), "", "0")
	require.ErrorContains(t, err, "the stored batches are still being loaded")
	require.ErrorContains(t, m.Results(t.Context(), "", "0", nil), "the stored batches are still being loaded")
	_, err = m.Draft(services.Caller{})
	require.ErrorContains(t, err, "the stored batches are still being loaded")
}

// TestOwnersHaveARoomForItems counts the items that have not ended of an owner's batches.
func TestOwnersHaveARoomForItems(t *testing.T) {
	t.Parallel()
	bare(t, recordstest.NewMemory(), func(t *testing.T, m *Manager) {
		m.cfg.MaxItems = 10
		states := newStates(5)
		states.set(0, stateFailed)
		states.set(4, stateSucceeded)
		add(t, m, Batch{ID: "a", Owner: "alice", Items: 5, States: states})
		add(t, m, Batch{ID: "b", Owner: "bob", Items: 7, States: newStates(7)})
		add(t, m, Batch{ID: "c", Owner: "alice", Items: 8, States: newStates(8), Status: StatusCancelled})
		m.itemChanged("j", nil, &jobs.Job{Batch: "unknown"})
		require.NoError(t, m.admit(Batch{Owner: "alice", Items: 7}))
		err := m.admit(Batch{Owner: "alice", Items: 8})
		require.Equal(t, services.KindBusy, services.KindOf(err))
		require.ErrorContains(t, err, "3 items of your batches have not ended, this batch has 8, and jobs.batches.maxItems allows 10 together")
		require.NoError(t, m.admit(Batch{Owner: "carol", Items: 10}))
		require.Error(t, m.admit(Batch{Owner: "carol", Items: 11}))
	})
}
