package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// note is a record of the tests.
type note struct {
	records.Meta `json:"-"`
	Text         string `json:"text"`
}

var notes = records.Kind[note]{
	Name: "note",
	Meta: func(n note) records.Meta { return n.Meta },
	With: func(n note, m records.Meta) note { n.Meta = m; return n },
	Legacy: func(_ string, raw []byte) (n note, err error) {
		var old struct {
			Owner, Text string
			Created     time.Time
		}
		err = json.Unmarshal(raw, &old)
		n.Owner, n.Text, n.Created = old.Owner, old.Text, old.Created
		return n, err
	},
}

// events records what a collection reports.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) take(event records.Event[note]) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case event.Now == nil:
		e.all = append(e.all, "-"+event.ID)
	case event.Before == nil:
		e.all = append(e.all, "+"+event.ID+":"+event.Now.Value.Text)
	default:
		e.all = append(e.all, event.ID+":"+event.Before.Value.Text+">"+event.Now.Value.Text)
	}
}

func (e *events) seen() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.all...)
}

// opened returns a database over a store with the notes in it, not started.
func opened(store records.Store) (*records.Database, *records.Collection[note], *events) {
	db := records.NewDatabase(store, slog.New(slog.DiscardHandler))
	seen := &events{}
	return db, records.NewCollection(db, notes, seen.take), seen
}

func begin(t *testing.T, db *records.Database) {
	t.Helper()
	require.NoError(t, db.Start(t.Context()))
	require.True(t, db.AwaitReady(t.Context()))
}

func end(t *testing.T, db *records.Database) {
	t.Helper()
	require.NoError(t, db.Stop(context.Background()))
}

func made(id, text string, age int) note {
	return note{records.Meta{ID: id, Owner: "o", Created: time.Date(2026, 11, 24, 9, 0, age, 0, time.UTC)}, text}
}

func TestEveryStateIsReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		db, collection, seen := opened(store)
		begin(t, db)
		defer end(t, db)
		one, err := collection.Create(t.Context(), made("a", "1", 0))
		require.NoError(t, err)
		synctest.Wait() // the watch has reported it too
		one.Text = "2"
		one, err = collection.Replace(t.Context(), one)
		require.NoError(t, err)
		synctest.Wait()
		// Another process writes and deletes.
		_, other, _ := opened(store)
		two, err := other.Create(t.Context(), made("b", "x", 1))
		require.NoError(t, err)
		require.NoError(t, other.Delete(t.Context(), two))
		require.NoError(t, collection.Delete(t.Context(), one))
		synctest.Wait()
		require.Equal(t, []string{"+a:1", "a:1>2", "+b:x", "-b", "-a"}, without(seen.seen(), 5))
		_, known := collection.Get("a")
		require.False(t, known)
	})
}

// without orders the independent events of two records.
func without(all []string, n int) []string {
	if len(all) == n && all[2] == "-a" {
		all = append(append(all[:2:2], all[3:]...), "-a")
	}
	return all
}

func TestTheEnvelope(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	_, collection, _ := opened(store)
	one := made("a", "hello", 0)
	one.Expires = one.Created.Add(time.Hour)
	_, err := collection.Create(t.Context(), one)
	require.NoError(t, err)
	raw, _, err := store.Read(t.Context(), "note.a")
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(raw, &fields))
	require.NotEmpty(t, fields["updated"])
	delete(fields, "updated")
	require.Equal(t, map[string]any{
		"schema": 1.0, "kind": "note", "id": "a", "owner": "o", "created": "2026-11-24T09:00:00Z", "expires": "2026-11-24T10:00:00Z",
		"body": map[string]any{"text": "hello"},
	}, fields)
	read, err := collection.Load(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, one.Expires, read.Expires)
	require.Equal(t, "o", read.Owner)
	_, err = collection.Load(t.Context(), "b")
	require.ErrorIs(t, err, records.ErrMissing)
	for id, text := range map[string]string{
		"later": `{"schema":2,"kind":"note","id":"later","body":{}}`, "wrong": `{"schema":1,"kind":"note","id":"other","body":{}}`,
		"kind": `{"schema":1,"kind":"job","id":"kind","body":{}}`, "cut": `{"schema":1`,
		"body": `{"schema":1,"kind":"note","id":"body","body":7}`,
	} {
		_, err := store.Create(t.Context(), "note."+id, []byte(text))
		require.NoError(t, err)
		_, err = collection.Load(t.Context(), id)
		require.Error(t, err, id)
		require.ErrorContains(t, err, id)
	}
}

