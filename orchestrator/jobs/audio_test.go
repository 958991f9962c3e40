package jobs_test

import (
	"context"
	"fmt"
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

// rival is a store in which another process is always the first to write a
// record, and has it deleted again where it says so.
type rival struct {
	jobs.Store
	deletes bool
}

func (r *rival) Create(ctx context.Context, key string, value []byte) (jobs.Revision, error) {
	if !r.deletes {
		if _, err := r.Store.Create(ctx, key, value); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("record %s %w", key, jobs.ErrExists)
}

func TestARecordingStoredByAnotherProcessAtTheSameTime(t *testing.T) {
	t.Parallel()
	b := setup(t, &worker{run: says("x")}, func(_ *jobs.Config, d *jobs.Dependencies) { d.Store = &rival{Store: d.Store} })
	audio, created, err := b.StoreAudio(t.Context(), jobs.Upload{Audio: sound("of both")})
	require.NoError(t, err)
	require.False(t, created)
	require.EqualValues(t, len("of both"), audio.Bytes)

	b = setup(t, &worker{run: says("x")}, func(_ *jobs.Config, d *jobs.Dependencies) { d.Store = &rival{Store: d.Store, deletes: true} })
	_, _, err = b.StoreAudio(t.Context(), jobs.Upload{Audio: sound("of both")})
	require.Equal(t, services.KindBusy, services.KindOf(err))
}
