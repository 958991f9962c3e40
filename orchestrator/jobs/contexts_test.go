package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

func talk(id, audio string) services.StoredContext {
	return services.StoredContext{ID: id, AudioID: audio, Expires: time.Now().Add(time.Hour), Record: json.RawMessage(`{"turns":[]}`)}
}

func TestConversationsAreChangedByOneAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := prepare(t, &worker{}, dir)
	b.Start()
	require.Eventually(t, b.Ready, 10*time.Second, time.Millisecond)
	audio, err := b.KeepAudio(t.Context(), sound("hello"))
	require.NoError(t, err)
	made, err := b.StoreContext(t.Context(), talk("ctx_1", audio))
	require.NoError(t, err)
	_, err = b.StoreContext(t.Context(), talk("ctx_1", audio))
	require.Equal(t, services.KindBusy, services.KindOf(err), "it exists")

	next := made
	next.Record = json.RawMessage(`{"turns":[1]}`)
	next, err = b.StoreContext(t.Context(), next)
	require.NoError(t, err)
	_, err = b.StoreContext(t.Context(), made)
	require.Equal(t, services.KindBusy, services.KindOf(err), "it is no longer at that revision")
	require.Equal(t, services.KindNotFound, services.KindOf(second(b.StoredContext(t.Context(), "ctx_2"))))

	// Another process finds it, and what that one deletes is gone here too.
	b.stop()
	b = prepare(t, &worker{}, dir)
	b.Start()
	require.Eventually(t, b.Ready, 10*time.Second, time.Millisecond)
	list := b.StoredContexts()
	require.Len(t, list, 1)
	require.Equal(t, "ctx_1", list[0].ID)
	require.Equal(t, audio, list[0].AudioID)
	require.Equal(t, next.Revision, list[0].Revision)
	require.JSONEq(t, `{"turns":[1]}`, string(list[0].Record))
	source, release, err := b.StoredAudio(t.Context(), audio)
	require.NoError(t, err)
	require.Equal(t, int64(5), source.Size())
	release()
	require.NoError(t, b.ForgetContext(t.Context(), "ctx_1"))
	require.NoError(t, b.ForgetContext(t.Context(), "ctx_1"), "a missing one is no error")
	require.Empty(t, b.StoredContexts())
	_, err = b.StoreContext(t.Context(), next)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
}

func second[A, B any](_ A, b B) B { return b }

func TestARecordingStaysAsLongAsItsConversation(t *testing.T) {
	t.Parallel()
	b := prepare(t, &worker{}, t.TempDir())
	long := time.Now().Add(-2 * b.cfg.Audio.TTL)
	some := time.Now().Add(-10 * time.Minute)
	record := func(name string, conversational bool, used time.Time) string {
		id := strings.Repeat(name, 64)
		raw, err := json.Marshal(jobs.Audio{ID: id, Bytes: 5, Conversational: conversational, Created: used, Used: used})
		require.NoError(t, err)
		require.NoError(t, b.store.PutObject(t.Context(), "audio-"+id, strings.NewReader("hello")))
		_, err = b.store.Create(t.Context(), "audio."+id, raw)
		require.NoError(t, err)
		return id
	}
	talked, lonely, own, old := record("a", true, long), record("b", true, some), record("c", false, some), record("d", false, long)
	over := record("e", true, some)
	store := func(one services.StoredContext) {
		raw, err := json.Marshal(one)
		require.NoError(t, err)
		_, err = b.store.Create(t.Context(), "context."+one.ID, raw)
		require.NoError(t, err)
	}
	store(talk("ctx_1", talked))
	expired := talk("ctx_2", over)
	expired.Expires = some
	store(expired)
	b.Start()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		names, err := b.store.Objects(t.Context())
		require.NoError(c, err)
		require.ElementsMatch(c, []string{"audio-" + talked, "audio-" + own}, names, "not %s, %s and %s", lonely, old, over)
	}, 10*time.Second, 5*time.Millisecond)
	require.Len(t, b.StoredContexts(), 1)
	require.ErrorIs(t, b.DeleteAudio(t.Context(), talked), jobs.ErrAudioInUse)
	require.NoError(t, b.ForgetContext(t.Context(), "ctx_1"))
	require.NoError(t, b.DeleteAudio(t.Context(), talked))
}

func TestARecordingStoredForItsOwnSakeOutlivesConversations(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{})
	kept := func(id string) jobs.Audio {
		audio, err := b.Audio(t.Context(), id)
		require.NoError(t, err)
		return audio
	}
	id, err := b.KeepAudio(t.Context(), sound("first a conversation"))
	require.NoError(t, err)
	before := kept(id)
	require.True(t, before.Conversational)
	_, err = b.KeepAudio(t.Context(), sound("first a conversation"))
	require.NoError(t, err)
	require.Greater(t, kept(id).Revision, before.Revision, "whoever is about to delete it must see that it is wanted again")
	_, created, err := b.StoreAudio(t.Context(), jobs.Upload{Audio: sound("first a conversation")})
	require.NoError(t, err)
	require.False(t, created)
	require.False(t, kept(id).Conversational)

	audio, _, err := b.StoreAudio(t.Context(), jobs.Upload{Audio: sound("first for its own sake")})
	require.NoError(t, err)
	_, err = b.KeepAudio(t.Context(), sound("first for its own sake"))
	require.NoError(t, err)
	require.False(t, kept(audio.ID).Conversational)
}
