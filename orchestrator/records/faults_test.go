package records_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"math"
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

// edit changes the record a.
func edit(p noting, change func(*note) (bool, error)) error {
	_, err := p.all.Edit(context.Background(), "a", change)
	return err
}

// operations of a collection that has the record a, and what it has afterwards.
var operations = map[string]struct {
	do   func(p noting) error
	want map[string]string
}{
	"create": {func(p noting) error {
		_, err := p.all.Create(context.Background(), made("b", "new", 1))
		return err
	}, map[string]string{"a": "old", "b": "new"}},
	"load": {func(p noting) error {
		one, err := p.all.Load(context.Background(), "a")
		if err == nil && one.Text != "old" {
			panic("another one")
		}
		return err
	}, map[string]string{"a": "old"}},
	"edit": {func(p noting) error {
		return edit(p, func(n *note) (bool, error) { n.Text = "changed"; return true, nil })
	}, map[string]string{"a": "changed"}},
	"edit nothing": {func(p noting) error {
		return edit(p, func(n *note) (bool, error) { n.Text = "changed"; return false, nil })
	}, map[string]string{"a": "old"}},
	"delete": {func(p noting) error {
		one, err := p.all.Load(context.Background(), "a")
		if err != nil {
			return err
		}
		return p.all.Delete(context.Background(), one)
	}, map[string]string{}},
}

// TestEachCallOfTheStoreCanFail has each call of each operation of a collection fail once. The
// fault is returned, the index and the ledger are those of the store, and the operation
// succeeds when it is repeated.
func TestEachCallOfTheStoreCanFail(t *testing.T) {
	t.Parallel()
	for name, c := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
				t.Helper()
				file := filepath.Join(t.TempDir(), "ledger")
				synctest.Test(t, func(t *testing.T) {
					within(t, store, file, func(p noting) {
						_, err := p.all.Create(t.Context(), made("a", "old", 0))
						require.NoError(t, err)
						fault := store.Arm(nth)
						err = c.do(p)
						store.Disarm()
						if nth > 0 {
							require.ErrorIs(t, err, fault)
							require.Equal(t, 1, p.Noted(), "nothing has changed")
							err = c.do(p)
						}
						require.NoError(t, err)
						synctest.Wait()
						require.Equal(t, c.want, texts(p))
						require.Equal(t, len(c.want), p.Noted())
					})
					within(t, store, file, func(p noting) {
						require.Empty(t, p.Losses())
						require.Equal(t, c.want, texts(p))
					})
				})
			})
		})
	}
}

func texts(p noting) map[string]string {
	all := make(map[string]string)
	p.all.Each(func(e records.Entry[note]) bool { all[e.Value.ID] = e.Value.Text; return true })
	return all
}

// TestEachCallOfARecoveryCanFail has the store lose a record and revive a deleted one. Whatever
// call fails, the recovery ends as it does without a fault.
func TestEachCallOfARecoveryCanFail(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "ledger")
		synctest.Test(t, func(t *testing.T) {
			within(t, store, file, func(p noting) {
				for _, id := range []string{"a", "b", "c"} {
					_, err := p.all.Create(t.Context(), made(id, id, 0))
					require.NoError(t, err)
				}
				c, err := p.all.Load(t.Context(), "c")
				require.NoError(t, err)
				require.NoError(t, p.all.Delete(t.Context(), c))
			})
			drop(t, store, "note.b")
			raw, _, err := store.Read(t.Context(), "note.a")
			require.NoError(t, err)
			_, err = store.Create(t.Context(), "note.c", []byte(strings.Replace(string(raw), `"id":"a"`, `"id":"c"`, 1)))
			require.NoError(t, err)
			_, err = store.Create(t.Context(), "other.x", []byte("{}"))
			require.NoError(t, err)

			store.Arm(nth)
			p := process(t, store, file)
			require.NoError(t, p.Start(t.Context()))
			synctest.Wait()
			if nth > 0 && !p.Ready() {
				require.Contains(t, p.Problem(), "lost records could not be restored yet: ")
				if b, err := p.all.Load(t.Context(), "b"); err == nil {
					require.Equal(t, `lost "b" end`, b.Text, "it is restored, or not known yet")
				}
			}
			require.True(t, p.AwaitReady(t.Context()))
			store.Disarm()
			require.Empty(t, p.Problem())
			require.Equal(t, map[string]ledger.What{"note.b": ledger.LostRecord}, keysOf(p.Losses()))
			got := texts(p)
			require.Equal(t, `lost "b" end`, got["b"])
			require.Equal(t, "a", got["a"])
			end(t, p.Database)
			within(t, store, file, func(p noting) {
				require.Equal(t, 1, p.Acknowledge())
				require.Equal(t, got, texts(p))
			})
		})
	})
}

