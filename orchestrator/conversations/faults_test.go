package conversations_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/conversations"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// operations of conversations, of which ctx_1 exists, and the ids of those that are left.
var operations = map[string]struct {
	do   func(c *conversations.Conversations, made services.StoredContext) error
	left []string
}{
	"create": {func(c *conversations.Conversations, _ services.StoredContext) error {
		_, err := c.StoreContext(context.Background(), about("ctx_2", "b"))
		return err
	}, []string{"ctx_1", "ctx_2"}},
	"replace": {func(c *conversations.Conversations, made services.StoredContext) error {
		made.Record = json.RawMessage(`{"turns":[1]}`)
		_, err := c.StoreContext(context.Background(), made)
		return err
	}, []string{"ctx_1"}},
	"look": {func(c *conversations.Conversations, made services.StoredContext) error {
		found, err := c.StoredContext(context.Background(), made.ID)
		if err == nil && found.AudioID != "a" {
			panic("another one")
		}
		return err
	}, []string{"ctx_1"}},
	"forget": {func(c *conversations.Conversations, made services.StoredContext) error {
		return c.ForgetContext(context.Background(), made.ID)
	}, nil},
	"expire": {func(*conversations.Conversations, services.StoredContext) error {
		time.Sleep(3 * time.Hour)
		return nil
	}, nil},
}

// TestEachCallOfTheStoreCanFail has each call of each operation fail once. The operation returns
// the fault, and succeeds when it is repeated.
func TestEachCallOfTheStoreCanFail(t *testing.T) {
	t.Parallel()
	for name, c := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recordstest.Faults(t, func(t *testing.T, store *recordstest.Faulty, nth int) {
				t.Helper()
				synctest.Test(t, func(t *testing.T) {
					log := slog.New(slog.DiscardHandler)
					db := records.NewDatabase(store, log)
					all := conversations.New(db, library.New(library.DefaultConfig(), db, log), log)
					require.NoError(t, db.Start(t.Context()))
					require.True(t, db.AwaitReady(t.Context()))
					made, err := all.StoreContext(t.Context(), about("ctx_1", "a"))
					require.NoError(t, err)
					synctest.Wait()
					fault := store.Arm(nth)
					err = c.do(all, made)
					store.Disarm()
					if nth > 0 && name != "expire" {
						require.ErrorIs(t, err, fault)
						require.Equal(t, services.KindUnavailable, services.KindOf(err))
						err = c.do(all, made)
					}
					require.NoError(t, err)
					synctest.Wait()
					var left []string
					for _, one := range all.StoredContexts() {
						left = append(left, one.ID)
					}
					require.ElementsMatch(t, c.left, left)
					require.NoError(t, db.Stop(context.Background()))
				})
			})
		})
	}
}

// TestAFullDiskIsNamedAsSuch has the store unavailable because its disk is full.
func TestAFullDiskIsNamedAsSuch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		c := open(t, store)
		made, err := c.StoreContext(t.Context(), about("ctx_1", "a"))
		require.NoError(t, err)
		store.SetRoom(services.Faultf(services.KindFull, "the disk is full"))
		_, err = c.StoreContext(t.Context(), about("ctx_2", "b"))
		require.Equal(t, services.KindFull, services.KindOf(err), "a new one needs room")
		_, err = c.StoreContext(t.Context(), made)
		require.NoError(t, err, "a change is tried")
		made, err = c.StoredContext(t.Context(), "ctx_1")
		require.NoError(t, err)
		store.Before = func(string, string) error { return services.Faultf(services.KindUnavailable, "it was reopened") }
		_, err = c.StoreContext(t.Context(), made)
		require.Equal(t, services.KindFull, services.KindOf(err))
		store.SetRoom(nil)
		_, err = c.StoreContext(t.Context(), made)
		require.Equal(t, services.KindUnavailable, services.KindOf(err))
		store.Before = nil
		require.NoError(t, c.ForgetContext(t.Context(), "none"))
	})
}

// TestRecordingsOfOldConversationsGetTheirOwner has a recording of version 0.1.0, which had no
// owner.
func TestRecordingsOfOldConversationsGetTheirOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		const id = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
		require.NoError(t, records.PutObject(t.Context(), store, "audio-"+id, strings.NewReader("hello")))
		_, err := store.Create(t.Context(), "audio."+id,
			[]byte(`{"bytes":5,"used":"`+time.Now().UTC().Format(time.RFC3339)+`","conversational":true}`))
		require.NoError(t, err)
		_, err = store.Create(t.Context(), "context.ctx_1", []byte(`{"audio_id":"`+id+`","expires":"`+
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`","record":{"owner":"key-1","created":"2020-01-01T00:00:00Z"}}`))
		require.NoError(t, err)
		c := open(t, store)
		_, err = c.Adopt(t.Context())
		require.NoError(t, err)
		stored := c.StoredContexts()
		require.Len(t, stored, 1)
		require.Equal(t, "key-1", stored[0].Owner)
		_, _, err = c.StoredAudio(t.Context(), services.Caller{Key: "key-2"}, id)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		_, release, err := c.StoredAudio(t.Context(), mine, id)
		require.NoError(t, err)
		release()
	})
}
