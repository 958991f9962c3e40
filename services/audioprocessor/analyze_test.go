package audioprocessor

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// analysisOf runs an Analyze task.
func analysisOf(t *testing.T, params string) (*tasks.Analysis, error) {
	t.Helper()
	s := New(DefaultConfig(), limits(), t.TempDir())
	require.NoError(t, s.Initialize(t.Context()))
	work, err := s.Prepare(t.Context(), services.Task{
		Service: Name, Name: tasks.Analyze, Audio: audiofile.Tone(44100, 2*time.Second), Params: json.RawMessage(params),
	})
	if err != nil {
		return nil, err
	}
	bytes, err := work.Bytes(t.Context())
	require.NoError(t, err)
	require.Less(t, bytes, 64*services.MiB)
	result, err := work.Run(t.Context(), services.DiscardSink{})
	if err != nil {
		return nil, err
	}
	return result.Value.(*tasks.Analysis), nil
}

func TestAnalyze(t *testing.T) {
	t.Parallel()
	a, err := analysisOf(t, `{}`)
	require.NoError(t, err)
	require.Equal(t,
		tasks.SoundFormat{Container: "wav", Encoding: "pcm_s16le", SampleRateHz: 44100, Channels: 1, DurationSeconds: 2}, a.Source)
	require.InDelta(t, 220, *a.Pitch.MedianHz, 0.5)
	require.InDelta(t, *a.Levels.PeakDBFS, *a.Loudness.TruePeakDBTP, 0.1)
	require.NotNil(t, a.Spectrum)
	require.NotNil(t, a.Tempo)
	require.NotNil(t, a.Silence)
	require.NotNil(t, a.Onsets)
	require.Len(t, a.MFCC, 20)
	require.Nil(t, a.Key)
	require.Empty(t, a.Series)

	a, err = analysisOf(t, `{"features":["levels"],"series":["pitch","mel"],"silence_dbfs":-40}`)
	require.NoError(t, err)
	require.Nil(t, a.Loudness)
	require.Nil(t, a.Pitch)
	require.Len(t, a.Series, 2)
	require.Len(t, a.Series["mel"].Values.All, 128*len(a.Series["pitch"].Values.All))
}

func TestAnalyzeRefusals(t *testing.T) {
	t.Parallel()
	_, err := analysisOf(t, `{"series":["volume"]}`)
	require.ErrorContains(t, err, `"volume"`)
	s := New(DefaultConfig(), limits(), t.TempDir())
	_, err = s.Prepare(t.Context(), services.Task{Service: Name, Name: tasks.Analyze})
	require.ErrorContains(t, err, "form field file")
	_, err = s.Prepare(t.Context(), services.Task{Service: Name, Name: tasks.Analyze, Model: "m"})
	require.ErrorContains(t, err, "has no models")
	_, err = s.Prepare(t.Context(), services.Task{Service: Name, Name: "whistle"})
	require.ErrorContains(t, err, "analyze")
}

// TestAnalyzeStops: an ended context ends the task.
func TestAnalyzeStops(t *testing.T) {
	t.Parallel()
	s := New(DefaultConfig(), limits(), t.TempDir())
	work, err := s.Prepare(t.Context(), services.Task{Service: Name, Name: tasks.Analyze, Audio: audiofile.Tone(44100, time.Second)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = work.Run(ctx, services.DiscardSink{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestSeriesAreLimited: 4 hours of mel bands would be 80 million values.
func TestSeriesAreLimited(t *testing.T) {
	t.Parallel()
	m := &measurement{params: tasks.AnalyzeParams{Series: []string{"mel"}}}
	err := m.plan(audiofile.Format{SampleRateHz: 48000, Channels: 2, Frames: 4 * 3600 * 48000})
	require.ErrorContains(t, err, "limit is 2000000")
	require.ErrorContains(t, err, "series")
}