func TestAnObjectThatIsNotCommittedIsDiscarded(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		t.Helper()
		fault := store.Arm(nth)
		err := records.PutObject(t.Context(), store, "x", strings.NewReader("content"))
		store.Disarm()
		names, listErr := store.Objects(t.Context())
		require.NoError(t, listErr)
		if nth == 0 {
			require.NoError(t, err)
			require.Equal(t, []string{"x"}, names)
			return
		}
		require.ErrorIs(t, err, fault)
		require.Empty(t, names)
		if nth == 2 {
			require.Equal(t, []string{"stage", "commit x", "discard"}, store.Calls())
		}
	})
}

// TestAFullDiskIsTheReason has a store that is unavailable, with room and without.
func TestAFullDiskIsTheReason(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	unavailable, broken := services.Faultf(services.KindUnavailable, "reopened"), errors.New("broken")
	require.NoError(t, records.OrFull(store, nil, 1))
	require.ErrorIs(t, records.OrFull(store, unavailable, 1), unavailable)
	store.SetRoom(services.Faultf(services.KindUnavailable, "reopened too"))
	require.ErrorIs(t, records.OrFull(store, unavailable, 1), unavailable)
	full := services.Faultf(services.KindFull, "full")
	store.SetRoom(full)
	require.ErrorIs(t, records.OrFull(store, unavailable, 1), full)
	require.ErrorIs(t, records.OrFull(store, broken, 1), broken)
	require.NoError(t, records.OrFull(store, nil, 1))
	asked := &asking{Store: store}
	_ = records.OrFull(asked, unavailable, 7)
	require.Equal(t, 7+records.LeastRoom, asked.need)
}

type asking struct {
	records.Store
	need services.Bytes
}

func (a *asking) Room(need services.Bytes) error { a.need = need; return a.Store.Room(need) }

// TestWhatARecordMayBe has envelopes that are not those of the record.
func TestWhatARecordMayBe(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	db := records.NewDatabase(store, slog.New(slog.DiscardHandler))
	require.Same(t, store, db.Store())
	modern := notes
	modern.Legacy = nil
	all := records.NewCollection(db, modern, nil)
	for text, says := range map[string]string{
		`{"schema":1,"kind":"note","id":"a","body":{"text":"x"}}`: "",
		`{"schema":2,"kind":"note","id":"a","body":{}}`:           "its schema is 2, and this version reads up to 1",
		`{"schema":1,"kind":"job","id":"a","body":{}}`:            "it is the record of job a",
		`{"schema":1,"kind":"note","id":"b","body":{}}`:           "it is the record of note b",
		`{"schema":1,"kind":"note","id":"a","body":[]}`:           "decode note a: json",
		`{"kind":"note","id":"a"}`:                                "decode note a: it has no schema",
		`{`:                                                       "decode note a: ",
	} {
		at, err := store.Create(t.Context(), "note.a", []byte(text))
		require.NoError(t, err)
		_, err = all.Load(t.Context(), "a")
		if says == "" {
			require.NoError(t, err, text)
		} else {
			require.ErrorContains(t, err, says, text)
		}
		require.NoError(t, store.Delete(t.Context(), "note.a", at))
	}
	unwritable := records.Kind[float64]{
		Name: "number", Meta: func(float64) records.Meta { return records.Meta{ID: "x"} },
		With: func(f float64, _ records.Meta) float64 { return f },
	}
	_, err := records.NewCollection(db, unwritable, nil).Create(t.Context(), math.NaN())
	require.ErrorContains(t, err, "encode the body of number x")
}

