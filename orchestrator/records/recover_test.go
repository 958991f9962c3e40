package records_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// task is notes that end with the text "end", and can be restored.
func task() records.Kind[note] {
	kind := notes
	kind.Note = func(n note) json.RawMessage {
		raw, err := json.Marshal(n.Text)
		if err != nil {
			panic(err)
		}
		return raw
	}
	kind.Final = func(n note) bool { return strings.HasSuffix(n.Text, "end") }
	kind.Restore = func(id string, noted records.Noted, stale *note) (note, bool) {
		if stale == nil && string(noted.Note) == `"unknown"` {
			return note{}, false
		}
		if stale != nil && (!noted.Final || kind.Final(*stale)) {
			return note{}, false
		}
		restored := made(id, "lost "+string(noted.Note)+" end", 0)
		if stale != nil {
			restored.Revision = stale.Revision
		}
		return restored, true
	}
	kind.Objects = func(n note) []string { return []string{"object-" + n.ID} }
	return kind
}

// noting is a database with a ledger, as one process has it.
type noting struct {
	*records.Database
	all    *records.Collection[note]
	ledger *ledger.Ledger
}

// process returns a database over a store and a ledger, not started.
func process(t *testing.T, store records.Store, file string) noting {
	t.Helper()
	l, err := ledger.Open(file, ledger.Options{})
	require.NoError(t, err)
	db := records.NewDatabase(store, slog.New(slog.DiscardHandler))
	db.KeepLedger(l)
	return noting{db, records.NewCollection(db, task(), nil), l}
}

// within runs a process until do returns.
func within(t *testing.T, store records.Store, file string, do func(p noting)) {
	t.Helper()
	p := process(t, store, file)
	begin(t, p.Database)
	defer end(t, p.Database)
	do(p)
}

// keysOf returns the keys of the losses, by what was lost.
func keysOf(losses []ledger.Loss) map[string]ledger.What {
	found := make(map[string]ledger.What)
	for _, loss := range losses {
		found[loss.Key] = loss.What
	}
	return found
}

// drop removes a record from a store, as damage does.
func drop(t *testing.T, store records.Store, key string) {
	t.Helper()
	_, at, err := store.Read(t.Context(), key)
	require.NoError(t, err)
	require.NoError(t, store.Delete(t.Context(), key, at))
}

func TestALostRecordIsCountedAndRestored(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	within(t, store, file, func(p noting) {
		for _, id := range []string{"a", "b", "c"} {
			_, err := p.all.Create(t.Context(), made(id, id, 0))
			require.NoError(t, err)
		}
		require.Equal(t, 3, p.Noted())
	})
	drop(t, store, "note.b")
	for range 2 { // also without an acknowledgement it is lost once
		within(t, store, file, func(p noting) {
			require.Equal(t, map[string]ledger.What{"note.b": ledger.LostRecord}, keysOf(p.Losses()))
			b, err := p.all.Load(t.Context(), "b")
			require.NoError(t, err)
			require.Equal(t, `lost "b" end`, b.Text)
			require.Equal(t, 3, p.Noted())
			_, err = p.all.Replace(t.Context(), b)
			require.NoError(t, err)
		})
	}
	within(t, store, file, func(p noting) {
		require.Equal(t, 1, p.Acknowledge())
		require.Empty(t, p.Losses())
		require.Empty(t, p.Problem())
	})
	within(t, store, file, func(p noting) { require.Empty(t, p.Losses()) })
}

func TestARecordThatCannotBeRestoredIsCountedOnce(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	within(t, store, file, func(p noting) {
		for _, id := range []string{"a", "b"} {
			_, err := p.all.Create(t.Context(), made(id, "unknown", 0))
			require.NoError(t, err)
		}
	})
	drop(t, store, "note.a")
	for range 2 {
		within(t, store, file, func(p noting) {
			require.Equal(t, map[string]ledger.What{"note.a": ledger.LostRecord}, keysOf(p.Losses()))
			_, err := p.all.Load(t.Context(), "a")
			require.ErrorIs(t, err, records.ErrMissing)
			require.Equal(t, 1, p.Noted())
		})
	}
}

