package library_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// counted counts the writes of a store and can make some fail.
type counted struct {
	mu     sync.Mutex
	counts map[string]int
	fails  string
}

func count(store *recordstest.Memory) *counted {
	c := &counted{counts: make(map[string]int)}
	store.Before = func(operation, key string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[operation]++
		if c.fails != "" && strings.HasPrefix(operation+" "+key, c.fails) {
			return errors.New("the store is down")
		}
		return nil
	}
	return c
}

// fail makes the writes fail whose operation and key begin with a text; "" ends it.
func (c *counted) fail(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = prefix
}

// take returns the counts by operation, and begins anew.
func (c *counted) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = make(map[string]int)
	return counts
}

// old writes a recording as version 0.1.0 did.
func old(t *testing.T, store *recordstest.Memory, name string) string {
	t.Helper()
	id := strings.Repeat(name, 64)
	raw := `{"bytes":5,"content_type":"audio/x-old","created":"` + time.Now().UTC().Format(time.RFC3339) + `","used":"` +
		time.Now().UTC().Format(time.RFC3339) + `"}`
	_, err := store.Create(t.Context(), "audio."+id, []byte(raw))
	require.NoError(t, err)
	require.NoError(t, records.PutObject(t.Context(), store, "audio-"+id, strings.NewReader("hello")))
	return id
}

// TestOldRecordingsAreAdoptedAtTheStart has a store that fails at first: nothing is lost
// meanwhile, and nobody asks for the recordings by their ids.
func TestOldRecordingsAreAdoptedAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		job, lonely, known := old(t, store, "a"), old(t, store, "b"), old(t, store, "c")
		_, err := store.Create(t.Context(), "ref.key-2."+known, []byte(`{"schema":1,"kind":"ref","id":"key-2.`+known+
			`","owner":"key-2","created":"2026-11-24T09:00:00Z","body":{"used":"`+time.Now().Format(time.RFC3339)+`"}}`))
		require.NoError(t, err)
		writes := count(store)
		writes.fail("create")
		s := over(store)
		s.OnUses(func(found func(library.Ref)) { found(library.Ref{Owner: "key-1", AudioID: job, Created: time.Now()}) })
		s.start(t)
		defer s.stop(t)
		time.Sleep(time.Hour)
		synctest.Wait()
		_, err = s.Adopt(t.Context())
		require.Error(t, err)
		require.Len(t, s.objects(t), 3, "what could not be adopted stays")
		writes.fail("replace")
		_, err = s.Adopt(t.Context())
		require.Error(t, err)
		writes.fail("")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{job}, s.listed(t, mine))
		require.Equal(t, []string{known}, s.listed(t, yours))
		require.Equal(t, []string{lonely}, s.listed(t, services.Caller{}), "but not what another has")
		one, err := s.Describe(t.Context(), mine, job)
		require.NoError(t, err)
		require.Equal(t, "audio/x-old", one.ContentType, "what its first bytes do not tell stays")
		require.NoError(t, s.Delete(t.Context(), mine, job))
		n, err := s.Adopt(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
		require.Empty(t, s.listed(t, mine), "and is not adopted again")
	})
}

func TestARefToLostContentGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		s := over(store)
		s.start(t)
		defer s.stop(t)
		stays, _ := s.of(t, "key-1", "stays")
		time.Sleep(time.Second)
		lost, _ := s.of(t, "key-1", "lost")
		_, at, err := store.Read(t.Context(), "audio."+lost.ID)
		require.NoError(t, err)
		require.NoError(t, store.Delete(t.Context(), "audio."+lost.ID, at))
		synctest.Wait()
		page, err := s.List(t.Context(), mine, 1, "")
		require.NoError(t, err)
		require.Len(t, page.Data, 1)
		require.Equal(t, stays.ID, page.Data[0].ID)
		require.Equal(t, services.KindNotFound, kindOf(s.Describe(t.Context(), mine, lost.ID)))
		_, err = s.Source(t.Context(), lost.ID)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		_, _, err = store.Read(t.Context(), "ref.key-1."+lost.ID)
		require.ErrorIs(t, err, records.ErrMissing)
		again, created := s.of(t, "key-1", "lost")
		require.True(t, created)
		require.Equal(t, lost.ID, again.ID)
		require.ElementsMatch(t, []string{stays.ID, lost.ID}, s.listed(t, mine))
	})
}

