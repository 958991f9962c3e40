package library_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestARecordingThatIsNeededStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		s.start(t)
		defer s.stop(t)
		queued, made, lonely, used := s.add(t, "queued"), s.add(t, "made"), s.add(t, "lonely"), s.add(t, "used")
		s.need(queued.ID, "job a")
		s.need(made.ID, "")
		err := s.Delete(t.Context(), mine, queued.ID)
		require.ErrorIs(t, err, library.ErrInUse)
		require.ErrorContains(t, err, "job a")
		talked, err := s.KeepAudio(t.Context(), "key-1", memory("talked"))
		require.NoError(t, err)
		brief, err := s.KeepAudio(t.Context(), "key-1", memory("brief"))
		require.NoError(t, err)
		s.need(talked, "conversation b")
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		require.ElementsMatch(t, []string{queued.ID, made.ID, lonely.ID, used.ID, talked, brief}, s.objects(t))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.ElementsMatch(t, []string{queued.ID, made.ID, lonely.ID, used.ID, talked}, s.objects(t),
			"one that no conversation is about goes soon")
		time.Sleep(20 * time.Hour)
		require.NoError(t, s.Use(t.Context(), mine, used.ID))
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		require.ElementsMatch(t, []string{queued.ID, made.ID, used.ID, talked}, s.objects(t))
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		require.ElementsMatch(t, []string{queued.ID, made.ID, talked}, s.objects(t))
		page, err := s.List(t.Context(), mine, 10, "")
		require.NoError(t, err)
		require.Len(t, page.Data, 2)
		require.NoError(t, s.Delete(t.Context(), mine, made.ID), "a finished job does not prevent the deletion of what it made")
		page, err = s.List(t.Context(), mine, 10, "")
		require.NoError(t, err)
		require.Len(t, page.Data, 1)
		require.ElementsMatch(t, []string{queued.ID, made.ID, talked}, s.objects(t), "but the job still has it")
		s.forget(made.ID)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ElementsMatch(t, []string{queued.ID, talked}, s.objects(t))
	})
}

func TestAHeldRecordingIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := over(recordstest.NewMemory())
	s.start(t)
	defer s.stop(t)
	one := s.add(t, "x")
	release, second := s.Hold("key-1", one.ID), s.Hold("key-1", one.ID)
	require.Equal(t, services.KindBusy, services.KindOf(s.Delete(t.Context(), mine, one.ID)))
	release()
	require.Equal(t, services.KindBusy, services.KindOf(s.Delete(t.Context(), mine, one.ID)))
	second()
	require.NoError(t, s.Delete(t.Context(), mine, one.ID))
}

// TestRoomIsMadeFromWhatHasExpired stores as many recordings as there are locks, so
// that the one to be stored shares its lock with one to be deleted.
func TestRoomIsMadeFromWhatHasExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		s := over(store, func(c *library.Config) { c.Quota = 640 })
		for i := range 64 {
			s.add(t, fmt.Sprintf("%010d", i+7))
		}
		require.EqualValues(t, 640, s.Bytes())
		require.Equal(t, services.KindFull, kindOf(second(s.Save(t.Context(), s.receive(t, "0123456789"), ""))))
		time.Sleep(25 * time.Hour)
		require.Equal(t, services.KindFull, kindOf(second(s.Save(t.Context(), s.receive(t, "0123456789"), ""))),
			"what needs them is not known yet")
		require.NoError(t, s.db.Start(t.Context()))
		require.True(t, s.db.AwaitReady(t.Context()))
		defer s.stop(t)
		s.add(t, "0123456789")
		synctest.Wait()
		require.Len(t, s.objects(t), 1)
	})
}

func second(recording library.Recording, _ bool, err error) (library.Recording, error) {
	return recording, err
}

func TestWhatACutOffUploadLeavesGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := recordstest.NewMemory()
		s := over(store)
		one := s.add(t, "stays")
		require.NoError(t, records.PutObject(t.Context(), store, "audio-"+strings.Repeat("f", 64), strings.NewReader("orphan")))
		require.NoError(t, records.PutObject(t.Context(), store, "other-object", strings.NewReader("of another part")))
		s.start(t)
		defer s.stop(t)
		synctest.Wait()
		require.ElementsMatch(t, []string{one.ID, "other-object"}, s.objects(t))
	})
}