// TestPagesAndSelections has limits, and cursors that are none.
func TestPagesAndSelections(t *testing.T) {
	t.Parallel()
	_, all, _ := opened(recordstest.NewMemory())
	for i, id := range []string{"a", "b", "c", "d"} {
		_, err := all.Create(t.Context(), made(id, id, i/2)) // two of each age
		require.NoError(t, err)
	}
	ids := func(list []note) (s string) {
		for _, one := range list {
			s += one.ID
		}
		return s
	}
	for limit, want := range map[int]string{1: "a", 3: "abc", 4: "abcd", math.MaxInt: "abcd"} {
		require.Equal(t, want, ids(all.Select(limit, func(note) bool { return true })))
	}
	require.Equal(t, "bd", ids(all.Select(2, func(n note) bool { return n.ID == "b" || n.ID == "d" })))
	for limit, want := range map[int][]string{1: {"d", "c", "b", "a"}, 3: {"dcb", "a"}, 4: {"dcba"}, 5: {"dcba"}} {
		var pages []string
		query := records.Query[note]{Limit: limit}
		for {
			page, err := all.List(query)
			require.NoError(t, err)
			pages = append(pages, ids(page.Data))
			if query.Cursor = page.Next; query.Cursor == "" {
				break
			}
		}
		require.Equal(t, want, pages)
	}
	page, err := all.List(records.Query[note]{Limit: 9, From: made("", "", 1).Created})
	require.NoError(t, err)
	require.Equal(t, "dc", ids(page.Data))
	for _, cursor := range []string{"*", "x", encoded("12"), encoded("x a"), encoded(" "), encoded("12345678901234567890 a")} {
		_, err = all.List(records.Query[note]{Limit: 1, Cursor: cursor})
		require.Equal(t, services.KindInvalid, services.KindOf(err), cursor)
		require.ErrorContains(t, err, "cursor must be the next cursor of a page")
	}
	page, err = all.List(records.Query[note]{Limit: 9, Cursor: encoded("0 a")})
	require.NoError(t, err)
	require.Empty(t, page.Data, "all are newer")
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// TestTheClockAtItsTolerance has a system's clock that jumps by the tolerance, and by more.
func TestTheClockAtItsTolerance(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for jump, want := range map[time.Duration]time.Duration{
		time.Minute: 70 * time.Second, -time.Minute: -50 * time.Second, // it is followed
		time.Minute + 1: 15 * time.Second, -time.Minute - 1: 5 * time.Second, // approached by half of the ten seconds
		time.Hour: 15 * time.Second, -time.Hour: 5 * time.Second,
	} {
		wall, passed := start, time.Duration(0)
		clock := records.NewClock(func() time.Time { return wall }, func() time.Duration { return passed })
		passed += 10 * time.Second
		wall = start.Add(10 * time.Second).Add(jump)
		require.Equal(t, want, clock.Now().Sub(start), jump)
	}
	clock := records.NewClock(func() time.Time { return start }, func() time.Duration { return 0 })
	require.True(t, clock.Passed(start))
	require.False(t, clock.Passed(start.Add(1)))
	require.True(t, clock.Due(start, 0))
	require.False(t, clock.Due(start.Add(time.Hour+time.Minute), time.Hour))
	require.True(t, clock.Due(start.Add(time.Hour+time.Minute+1), time.Hour), "the clock was set back")
}
