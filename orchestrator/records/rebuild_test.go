package records_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// rebuilt is a store that is built anew: every record then has another revision, and what
// the test wants has changed.
type rebuilt struct {
	*recordstest.Memory
	begin  context.CancelFunc
	begun  context.Context
	change func()
	calls  [][]string
	fail   atomic.Int32
}

func newRebuilt(change func(m *recordstest.Memory)) *rebuilt {
	r := &rebuilt{Memory: recordstest.NewMemory()}
	r.begun, r.begin = context.WithCancel(context.Background())
	r.change = func() { change(r.Memory) }
	return r
}

// Rebuild implements records.Rebuilder.
func (r *rebuilt) Rebuild(ctx context.Context, keys []string) error {
	if r.fail.Add(-1) >= 0 {
		return &services.Fault{Kind: services.KindUnavailable, Message: "no files"}
	}
	r.calls = append(r.calls, keys)
	r.begin()
	for _, key := range keys {
		raw, at, err := r.Read(ctx, key)
		if err == nil {
			err = r.Memory.Delete(ctx, key, at)
		}
		if err == nil {
			_, err = r.Memory.Create(ctx, key, raw)
		}
		if err != nil {
			return err
		}
	}
	r.change()
	return nil
}

// Watch ends, once, when the store is built anew. It reports a deletion first, as a store
// does that has marks of them.
func (r *rebuilt) Watch(ctx context.Context, changed func(records.Change)) error {
	changed(records.Change{Key: "note.deleted", Revision: 1})
	if r.begun.Err() != nil {
		return r.Memory.Watch(ctx, changed)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.begun, cancel)()
	if err := r.Memory.Watch(ctx, func(change records.Change) {
		if change.Revision > 0 {
			change.Revision += 10000 // later than any that follows
		}
		changed(change)
	}); r.begun.Err() == nil {
		return err
	}
	return errors.New("the store was closed")
}

func TestAStoreThatLostRecordsIsBuiltAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		record := func(id, text string) (string, []byte) {
			return "note." + id, []byte(`{"schema":1,"kind":"note","id":"` + id + `","body":{"text":"` + text + `"}}`)
		}
		store := newRebuilt(func(m *recordstest.Memory) {
			// One more is lost, and one that was deleted comes back.
			_, at, err := m.Read(context.Background(), "note.later")
			if err == nil {
				err = m.Delete(context.Background(), "note.later", at)
			}
			if err == nil {
				key, raw := record("revived", "begun")
				_, err = m.Create(context.Background(), key, raw)
			}
			if err != nil {
				t.Error(err)
			}
		})
		file := filepath.Join(t.TempDir(), "ledger")
		within(t, store, file, func(p noting) {
			for _, id := range []string{"lost", "later", "stays"} {
				_, err := p.all.Create(t.Context(), made(id, "begun", 0))
				require.NoError(t, err)
			}
			// Every revision after the store was built anew is lower than those noted.
			p.ledger.Put(ledger.Entry{Key: "note.stays", Revision: 900}, true)
			require.NoError(t, p.ledger.Rebase([]ledger.Entry{
				{Key: "note.lost", Revision: 1, Note: []byte(`"x"`)}, {Key: "note.later", Revision: 2, Note: []byte(`"y"`)},
				{Key: "note.stays", Revision: 3, Note: []byte(`"z"`)},
			}, 900))
		})
		require.Empty(t, store.calls, "nothing was lost")
		drop(t, store, "note.lost")
		store.fail.Store(2)
		within(t, store, file, func(p noting) {
			require.Equal(t, [][]string{{"note.later", "note.stays"}}, store.calls)
			require.Equal(t, map[string]ledger.What{"note.lost": ledger.LostRecord, "note.later": ledger.LostRecord}, keysOf(p.Losses()))
			for id, text := range map[string]string{"lost": `lost "x" end`, "later": `lost "y" end`, "stays": "begun"} {
				one, known := p.all.Get(id)
				require.True(t, known, id)
				require.Equal(t, text, one.Text)
				require.Less(t, one.Revision, records.Revision(10000), "the index has forgotten the revision before")
			}
			_, known := p.all.Get("revived")
			require.False(t, known)
			require.Equal(t, 3, p.Noted())
			p.Acknowledge()
		})
		within(t, store, file, func(p noting) {
			require.Len(t, store.calls, 1)
			require.Empty(t, p.Losses())
			require.Equal(t, 3, p.Noted())
		})
	})
}

// replaced is a store in which the content of a record is replaced during a survey.
type replaced struct {
	*recordstest.Memory
	meanwhile func()
}

func (r replaced) Survey(context.Context) (map[string]bool, error) {
	r.meanwhile()
	return map[string]bool{}, nil
}

func TestARecordThatChangedDuringASurveyIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, file := recordstest.NewMemory(), filepath.Join(t.TempDir(), "ledger")
		within(t, store, file, func(p noting) {
			for _, id := range []string{"changed", "deleted", "lost"} {
				_, err := p.all.Create(t.Context(), made(id, "1", 0))
				require.NoError(t, err)
			}
		})
		var p noting
		p = process(t, replaced{store, func() {
			one, _ := p.all.Get("changed")
			if _, err := p.all.Replace(context.Background(), one); err != nil {
				t.Error(err)
			}
			one, _ = p.all.Get("deleted")
			if err := p.all.Delete(context.Background(), one); err != nil {
				t.Error(err)
			}
		}}, file)
		begin(t, p.Database)
		synctest.Wait()
		require.Equal(t, map[string]ledger.What{"note.lost": ledger.LostContent}, keysOf(p.Losses()))
		end(t, p.Database)
	})
}
