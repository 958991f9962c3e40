package records_test

import (
	"context"
	"testing"

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