func TestRevisionsBeginAgainAfterALossOfTheLast(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	within(t, store, file, func(p noting) {
		one, err := p.all.Create(t.Context(), made("a", "1", 0))
		require.NoError(t, err)
		p.ledger.Put(ledger.Entry{Key: "note.gone", Revision: 500}, true)
		p.ledger.Drop("note.gone")
		// What is already gone is not put back.
		drop(t, store, "note.a")
		require.Error(t, p.all.Delete(t.Context(), one))
		require.Zero(t, p.Noted())
	})
	within(t, store, file, func(p noting) {
		require.Empty(t, p.Losses(), "only what had been deleted is lost")
		require.Less(t, p.ledger.Mark(), uint64(500))
	})
}

func TestARecordThatWentBackEndsAgain(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	within(t, store, file, func(p noting) {
		for _, id := range []string{"a", "b", "c"} {
			_, err := p.all.Create(t.Context(), made(id, "begun", 0))
			require.NoError(t, err)
		}
		// What the ledger has of the states that the store loses.
		p.ledger.Put(ledger.Entry{Key: "note.a", Revision: 1000, Final: true, Note: json.RawMessage(`"x"`)}, true)
		p.ledger.Put(ledger.Entry{Key: "note.b", Revision: 1001, Note: json.RawMessage(`"y"`)}, true)
	})
	within(t, store, file, func(p noting) {
		require.Equal(t, map[string]ledger.What{"note.a": ledger.LostChange, "note.b": ledger.LostChange}, keysOf(p.Losses()))
		for id, text := range map[string]string{"a": `lost "x" end`, "b": "begun", "c": "begun"} {
			got, err := p.all.Load(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, text, got.Text, id)
		}
		require.Less(t, p.ledger.Mark(), uint64(1000), "revisions begin again")
		require.Equal(t, 3, p.Noted())
		all, err := p.all.List(records.Query[note]{Limit: 9})
		require.NoError(t, err)
		require.Len(t, all.Data, 3)
		p.Acknowledge()
	})
	within(t, store, file, func(p noting) { require.Empty(t, p.Losses()) })
}

func TestWhatCameBackDoesNotBegin(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	write := func(id, text string) {
		_, err := store.Create(t.Context(), "note."+id, []byte(`{"schema":1,"kind":"note","id":"`+id+`","body":{"text":"`+text+`"}}`))
		require.NoError(t, err)
	}
	write("begun", "begun")
	write("ended", "the end")
	_, err := store.Create(t.Context(), "other.x", []byte("7"))
	require.NoError(t, err)
	l, err := ledger.Open(file, ledger.Options{})
	require.NoError(t, err)
	l.Put(ledger.Entry{Key: "note.gone", Revision: 3}, true)
	l.Drop("note.gone")
	require.NoError(t, l.Close())
	write("late", "begun")
	within(t, store, file, func(p noting) {
		_, err := p.all.Load(t.Context(), "begun")
		require.ErrorIs(t, err, records.ErrMissing, "it had been deleted, or nobody was answered")
		for _, id := range []string{"ended", "late"} {
			_, err := p.all.Load(t.Context(), id)
			require.NoError(t, err, id)
		}
		require.Equal(t, 3, p.Noted(), "with the one of another kind")
		require.Empty(t, p.Losses())
	})
}

