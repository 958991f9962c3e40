package records_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// late is a store whose watch reports changes only when it is told to.
type late struct {
	*recordstest.Memory
	reports chan func(records.Change)
}

func (l *late) Watch(ctx context.Context, changed func(records.Change)) error {
	changed(records.Change{CaughtUp: true})
	select {
	case l.reports <- changed:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestADeletedRecordDoesNotComeBack has a watch that reports a record after the process has
// deleted it.
func TestADeletedRecordDoesNotComeBack(t *testing.T) {
	t.Parallel()
	store := &late{recordstest.NewMemory(), make(chan func(records.Change))}
	db, collection, seen := opened(store)
	begin(t, db)
	defer end(t, db)
	report := <-store.reports
	one, err := collection.Create(t.Context(), made("a", "1", 0))
	require.NoError(t, err)
	raw, at, err := store.Read(t.Context(), "note.a")
	require.NoError(t, err)
	require.NoError(t, collection.Delete(t.Context(), one))
	report(records.Change{Key: "note.a", Value: raw, Revision: at})
	_, found := collection.Get("a")
	require.False(t, found)
	again, err := collection.Create(t.Context(), made("a", "2", 0))
	require.NoError(t, err)
	report(records.Change{Key: "note.a", Revision: at + 1})
	_, found = collection.Get("a")
	require.True(t, found, "a later one has the same id")
	require.NoError(t, collection.Delete(t.Context(), again))
	report(records.Change{Key: "note.a", Value: raw, Revision: again.Revision})
	report(records.Change{Key: "note.a", Revision: again.Revision + 1})
	require.Equal(t, []string{"+a:1", "-a", "+a:2", "-a"}, seen.seen())
}

// TestAwaitRevision waits for what another process has written.
func TestAwaitRevision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &late{recordstest.NewMemory(), make(chan func(records.Change))}
		db, _, _ := opened(store)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.False(t, db.AwaitRevision(ended, 0), "the indexes are empty")
		begin(t, db)
		defer end(t, db)
		report := <-store.reports
		require.True(t, db.AwaitRevision(t.Context(), 0))
		require.False(t, db.AwaitRevision(ended, 2))
		waited := make(chan bool, 2)
		for range 2 {
			go func() { waited <- db.AwaitRevision(t.Context(), 2) }()
		}
		report(records.Change{Key: "note.a", Value: []byte(`{}`), Revision: 1})
		synctest.Wait()
		require.Empty(t, waited)
		report(records.Change{Key: "of.another.kind", Revision: 3})
		require.True(t, <-waited)
		require.True(t, <-waited)
		report(records.Change{Key: "of.another.kind", Revision: 2})
		require.True(t, db.AwaitRevision(ended, 3), "nothing is waited for")
	})
}

// slow is a store whose writers learn of their write after others have.
type slow struct {
	*late
	meanwhile func(key string, value []byte, at records.Revision)
}

func (s *slow) Create(ctx context.Context, key string, value []byte) (records.Revision, error) {
	at, err := s.late.Create(ctx, key, value)
	if s.meanwhile != nil {
		s.meanwhile(key, value, at)
	}
	return at, err
}

// TestARecordThatIsDeletedBeforeItsWriterKnowsStaysAway has a record that is seen and deleted
// between its write and the return of the write.
func TestARecordThatIsDeletedBeforeItsWriterKnowsStaysAway(t *testing.T) {
	t.Parallel()
	store := &slow{late: &late{recordstest.NewMemory(), make(chan func(records.Change))}}
	db, collection, seen := opened(store)
	begin(t, db)
	defer end(t, db)
	report := <-store.reports
	store.meanwhile = func(key string, value []byte, at records.Revision) {
		report(records.Change{Key: key, Value: value, Revision: at})
		found, err := collection.Load(t.Context(), "a")
		require.NoError(t, err)
		require.NoError(t, collection.Delete(t.Context(), found))
		report(records.Change{Key: key, Revision: at + 1})
	}
	_, err := collection.Create(t.Context(), made("a", "1", 0))
	require.NoError(t, err)
	_, found := collection.Get("a")
	require.False(t, found)
	store.meanwhile = nil
	_, err = collection.Create(t.Context(), made("a", "2", 0))
	require.NoError(t, err)
	require.Equal(t, []string{"+a:1", "-a", "+a:2"}, seen.seen())
}

// lagging is a store that misses for a while what was written last.
type lagging struct {
	*recordstest.Memory
	lag    time.Duration
	missed func(key string) ([]byte, records.Revision, error)
	until  time.Time
}

func (l *lagging) Lag() time.Duration { return l.lag }

func (l *lagging) Read(ctx context.Context, key string) ([]byte, records.Revision, error) {
	if time.Now().Before(l.until) {
		return l.missed(key)
	}
	return l.Memory.Read(ctx, key)
}

// TestWhatAStoreMissesIsReadAgain has a store that for a while does not know a record, or
// knows an earlier revision.
func TestWhatAStoreMissesIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lag, missing time.Duration
		// forgotten is true if the store does not know the record at all.
		forgotten bool
		id        string
		want      string
		err       error
		within    time.Duration
	}{
		"the record":        {lag: 2 * time.Second, missing: time.Second, forgotten: true, id: "a", want: "2", within: 2 * time.Second},
		"its last revision": {lag: 2 * time.Second, missing: time.Second, id: "a", want: "2", within: 2 * time.Second},
		"for longer": {
			lag: 2 * time.Second, missing: time.Hour, forgotten: true, id: "a", err: records.ErrMissing, within: 2 * time.Second,
		},
		"an unknown record":  {lag: 2 * time.Second, missing: time.Second, forgotten: true, id: "b", err: records.ErrMissing},
		"without a lag":      {missing: time.Second, forgotten: true, id: "a", err: records.ErrMissing},
		"nothing is missing": {lag: 2 * time.Second, id: "a", want: "2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			store := &lagging{Memory: recordstest.NewMemory(), lag: c.lag}
			db, collection, _ := opened(store)
			begin(t, db)
			defer end(t, db)
			one, err := collection.Create(t.Context(), made("a", "1", 0))
			require.NoError(t, err)
			raw, at, err := store.Memory.Read(t.Context(), "note.a")
			require.NoError(t, err)
			one.Text = "2"
			_, err = collection.Replace(t.Context(), one)
			require.NoError(t, err)
			store.missed = func(string) ([]byte, records.Revision, error) {
				if c.forgotten {
					return nil, 0, records.ErrMissing
				}
				return raw, at, nil
			}
			began := time.Now()
			store.until = began.Add(c.missing)
			got, err := collection.Load(t.Context(), c.id)
			require.ErrorIs(t, err, c.err, name)
			require.Equal(t, c.want, got.Text, name)
			require.LessOrEqual(t, time.Since(began), c.within, name)
		})
	}
}