func TestARunningUseKeepsTheOwnersRef(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		s.start(t)
		defer s.stop(t)
		one, _ := s.of(t, "key-1", "hello")
		s.of(t, "key-2", "hello")
		time.Sleep(20 * time.Hour)
		_, release, err := s.StoredAudio(t.Context(), mine, one.ID)
		require.NoError(t, err)
		release()
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		require.Equal(t, []string{one.ID}, s.listed(t, mine), "it was used")
		require.Empty(t, s.listed(t, yours), "but not by this owner")
		_, release, err = s.StoredAudio(t.Context(), mine, one.ID)
		require.NoError(t, err)
		require.Equal(t, services.KindBusy, services.KindOf(s.Delete(t.Context(), mine, one.ID)))
		time.Sleep(50 * time.Hour)
		synctest.Wait()
		require.Equal(t, []string{one.ID}, s.listed(t, mine), "it is still in use")
		release()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, s.objects(t))
		_, _, err = s.StoredAudio(t.Context(), mine, one.ID)
		require.ErrorContains(t, err, "audio_id names no stored recording")
	})
}

func TestARefIsUpdated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		writes := count(store)
		s := over(store)
		var facts library.Facts
		s.SetProbe(func(services.AudioSource) (library.Facts, string) { return facts, "" })
		s.start(t)
		defer s.stop(t)
		put := func(name, contentType string) library.Recording {
			t.Helper()
			in, err := s.Receive(t.Context(), strings.NewReader("hello"), library.About{Owner: "key-1", Name: name, ContentType: contentType})
			require.NoError(t, err)
			one, _, err := s.Save(t.Context(), in, "key-1")
			require.NoError(t, err)
			return one
		}
		first := put("a.wav", "audio/a")
		facts = library.Facts{SampleRate: 8000, Channels: 1}
		require.Equal(t, facts, put("", "").Facts, "what was not known is added")
		facts = library.Facts{}
		time.Sleep(2 * time.Hour)
		again := put("", "")
		require.Equal(t, "a.wav", again.Name)
		require.Equal(t, "audio/a", again.ContentType)
		require.Equal(t, 8000, again.SampleRate)
		require.Equal(t, 2*time.Hour, again.Used.Sub(first.Used))
		require.Equal(t, "audio/b", put("", "audio/b").ContentType)
		writes.take()
		_, release, err := s.Import(t.Context(), memory("hello"), library.About{Owner: "key-2"})
		require.NoError(t, err)
		release()
		require.Zero(t, writes.take()["stage"], "what a task made is not written again")
	})
}

func TestADiskThatIsFullWhenARecordingIsSaved(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	s := over(store)
	s.start(t)
	defer s.stop(t)
	in := s.receive(t, "hello")
	full := services.Faultf(services.KindFull, "the disk is full")
	store.SetRoom(full)
	_, _, err := s.Save(t.Context(), in, "key-1")
	require.ErrorIs(t, err, full)
	require.Empty(t, s.objects(t))
	store.SetRoom(nil)
	s.add(t, "hello")
	store.SetRoom(full)
	_, _, err = s.Import(t.Context(), memory("hello"), library.About{Owner: "key-2"})
	require.ErrorIs(t, err, full)
}

// TestAStrayObjectGoesAway has a second object of a recording, as an interrupted writer
// leaves it.
func TestAStrayObjectGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		s := over(store)
		one := s.add(t, "stays")
		require.NoError(t, records.PutObject(t.Context(), store, "audio-"+one.ID+"-stray", strings.NewReader("stays")))
		s.start(t)
		defer s.stop(t)
		synctest.Wait()
		require.Equal(t, []string{one.ID}, s.objects(t))
		_, err := s.Source(t.Context(), one.ID)
		require.NoError(t, err)
	})
}
