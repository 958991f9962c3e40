package library_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

var (
	admin  = services.Caller{Key: "key-9", All: true}
	noKeys = services.Caller{All: true}
	yours  = services.Caller{Key: "key-2"}
)

// of stores a recording for an owner.
func (s *shelf) of(t *testing.T, owner, content string) (library.Recording, bool) {
	t.Helper()
	in, err := s.Receive(t.Context(), strings.NewReader(content), library.About{Owner: owner, Name: "of-" + owner + ".wav"})
	require.NoError(t, err)
	recording, created, err := s.Save(t.Context(), in, owner)
	require.NoError(t, err)
	return recording, created
}

func TestAnAdminSeesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		s.start(t)
		defer s.stop(t)
		one, _ := s.of(t, "key-1", "shared")
		time.Sleep(time.Second)
		s.of(t, "key-2", "shared")
		two, _ := s.of(t, "key-2", "alone")
		hidden, err := s.KeepAudio(t.Context(), "key-2", memory("talked about"))
		require.NoError(t, err)
		for _, caller := range []services.Caller{admin, noKeys} {
			require.Equal(t, []string{two.ID, one.ID}, s.listed(t, caller), "each once, by its first owner")
			found, err := s.Describe(t.Context(), caller, one.ID)
			require.NoError(t, err)
			require.Equal(t, "of-key-1.wav", found.Name)
			_, err = s.Describe(t.Context(), caller, hidden)
			require.NoError(t, err)
		}
		time.Sleep(time.Second)
		s.of(t, "key-3", "talked about")
		require.Equal(t, []string{hidden, two.ID, one.ID}, s.listed(t, admin), "listed for the caller that stored it as a recording of its own")
		require.NoError(t, s.Delete(t.Context(), services.Caller{Key: "key-3"}, hidden))
		page, err := s.List(t.Context(), admin, 1, "")
		require.NoError(t, err)
		page, err = s.List(t.Context(), admin, 1, page.Next)
		require.NoError(t, err)
		require.Equal(t, one.ID, page.Data[0].ID)
		require.Empty(t, page.Next)
		time.Sleep(time.Second)
		own, created := s.of(t, "key-9", "shared")
		require.True(t, created)
		require.Equal(t, []string{own.ID, two.ID}, s.listed(t, admin), "by the own copy, which is the newest")
		found, err := s.Describe(t.Context(), admin, one.ID)
		require.NoError(t, err)
		require.Equal(t, "of-key-9.wav", found.Name)

		require.NoError(t, s.Delete(t.Context(), admin, one.ID))
		require.Equal(t, []string{one.ID}, s.listed(t, mine), "it was the admin's own copy")
		s.need(one.ID, "job a")
		require.ErrorIs(t, s.Delete(t.Context(), admin, one.ID), library.ErrInUse)
		s.forget(one.ID)
		require.NoError(t, s.Delete(t.Context(), admin, one.ID))
		require.Equal(t, services.KindNotFound, kindOf(s.Describe(t.Context(), admin, one.ID)))
		require.Empty(t, s.listed(t, mine))
		require.Equal(t, []string{two.ID}, s.listed(t, yours))
		s.of(t, "", "alone")
		require.NoError(t, s.Delete(t.Context(), services.Caller{}, two.ID))
		require.Equal(t, []string{two.ID}, s.listed(t, yours), "a caller without a key sees its own alone")
		s.of(t, "", "alone")
		require.NoError(t, s.Delete(t.Context(), noKeys, two.ID))
		require.Empty(t, s.listed(t, yours), "without keys there is one tenant")
		require.Equal(t, []string{hidden}, s.objects(t))
	})
}

// TestWhatAnOwnerIsToldDoesNotDependOnOthers stores the same recording for two owners, and
// compares what each is told and what the store does.
func TestWhatAnOwnerIsToldDoesNotDependOnOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		writes := count(store)
		s := over(store)
		s.start(t)
		defer s.stop(t)
		first, created := s.of(t, "key-1", "same")
		require.True(t, created)
		alone := writes.take()
		time.Sleep(25 * time.Minute)
		second, created := s.of(t, "key-2", "same")
		require.True(t, created)
		require.Equal(t, "of-key-2.wav", second.Name)
		require.Equal(t, 25*time.Minute, second.Created.Sub(first.Created))
		require.Equal(t, 25*time.Minute, second.Used.Sub(first.Used))
		require.Equal(t, 25*time.Minute, second.Expires.Sub(first.Expires))
		shared := writes.take()
		require.Equal(t, alone["stage"], shared["stage"], "the upload is written, as the first was")
		require.Equal(t, alone["create"], shared["create"]+shared["replace"], "as many records are written")
		_, created = s.of(t, "key-2", "same")
		require.False(t, created)
		require.Empty(t, writes.take(), "what the owner has is not written")
		again, err := s.Describe(t.Context(), mine, first.ID)
		require.NoError(t, err)
		require.Equal(t, first.Created, again.Created)
		require.Equal(t, first.Used, again.Used, "the use by another is not one by this owner")
		time.Sleep(23*time.Hour + 50*time.Minute)
		synctest.Wait()
		require.Empty(t, s.listed(t, mine), "and does not extend the life of the own copy")
		require.Equal(t, []string{first.ID}, s.listed(t, yours))
	})
}

