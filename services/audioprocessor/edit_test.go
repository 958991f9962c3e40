package audioprocessor

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

func editOf(audio services.AudioSource, params string) services.Task {
	return services.Task{Service: Name, Name: tasks.Edit, Audio: audio, Params: json.RawMessage(params)}
}

// inMemory is a recording in memory.
type inMemory struct{ data []byte }

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func (m inMemory) Open() (io.ReadSeekCloser, error) { return nopCloser{bytes.NewReader(m.data)}, nil }
func (m inMemory) Size() int64                      { return int64(len(m.data)) }

// wav returns a recording of the samples.
func wav(t *testing.T, samples []float32, rate, channels int) services.AudioSource {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "*.wav")
	require.NoError(t, err)
	require.NoError(t, audiofile.WriteWAV16(file, samples, rate, channels))
	require.NoError(t, file.Close())
	data, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	return inMemory{data}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(DefaultConfig(), limits(), dir)
	task := editOf(audiofile.Tone(44100, 2*time.Second), `{"operations":[{"op":"trim","start":0.5,"end":1.5},{"op":"pad","after":0.25},`+
		`{"op":"reverse"},{"op":"normalize","mode":"peak","target":-6}],"container":"flac","bit_depth":"24","sample_rate":22050}`)
	size, err := servicetest.Bytes(t.Context(), s, task)
	require.NoError(t, err)
	require.Less(t, size, 32*services.MiB)
	result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, &tasks.Edited{
		Source: tasks.SoundFormat{Container: "wav", Encoding: "pcm_s16le", SampleRateHz: 44100, Channels: 1, DurationSeconds: 2},
		Output: tasks.SoundFormat{Container: "flac", Encoding: "flac", SampleRateHz: 22050, Channels: 1, DurationSeconds: 27563.0 / 22050},
	}, result.Value)
	format, got := samples(t, result.Audio)
	require.Equal(t, 22050, format.SampleRateHz)
	require.Len(t, got, 27563)
	require.InDelta(t, 0.501, slices.Max(got), 0.002)
	for _, v := range got[:5400] {
		require.InDelta(t, 0, v, 0.001)
	}
	require.NoError(t, result.Audio.Remove())
	empty(t, dir)
}

// TestEveryEditIsAnswered has silence, one sample, 8 channels and 192 kHz.
func TestEveryEditIsAnswered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(DefaultConfig(), limits(), dir)
	noise := make([]float32, 96000)
	for i := range noise {
		noise[i] = float32(i*i%1000)/1000 - 0.5
	}
	for name, audio := range map[string]services.AudioSource{
		"silence": wav(t, make([]float32, 16000), 16000, 1), "one sample": wav(t, []float32{0.5}, 16000, 1),
		"8 channels": wav(t, noise, 48000, 8), "192 kHz": wav(t, noise, 192000, 1),
	} {
		for _, operation := range []string{
			`{"op":"trim"}`, `{"op":"pad","before":1}`, `{"op":"gain","gain_db":60}`, `{"op":"fade","in":5,"out":5}`,
			`{"op":"high_pass","frequency":1,"order":8}`, `{"op":"low_pass","frequency":7999,"order":8}`,
			`{"op":"band_pass","low":1,"high":7000}`, `{"op":"low_shelf","frequency":100,"gain_db":40}`,
			`{"op":"high_shelf","frequency":5000,"gain_db":-40}`, `{"op":"resample","sample_rate":192000}`, `{"op":"remix","channels":2}`,
			`{"op":"speed","factor":0.25}`, `{"op":"speed","factor":4}`, `{"op":"reverse"}`, `{"op":"gate"}`, `{"op":"limiter","ceiling_dbfs":-60}`,
			`{"op":"normalize","mode":"peak"}`, `{"op":"normalize","mode":"rms"}`, `{"op":"normalize","mode":"loudness"}`,
			`{"op":"remove_silence"}`, `{"op":"time_stretch","factor":0.25}`, `{"op":"time_stretch","factor":4}`,
			`{"op":"pitch_shift","semitones":-12}`, `{"op":"pitch_shift","semitones":12}`,
		} {
			result, err := services.ExecuteTask(t.Context(), s, editOf(audio, `{"operations":[`+operation+`]}`), services.DiscardSink{})
			require.NoError(t, err, "%s of %s", operation, name)
			format, got := samples(t, result.Audio)
			require.NotEmpty(t, got)
			require.InDelta(t, result.Value.(*tasks.Edited).Output.DurationSeconds, format.Duration().Seconds(), 1e-6)
			require.NoError(t, result.Audio.Remove())
		}
	}
	empty(t, dir)
}

func TestEditRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small := DefaultConfig()
	small.MaxOutput = services.MiB
	s := New(small, limits(), dir)
	many := func(operation string) string { return strings.Repeat(operation+",", 31) }
	for params, text := range map[string]string{
		`{}`: "operations must be a list of 1 to 32 operations, got 0",
		`{"operations":[{"op":"reverse"},{"op":"gain","gain_db":99},{"op":"x"}]}`: "operations[1].gain_db must be from -100 to 60, " +
			"got 99; operations[2].op must be one of",
		`{"operations":[{"op":"reverse"},{"op":"trim","start":9}]}`:            "operations[1].start must be before the end",
		`{"operations":[{"op":"reverse"}],"sample_rate":7}`:                    "sample_rate",
		`{"operations":[{"op":"reverse"}],"container":"mp4"}`:                  "container must be one of wav, flac, pcm, mp3",
		`{"operations":[{"op":"reverse"}],"container":"mp3","bit_depth":"16"}`: "bit_depth does not apply to mp3",
		`{"operations":[{"op":"reverse"}],"rate":7}`:                           "rate is not a parameter",
		`{"operations":[{"op":"pad","after":3600}]}`:                           "the limit is 1.0 MiB",
		`{"operations":[{"op":"pad","after":3600},{"op":"reverse"},{"op":"trim","end":1}]}`: "the sound between two operations has " +
			"more than 2.0 MiB",
		`{"operations":[{"op":"gain","gain_db":-100},{"op":"remove_silence","keep":0}]}`: "operations leave nothing of the recording",

		`{"operations":[` + many(`{"op":"gain","gain_db":60}`) + `{"op":"high_pass","frequency":50}]}`: "so loud that",
		`{"operations":[` + many(`{"op":"speed","factor":0.25}`) + `{"op":"trim","end":1}]}`:           "the limit is 14400 s",
	} {
		_, err := services.ExecuteTask(t.Context(), s, editOf(audiofile.Tone(44100, time.Second), params), services.DiscardSink{})
		require.ErrorContains(t, err, text, params)
		require.NotEqual(t, services.KindInternal, services.KindOf(err), params)
	}
	empty(t, dir)
}

// ending is a sink whose first progress after a number of calls ends the context.
type ending struct {
	services.DiscardSink
	left int
	end  context.CancelFunc
}

func (e *ending) Progress(float64, string) {
	if e.left--; e.left == 0 {
		e.end()
	}
}

// TestEditStops ends the context while the recording is read, and after that.
func TestEditStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(DefaultConfig(), limits(), dir)
	for _, calls := range []int{1, 5, 30} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := services.ExecuteTask(ctx, s, editOf(audiofile.Tone(44100, 2*time.Second), `{"operations":[{"op":"reverse"},{"op":"reverse"},`+
			`{"op":"time_stretch","factor":0.5}]}`), &ending{left: calls, end: cancel})
		require.ErrorIs(t, err, context.Canceled, calls)
	}
	empty(t, dir)
}