func TestAFirstLedgerTakesWhatThereIs(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	_, err := store.Create(t.Context(), "note.a", []byte(`{"owner":"o","text":"old","created":"2026-11-24T09:00:00Z"}`))
	require.NoError(t, err)
	within(t, store, file, func(p noting) {
		require.Equal(t, 1, p.Noted())
		n, err := p.Upgrade(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
	within(t, store, file, func(p noting) { require.Empty(t, p.Losses()) })
}

func TestADeletionIsNotedFirst(t *testing.T) {
	t.Parallel()
	store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
	within(t, store, file, func(p noting) {
		one, err := p.all.Create(t.Context(), made("a", "1", 0))
		require.NoError(t, err)
		two, err := p.all.Replace(t.Context(), one)
		require.NoError(t, err)
		require.ErrorIs(t, p.all.Delete(t.Context(), one), records.ErrConflict)
		back, known := p.ledger.Get("note.a")
		require.True(t, known, "it was not deleted")
		require.LessOrEqual(t, back.Revision, uint64(two.Revision))
		store.Before = func(operation, _ string) error {
			_, known := p.ledger.Get("note.a")
			require.Equal(t, operation != "delete", known)
			return nil
		}
		require.NoError(t, p.all.Delete(t.Context(), two))
		_, known = p.ledger.Get("note.a")
		require.False(t, known)
		store.Before = nil
	})
	within(t, store, file, func(p noting) { require.Empty(t, p.Losses()) })
}

func TestWritesWaitForTheComparison(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		p := process(t, store, filepath.Join(t.TempDir(), "ledger"))
		p.ledger.Put(ledger.Entry{Key: "note.lost", Revision: 9}, true)
		_, err := p.all.Load(t.Context(), "lost")
		require.Equal(t, services.KindUnavailable, services.KindOf(err), "it is not missing")
		_, err = p.all.Load(t.Context(), "never")
		require.ErrorIs(t, err, records.ErrMissing)
		began := time.Now()
		_, err = p.all.Create(t.Context(), made("a", "1", 0))
		require.Equal(t, services.KindUnavailable, services.KindOf(err))
		require.Equal(t, 10*time.Second, time.Since(began))
		store.SetRoom(&services.Fault{Kind: services.KindUnavailable, Message: "closed"})
		began = time.Now()
		_, err = p.all.Create(t.Context(), made("a", "1", 0))
		require.ErrorContains(t, err, "closed")
		require.Zero(t, time.Since(began), "a store that is not there is not waited for")
		store.SetRoom(nil)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = p.all.Replace(cancelled, made("a", "1", 0))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, p.all.Delete(cancelled, made("a", "1", 0)), context.Canceled)
		written := make(chan error)
		go func() {
			_, err := p.all.Create(t.Context(), made("a", "1", 0))
			written <- err
		}()
		begin(t, p.Database)
		require.NoError(t, <-written)
		end(t, p.Database)
	})
}

func TestARestorationIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
		l, err := ledger.Open(file, ledger.Options{})
		require.NoError(t, err)
		l.Put(ledger.Entry{Key: "note.a", Revision: 1, Note: json.RawMessage(`"x"`)}, true)
		require.NoError(t, l.Close())
		failures := 3
		store.Before = func(string, string) error {
			if failures--; failures >= 0 {
				return &services.Fault{Kind: services.KindFull, Message: "no room"}
			}
			return nil
		}
		p := process(t, store, file)
		require.NoError(t, p.Start(t.Context()))
		synctest.Wait()
		require.False(t, p.Ready())
		require.Contains(t, p.Problem(), "lost records could not be restored yet: no room")
		require.Len(t, p.Losses(), 1, "it is known")
		require.True(t, p.AwaitReady(t.Context()))
		require.Empty(t, p.Problem())
		_, err = p.all.Load(t.Context(), "a")
		require.NoError(t, err)
		end(t, p.Database)
	})
}

func TestOrphansStayUntilALossIsAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := process(t, recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger"))
		p.ledger.Lose([]ledger.Loss{{Key: "note.a", What: ledger.LostRecord}})
		orphans := 0
		p.OnSweep(func(_ context.Context, all bool) {
			if all {
				orphans++
			}
		})
		begin(t, p.Database)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Zero(t, orphans)
		p.Acknowledge()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, 2, orphans)
		end(t, p.Database)
	})
}

// surveyed is a store that has lost parts of objects.
type surveyed struct {
	*recordstest.Memory
	whole map[string]bool
}

func (s surveyed) Survey(context.Context) (map[string]bool, error) { return s.whole, nil }

func TestLostContentIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
		within(t, store, file, func(p noting) {
			for _, id := range []string{"whole", "part", "gone"} {
				_, err := p.all.Create(t.Context(), made(id, "the end", 0))
				require.NoError(t, err)
			}
			require.Empty(t, p.Losses(), "this store cannot be surveyed")
		})
		within(t, surveyed{store, map[string]bool{"object-whole": true, "object-part": false}}, file, func(p noting) {
			synctest.Wait()
			require.Equal(t, map[string]ledger.What{"note.part": ledger.LostContent, "note.gone": ledger.LostContent}, keysOf(p.Losses()))
			require.True(t, p.Losses()[0].Final)
			p.Acknowledge()
		})
		within(t, surveyed{store, map[string]bool{"object-whole": true}}, file, func(p noting) {
			synctest.Wait()
			require.Empty(t, p.Losses(), "they are known")
		})
	})
}

func TestWithoutALedgerNothingIsNoted(t *testing.T) {
	t.Parallel()
	db, _, _ := opened(recordstest.NewMemory())
	require.Empty(t, db.Losses())
	require.Zero(t, db.Acknowledge())
	require.Zero(t, db.Noted())
	require.Empty(t, db.Problem())
}
