package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the entries of a store, as a process does, until the returned function is
// called.
func open(t *testing.T, store records.Store) (*Log, func()) {
	t.Helper()
	db := records.NewDatabase(store, slog.New(slog.DiscardHandler))
	l := New(db)
	require.NoError(t, db.Start(t.Context()))
	require.True(t, db.AwaitReady(t.Context()))
	return l, func() { require.NoError(t, db.Stop(context.Background())) }
}

// paths returns the paths of all pages, and how many pages there are.
func paths(t *testing.T, l *Log, limit int) (list []string, pages int) {
	t.Helper()
	for cursor := ""; ; pages++ {
		page, err := l.List(limit, cursor)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Data), limit)
		for _, e := range page.Data {
			list = append(list, e.Path)
		}
		if cursor = page.Next; cursor == "" {
			return list, pages + 1
		}
	}
}

func TestEntriesAreListedTheNewestFirstAndOutliveTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		l, shut := open(t, store)
		for i := range 5 {
			require.NoError(t, l.Add(t.Context(), Entry{
				Key: "k1", KeyName: "a colleague", Operation: "restart", Method: "POST", Path: fmt.Sprint("/", i), Status: 200 + i,
			}))
			time.Sleep(time.Second)
		}
		shut()
		l, shut = open(t, store)
		defer shut()
		list, pages := paths(t, l, 2)
		require.Equal(t, []string{"/4", "/3", "/2", "/1", "/0"}, list)
		require.Equal(t, 3, pages)
		page, err := l.List(1, "")
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), page.Data[0].At, 2*time.Second)
		require.Equal(t, []any{"k1", "a colleague", 204}, []any{page.Data[0].Key, page.Data[0].KeyName, page.Data[0].Status})
		_, err = l.List(1, "nonsense")
		require.Equal(t, services.KindInvalid, services.KindOf(err))
	})
}

func TestTheOldestEntriesAreDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		l, shut := open(t, store)
		other, shutOther := open(t, store)
		l.most[false], other.most[false] = 3, 3
		for i := range 7 {
			require.NoError(t, []*Log{l, other}[i%2].Add(t.Context(), Entry{Path: fmt.Sprint("/", i)}))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		shut()
		shutOther()
		l, shut = open(t, store)
		defer shut()
		list, _ := paths(t, l, 10)
		require.Equal(t, []string{"/6", "/5", "/4"}, list)
	})
}

// TestSessionsDoNotDisplaceWhatOperatorsDid has sessions and others each with a limit of
// their own.
func TestSessionsDoNotDisplaceWhatOperatorsDid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, shut := open(t, recordstest.NewMemory())
		defer shut()
		l.most = map[bool]int{true: 2, false: 3}
		for i := range 8 {
			require.NoError(t, l.Add(t.Context(), Entry{Path: fmt.Sprint("/", i), Session: i >= 2}))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		list, _ := paths(t, l, 10)
		require.Equal(t, []string{"/7", "/6", "/1", "/0"}, list)
	})
}

func TestTextsOfEntriesAreCut(t *testing.T) {
	t.Parallel()
	l, shut := open(t, recordstest.NewMemory())
	defer shut()
	require.NoError(t, l.Add(t.Context(), Entry{Path: "/" + strings.Repeat("ü", 1000), Reason: "a\xffb"}))
	page, err := l.List(1, "")
	require.NoError(t, err)
	require.Len(t, page.Data[0].Path, maxText-1)
	require.True(t, utf8.ValidString(page.Data[0].Path))
	require.Equal(t, "ab", page.Data[0].Reason)
}

// TestAFaultOfTheStoreIsReturned checks each call of the store.
func TestAFaultOfTheStoreIsReturned(t *testing.T) {
	t.Parallel()
	recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
		l, shut := open(t, store)
		defer shut()
		l.most[false] = 1
		require.NoError(t, l.Add(t.Context(), Entry{Path: "/0"}))
		fault := store.Arm(nth)
		err := l.Add(t.Context(), Entry{Path: "/1"})
		store.Disarm()
		if err != nil {
			require.ErrorIs(t, err, fault)
		}
		require.NoError(t, l.Add(t.Context(), Entry{Path: "/2"}))
		list, _ := paths(t, l, 10)
		require.Equal(t, []string{"/2"}, list)
	})
}