// TestAnAdminUsesTheRecordingOfAnother has a job of an admin about it.
func TestAnAdminUsesTheRecordingOfAnother(t *testing.T) {
	t.Parallel()
	s := over(recordstest.NewMemory())
	s.start(t)
	defer s.stop(t)
	one, _ := s.of(t, "key-1", "hello")
	require.Equal(t, services.KindNotFound, services.KindOf(s.Use(t.Context(), yours, one.ID)))
	require.Empty(t, s.listed(t, yours))
	require.NoError(t, s.Use(t.Context(), admin, one.ID))
	require.NoError(t, s.Delete(t.Context(), mine, one.ID))
	require.Equal(t, []string{one.ID}, s.listed(t, services.Caller{Key: "key-9"}), "the job's owner has it too")
	require.Equal(t, services.KindNotFound, services.KindOf(s.Use(t.Context(), admin, strings.Repeat("0", 64))))
}

// TestAnOldRecordingIsNotMissingWhileJobsAreLoaded asks for a recording of version 0.1.0 before
// it is known who has it.
func TestAnOldRecordingIsNotMissingWhileJobsAreLoaded(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	id := old(t, store, "a")
	s := over(store)
	s.OnUses(func(found func(library.Ref)) { found(library.Ref{Owner: "key-1", AudioID: id}) })
	require.Equal(t, services.KindUnavailable, kindOf(s.Describe(t.Context(), mine, id)))
	require.Equal(t, services.KindUnavailable, services.KindOf(s.Delete(t.Context(), mine, id)))
	require.Equal(t, services.KindNotFound, kindOf(s.Describe(t.Context(), mine, strings.Repeat("b", 64))))
	s.start(t)
	defer s.stop(t)
	_, err := s.Describe(t.Context(), mine, id)
	require.NoError(t, err)
	require.Equal(t, services.KindNotFound, kindOf(s.Describe(t.Context(), yours, id)))
}

// TestAFailedDeletionIsFinishedLater has a store that fails after the ref is gone.
func TestAFailedDeletionIsFinishedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		writes := count(store)
		s := over(store)
		s.start(t)
		defer s.stop(t)
		one, _ := s.of(t, "key-1", "hello")
		for _, failure := range []string{"delete ref", "delete audio"} {
			writes.fail(failure)
			err := s.Delete(t.Context(), mine, one.ID)
			require.Equal(t, failure == "delete audio", err == nil, "it is deleted for its owner: %v", err)
		}
		require.Equal(t, services.KindNotFound, kindOf(s.Describe(t.Context(), mine, one.ID)))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, s.objects(t), 1)
		writes.fail("")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, s.objects(t))
		require.Zero(t, s.Bytes())
	})
}

// TestARunningUseKeepsTheContent deletes a recording for its owner while a task of another
// reads it.
func TestARunningUseKeepsTheContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		s.start(t)
		defer s.stop(t)
		one, _ := s.of(t, "key-1", "hello")
		source, release, err := s.StoredAudio(t.Context(), admin, one.ID)
		require.NoError(t, err)
		require.NoError(t, s.Delete(t.Context(), mine, one.ID), "the task of another is no reason to refuse")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, s.objects(t), 1)
		file, err := source.Open()
		require.NoError(t, err)
		require.NoError(t, file.Close())
		release()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, s.objects(t))
	})
}

func TestFactsAreReadFromTheContent(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	s := over(store)
	probed := 0
	s.SetProbe(func(source services.AudioSource) (library.Facts, string) {
		probed++
		return library.Facts{Duration: float64(source.Size()), SampleRate: 8000, Channels: 2}, "audio/flac"
	})
	s.start(t)
	defer s.stop(t)
	want := library.Facts{Duration: 5, SampleRate: 8000, Channels: 2}
	for range 2 {
		one, _ := s.of(t, "key-1", "hello")
		require.Equal(t, want, one.Facts)
		require.Equal(t, "audio/flac", one.ContentType)
	}
	require.Equal(t, 1, probed, "once for each owner")
	made, release, err := s.Import(t.Context(), memory("hello"), library.About{Owner: "key-2", ContentType: "audio/l16"})
	require.NoError(t, err)
	release()
	require.Equal(t, want, made.Facts)
	require.Equal(t, "audio/l16", made.ContentType, "a task knows what it made")
	page, err := s.List(t.Context(), mine, 5, "")
	require.NoError(t, err)
	require.Equal(t, want, page.Data[0].Facts)
}