func TestAnEditComesThroughAgainstOthers(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	_, collection, _ := opened(store)
	_, err := collection.Create(t.Context(), made("a", "", 0))
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := collection.Edit(t.Context(), "a", func(n *note) (bool, error) { n.Text += "x"; return true, nil })
			assert.NoError(t, err)
		})
	}
	all.Wait()
	one, err := collection.Load(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", 8), one.Text)
	refusal := errors.New("refused")
	_, err = collection.Edit(t.Context(), "a", func(n *note) (bool, error) { n.Text = "lost"; return true, refusal })
	require.ErrorIs(t, err, refusal)
	_, err = collection.Edit(t.Context(), "a", func(n *note) (bool, error) { n.Text = "lost"; return false, nil })
	require.NoError(t, err)
	one, err = collection.Load(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", 8), one.Text)
	_, err = collection.Replace(t.Context(), note{Meta: records.Meta{ID: "a", Revision: 1}})
	require.ErrorIs(t, err, records.ErrConflict)
}

func TestPagesAreNotShifted(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	_, collection, _ := opened(store)
	for i := range 7 {
		_, err := collection.Create(t.Context(), made(fmt.Sprint(i), fmt.Sprint(i%2), i/2)) // some at the same time
		require.NoError(t, err)
	}
	var listed []string
	query := records.Query[note]{Limit: 3}
	for {
		page, err := collection.List(query)
		require.NoError(t, err)
		for _, n := range page.Data {
			listed = append(listed, n.ID)
		}
		if query.Cursor = page.Next; query.Cursor == "" {
			break
		}
		if len(listed) == 3 {
			_, err := collection.Create(t.Context(), made("late", "1", 60))
			require.NoError(t, err)
			gone, _ := collection.Get("4")
			require.NoError(t, collection.Delete(t.Context(), gone))
		}
	}
	require.Equal(t, []string{"6", "5", "4", "3", "2", "1", "0"}, listed)
	page, err := collection.List(records.Query[note]{
		Limit: 2, Matches: func(n note) bool { return n.Text == "1" }, From: made("", "", 1).Created,
	})
	require.NoError(t, err)
	require.Len(t, page.Data, 2)
	require.Equal(t, []string{"late", "5"}, []string{page.Data[0].ID, page.Data[1].ID})
	page, err = collection.List(records.Query[note]{
		Limit: 2, Cursor: page.Next, Matches: func(n note) bool { return n.Text == "1" }, From: made("", "", 1).Created,
	})
	require.NoError(t, err)
	require.Equal(t, "3", page.Data[0].ID)
	require.Len(t, page.Data, 1, "the one from the second on, and none before")
	require.Empty(t, page.Next)
	for _, bad := range []string{"!", "eHg", "eCB5"} {
		_, err = collection.List(records.Query[note]{Limit: 1, Cursor: bad})
		require.Equal(t, services.KindInvalid, services.KindOf(err), bad)
	}
}

func TestAnUpgradeThatIsCutOffGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		for i := range 5 {
			_, err := store.Create(t.Context(), fmt.Sprintf("note.%d", i),
				fmt.Appendf(nil, `{"owner":"o%d","text":"t%d","created":"2026-11-24T09:00:0%dZ"}`, i, i, i))
			require.NoError(t, err)
		}
		cut := errors.New("cut off")
		writes := 0
		store.Before = func(operation, _ string) error {
			if operation == "replace" {
				if writes++; writes%3 == 0 {
					return cut
				}
			}
			return nil
		}
		total := 0
		for round := range 3 {
			db, collection, _ := opened(store) // another process each time
			begin(t, db)
			n, err := db.Upgrade(t.Context())
			total += n
			if round < 2 {
				require.ErrorIs(t, err, cut)
			} else {
				require.NoError(t, err)
			}
			for i := range 5 {
				one, found := collection.Get(fmt.Sprint(i))
				require.True(t, found)
				require.Equal(t, fmt.Sprintf("t%d", i), one.Text)
				require.Equal(t, fmt.Sprintf("o%d", i), one.Owner)
				require.Equal(t, made("", "", i).Created, one.Created)
			}
			end(t, db)
		}
		require.Equal(t, 5, total, "each once")
		for i := range 5 {
			raw, _, err := store.Read(t.Context(), fmt.Sprintf("note.%d", i))
			require.NoError(t, err)
			require.Contains(t, string(raw), `"schema":1`)
		}
	})
}

func TestSweepsRunInReverseOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, _, _ := opened(recordstest.NewMemory())
		var mu sync.Mutex
		var runs []string
		for _, name := range []string{"library", "jobs"} {
			db.OnSweep(func(_ context.Context, orphans bool) {
				mu.Lock()
				defer mu.Unlock()
				runs = append(runs, fmt.Sprint(name, orphans))
			})
		}
		begin(t, db)
		time.Sleep(61*time.Minute + time.Second)
		synctest.Wait()
		end(t, db)
		require.Equal(t, []string{"jobstrue", "librarytrue", "jobsfalse", "libraryfalse"}, runs[:4])
		require.Len(t, runs, 2*62)
		require.Equal(t, []string{"jobstrue", "librarytrue"}, runs[120:122], "objects are looked through each hour")
	})
}

func TestDatabaseStartsAndStops(t *testing.T) {
	t.Parallel()
	lifecycletest.Stress(t, 50, func(*testing.T) lifecycle.Part {
		db, _, _ := opened(recordstest.NewMemory())
		return db
	})
}
