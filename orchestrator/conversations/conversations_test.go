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
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/conversations"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the conversations of a store, as a process does, until the test ends.
func open(t *testing.T, store *recordstest.Memory) *conversations.Conversations {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db := records.NewDatabase(store, log)
	c := conversations.New(db, library.New(library.DefaultConfig(), db, log), log)
	require.NoError(t, db.Start(t.Context()))
	require.True(t, db.AwaitReady(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Stop(context.Background())) })
	return c
}

func about(id, audio string) services.StoredContext {
	now := time.Now().UTC()
	return services.StoredContext{
		ID: id, AudioID: audio, Owner: "key-1", Created: now, Expires: now.Add(time.Hour),
		Record: json.RawMessage(`{"turns":[]}`),
	}
}

// add stores a recording for its own sake.
func add(t *testing.T, c *conversations.Conversations, content string) string {
	t.Helper()
	in, err := c.Receive(t.Context(), strings.NewReader(content), library.About{})
	require.NoError(t, err)
	recording, _, err := c.Save(t.Context(), in, "key-1")
	require.NoError(t, err)
	return recording.ID
}

// mine is the caller to whom the recordings belong.
var mine = services.Caller{Key: "key-1"}

func kindOf(_ any, err error) services.Kind { return services.KindOf(err) }

func TestConversationsAreChangedByOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		c := open(t, store)
		audio := add(t, c, "hello")
		made, err := c.StoreContext(t.Context(), about("ctx_1", audio))
		require.NoError(t, err)
		require.Equal(t, services.KindBusy, kindOf(c.StoreContext(t.Context(), about("ctx_1", audio))), "it exists")
		next := made
		next.Record = json.RawMessage(`{"turns":[1]}`)
		next, err = c.StoreContext(t.Context(), next)
		require.NoError(t, err)
		require.Equal(t, services.KindBusy, kindOf(c.StoreContext(t.Context(), made)), "it is no longer at that revision")
		require.Equal(t, services.KindNotFound, kindOf(c.StoredContext(t.Context(), "ctx_2")))

		// Another process finds it, and what that one deletes is gone here too.
		other := open(t, store)
		require.Equal(t, []services.StoredContext{next}, other.StoredContexts())
		source, release, err := other.StoredAudio(t.Context(), mine, audio)
		require.NoError(t, err)
		require.Equal(t, int64(5), source.Size())
		require.Equal(t, services.KindBusy, services.KindOf(withoutNeed(t, other, "ctx_1", audio)), "it is in use")
		release()
		require.NoError(t, other.ForgetContext(t.Context(), "ctx_1"), "a missing one is no error")
		synctest.Wait()
		require.Empty(t, c.StoredContexts())
		require.Equal(t, services.KindNotFound, kindOf(c.StoreContext(t.Context(), next)))
		_, _, err = other.StoredAudio(t.Context(), mine, strings.Repeat("0", 64))
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.ErrorContains(t, err, "audio_id names no stored recording")
	})
}

// withoutNeed forgets a conversation and tries to delete its recording.
func withoutNeed(t *testing.T, c *conversations.Conversations, id, audio string) error {
	t.Helper()
	require.ErrorIs(t, c.Delete(t.Context(), mine, audio), library.ErrInUse)
	require.NoError(t, c.ForgetContext(t.Context(), id))
	return c.Delete(t.Context(), mine, audio)
}

func TestConversationsExpireAndTheirRecordingsFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		c := open(t, store)
		source, release, err := c.StoredAudio(t.Context(), mine, add(t, c, "own"))
		require.NoError(t, err)
		release()
		_, err = c.KeepAudio(t.Context(), "key-1", source)
		require.NoError(t, err)
		audio := make(map[string]string)
		for _, id := range []string{"ctx_1", "ctx_2"} {
			in, err := c.Receive(t.Context(), strings.NewReader(id), library.About{})
			require.NoError(t, err)
			audio[id], err = c.KeepAudio(t.Context(), "key-1", in.Source(t.Context()))
			require.NoError(t, err)
			require.NoError(t, in.Discard(t.Context()))
			_, err = c.StoreContext(t.Context(), about(id, audio[id]))
			require.NoError(t, err)
		}
		time.Sleep(30 * time.Minute)
		later, err := c.StoredContext(t.Context(), "ctx_2")
		require.NoError(t, err)
		later.Expires = later.Expires.Add(30 * time.Minute)
		_, err = c.StoreContext(t.Context(), later)
		require.NoError(t, err)
		time.Sleep(35 * time.Minute)
		synctest.Wait()
		require.Len(t, c.StoredContexts(), 1)
		require.Equal(t, services.KindNotFound, kindOf(c.Describe(t.Context(), mine, audio["ctx_1"])))
		_, err = c.Describe(t.Context(), mine, audio["ctx_2"])
		require.NoError(t, err)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		require.Empty(t, c.StoredContexts())
		names, err := store.Objects(t.Context())
		require.NoError(t, err)
		require.Len(t, names, 1, "the one stored for its own sake")
	})
}

func TestAConversationOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		expires := time.Now().UTC().Add(time.Hour)
		raw, err := json.Marshal(map[string]any{
			"audio_id": "a", "expires": expires, "record": map[string]any{"model": "m", "owner": "key-1", "created": "2026-11-24T09:00:00Z"},
		})
		require.NoError(t, err)
		at, err := store.Create(t.Context(), "context.ctx_1", raw)
		require.NoError(t, err)
		c := open(t, store)
		require.Equal(t, []services.StoredContext{{
			ID: "ctx_1", AudioID: "a", Owner: "key-1",
			Created: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), Expires: expires, Revision: uint64(at),
			Record: json.RawMessage(`{"created":"2026-11-24T09:00:00Z","model":"m","owner":"key-1"}`),
		}}, c.StoredContexts())
	})
}

func TestAConversationThatHasNoRoomIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		c := open(t, store)
		one, err := c.StoreContext(t.Context(), about("ctx_1", "a"))
		require.NoError(t, err)
		store.SetRoom(services.Faultf(services.KindFull, "full"))
		require.Equal(t, services.KindFull, kindOf(c.StoreContext(t.Context(), about("ctx_2", "a"))))
		_, err = c.StoreContext(t.Context(), one)
		require.NoError(t, err, "what exists goes on")
	})
}
