package jobs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

func TestStoredAudio(t *testing.T) {
	t.Parallel()
	began := make(chan string)
	b := setup(t, &worker{run: hangs(began)}, func(c *jobs.Config, _ *jobs.Dependencies) { c.Audio.Quota = 100 })
	audio, created, err := b.StoreAudio(t.Context(), jobs.Upload{Audio: sound(strings.Repeat("a", 60)), ContentType: "audio/wav"})
	require.NoError(t, err)
	require.True(t, created)
	require.Len(t, audio.ID, 64)
	require.False(t, audio.Expires.IsZero())
	_, created, err = b.StoreAudio(t.Context(), jobs.Upload{Audio: sound(strings.Repeat("a", 60))})
	require.NoError(t, err)
	require.False(t, created, "the same bytes are stored once")
	_, _, err = b.StoreAudio(t.Context(), jobs.Upload{Audio: sound(strings.Repeat("b", 60))})
	require.Equal(t, services.KindFull, services.KindOf(err))
	require.ErrorContains(t, err, "60 of the 100")

	job := b.submit(t, jobs.Submission{AudioID: audio.ID})
	<-began
	require.ErrorIs(t, b.DeleteAudio(t.Context(), audio.ID), jobs.ErrAudioInUse)
	_, err = b.Cancel(t.Context(), "", job.ID)
	require.NoError(t, err)
	require.NoError(t, b.DeleteAudio(t.Context(), audio.ID))
	_, err = b.Audio(t.Context(), audio.ID)
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, _, err = b.StoreAudio(t.Context(), jobs.Upload{Audio: sound(strings.Repeat("b", 60))})
	require.NoError(t, err, "there is room again")
}
