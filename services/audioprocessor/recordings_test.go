package audioprocessor

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// shelf has stored recordings by their owner and id, and counts those in use.
type shelf struct {
	recordings map[string]services.AudioSource
	used       int
}

func (s *shelf) StoredAudio(_ context.Context, caller services.Caller, id string) (services.AudioSource, func(), error) {
	audio, ok := s.recordings[caller.Key+"/"+id]
	if !ok {
		return nil, nil, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{
			{Field: "audio_id", Problem: "names no stored recording"},
		}}
	}
	s.used++
	return audio, func() { s.used-- }, nil
}

// lost is a recording whose store fails after a number of bytes.
type lost struct {
	services.AudioSource
	bytes int64
	err   error
}

func (l *lost) Err() error { return l.err }

func (l *lost) Open() (io.ReadSeekCloser, error) {
	file, err := l.AudioSource.Open()
	return &losing{file, l}, err
}

type losing struct {
	io.ReadSeekCloser
	of *lost
}

func (l *losing) Read(p []byte) (int, error) {
	n, err := l.ReadSeekCloser.Read(p)
	if l.of.bytes -= int64(n); l.of.bytes < 0 && err == nil {
		l.of.err = &services.Fault{Kind: services.KindUnavailable, Message: "the store is gone"}
		return 0, errors.New("connection reset")
	}
	return n, err
}

// withStored returns a service with the recordings of the owner ann.
func withStored(t *testing.T, dir string) (*Service, *shelf) {
	t.Helper()
	ones := make([]float32, 48000)
	for i := range ones {
		ones[i] = 0.25
	}
	stored := &shelf{recordings: map[string]services.AudioSource{
		"ann/stereo": wav(t, ones, 48000, 2), "ann/text": recording("make.py"), "ann/cut": cutShort(t, wav(t, ones, 16000, 1)),
		"ann/flac": recording("speech.flac"), "bob/his": wav(t, ones, 48000, 2),
		"ann/gone": &lost{AudioSource: wav(t, ones, 16000, 1), bytes: 60000},
	}}
	s := New(DefaultConfig(), limits(), dir)
	s.recordings = stored
	return s, stored
}

// cutShort returns a recording without its second half.
func cutShort(t *testing.T, audio services.AudioSource) services.AudioSource {
	t.Helper()
	file, err := audio.Open()
	require.NoError(t, err)
	data := make([]byte, audio.Size()/2)
	_, err = io.ReadFull(file, data)
	require.NoError(t, err)
	return inMemory{data}
}

func TestEditsWithStoredRecordings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stored := withStored(t, dir)
	run := func(params string) (services.TaskResult, error) {
		task := editOf(audiofile.Tone(16000, time.Second), params)
		task.Caller = services.Caller{Key: "ann"}
		size, err := servicetest.Bytes(t.Context(), s, task)
		if err == nil {
			require.Less(t, size, 128*services.MiB)
		}
		return services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
	}
	result, err := run(`{"operations":[{"op":"gain","gain_db":-100},{"op":"concatenate","recordings":[{"audio_id":"stereo","pause":0.5},` +
		`{"audio_id":"cut","end":0.5}]},{"op":"mix","recordings":[{"audio_id":"stereo","at":0.25}]},` +
		`{"op":"crossfade","recordings":[{"audio_id":"flac"}],"duration":0.1}]}`)
	require.NoError(t, err)
	format, got := samples(t, result.Audio)
	require.Equal(t, 16000, format.SampleRateHz)
	speech, _ := samples(t, recording("speech.flac"))
	require.InDelta(t, 2.5-0.1+speech.Duration().Seconds(), format.Duration().Seconds(), 1e-3)
	for at, want := range map[float64]float32{0.1: 0, 0.5: 0.25, 0.9: 0, 1.2: 0, 1.8: 0.25, 2.2: 0.25} {
		require.InDelta(t, want, got[int(at*16000)], 0.002, at)
	}
	require.NoError(t, result.Audio.Remove())

	for params, test := range map[string]struct {
		kind services.Kind
		text string
	}{
		`{"operations":[{"op":"reverse"},{"op":"mix","recordings":[{"audio_id":"stereo"},{"audio_id":"his"}]}]}`: {
			services.KindNotFound, "operations[1].recordings[1].audio_id names no stored recording",
		},
		`{"operations":[{"op":"concatenate","recordings":[{"audio_id":"text"}]}]}`: {
			services.KindUnsupported, "operations[0].recordings[0].audio_id is text",
		},
		`{"operations":[{"op":"concatenate","recordings":[{"audio_id":"cut"}]}],"strict":true}`: {
			services.KindInvalid, "operations[0].recordings[0].audio_id",
		},
		`{"operations":[{"op":"concatenate","recordings":[{"audio_id":"gone"}]}]}`: {services.KindUnavailable, "the store is gone"},
	} {
		_, err := run(params)
		require.ErrorContains(t, err, test.text, params)
		require.Equal(t, test.kind, services.KindOf(err), params)
	}
	result, err = run(`{"operations":[{"op":"concatenate","recordings":[{"audio_id":"cut"}]}]}`)
	require.NoError(t, err)
	require.Len(t, result.Warnings, 1)
	require.Equal(t, services.WarnTruncated, result.Warnings[0].Code)
	require.Equal(t, "operations", result.Warnings[0].Field)
	require.NoError(t, result.Audio.Remove())
	require.Zero(t, stored.used)
	empty(t, dir)
}

func TestSplitsOfASound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(DefaultConfig(), limits(), dir)
	sound := slices.Concat(make([]float32, 16000), slices.Repeat([]float32{0.5}, 16000), make([]float32, 16000),
		slices.Repeat([]float32{0.25}, 8000))
	run := func(params string) (services.TaskResult, error) {
		return services.ExecuteTask(t.Context(), s, editOf(wav(t, sound, 16000, 1), params), services.DiscardSink{})
	}
	result, err := run(`{"operations":[{"op":"split_at_silences","keep":0.2}],"container":"flac","sample_rate":8000}`)
	require.NoError(t, err)
	list := result.Audio.All()
	require.Len(t, list, 2)
	edited := result.Value.(*tasks.Edited)
	require.Len(t, edited.Segments, 2)
	var seconds float64
	for i, one := range list {
		format, got := samples(t, one)
		require.Equal(t, 8000, format.SampleRateHz)
		require.InDelta(t, []float32{0.5, 0.25}[i], got[len(got)/2], 0.001)
		span := edited.Segments[i]
		require.InDelta(t, span.End-span.Start, format.Duration().Seconds(), 1e-9)
		require.InDelta(t, []float64{0.9, 2.9}[i], span.Start, 0.011)
		seconds += format.Duration().Seconds()
	}
	require.InDelta(t, seconds, edited.Output.DurationSeconds, 1e-9)
	require.NoError(t, result.Audio.Remove())

	sound = make([]float32, 16000)
	_, err = run(`{"operations":[{"op":"split_at_silences"}]}`)
	require.ErrorContains(t, err, "operations leave nothing of the recording")
	sound = slices.Repeat(append(slices.Repeat([]float32{0.5}, 200), make([]float32, 400)...), 600)
	_, err = run(`{"operations":[{"op":"split_at_silences","minimum":0.01,"keep":0}]}`)
	require.ErrorContains(t, err, "more than 500 parts")
	_, err = run(`{"operations":[{"op":"split_at_silences"},{"op":"reverse"}]}`)
	require.ErrorContains(t, err, "operations[0].op must be the last operation")
	_, err = run(`{"operations":[{"op":"split_at_silences"},{"op":"reverse"}],"sample_rate":8000}`)
	require.ErrorContains(t, err, "operations[0].op must be the last operation")
	empty(t, dir)
}

// TestLossyResults converts and edits to the formats of ffmpeg.
func TestLossyResults(t *testing.T) {
	t.Parallel()
	if limits().FFmpeg == "" {
		t.Skip("there is no ffmpeg on the PATH")
	}
	dir := t.TempDir()
	s := New(DefaultConfig(), limits(), dir)
	tone := audiofile.Tone(44100, time.Second)
	for container, want := range map[string]struct {
		kind     string
		rate     int
		encoding string
	}{
		"mp3": {"audio/mpeg", 44100, "mp3"}, "opus": {"audio/ogg;codecs=opus", 48000, "opus"},
		"ogg": {"audio/ogg;codecs=vorbis", 44100, "vorbis"}, "aac": {"audio/aac", 44100, "aac"},
	} {
		for _, task := range []services.Task{
			{Service: Name, Name: tasks.Convert, Audio: tone, Params: []byte(`{"container":"` + container + `"}`)},
			editOf(tone, `{"operations":[{"op":"gain","gain_db":-6},{"op":"split_at_silences"}],"container":"`+container+`"}`),
		} {
			size, err := servicetest.Bytes(t.Context(), s, task)
			require.NoError(t, err)
			require.Greater(t, size, ffmpegBytes)
			result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
			require.NoError(t, err, container)
			require.Equal(t, want.kind, result.Audio.ContentType)
			var output tasks.SoundFormat
			switch value := result.Value.(type) {
			case *tasks.Conversion:
				output = value.Output
			case *tasks.Edited:
				output = value.Output
			}
			require.Equal(t, tasks.SoundFormat{
				Container: container, Encoding: want.encoding, SampleRateHz: want.rate, Channels: 1, DurationSeconds: 1,
			}, output)
			_, got := samples(t, result.Audio)
			require.NotEmpty(t, got)
			require.NoError(t, result.Audio.Remove())
		}
	}
	none := limits()
	none.FFmpeg = ""
	s = New(DefaultConfig(), none, dir)
	task := services.Task{Service: Name, Name: tasks.Convert, Audio: tone, Params: []byte(`{"container":"mp3"}`)}
	_, err := s.Prepare(t.Context(), task)
	require.ErrorContains(t, err, "container can be mp3 only with ffmpeg, which this server does not have; "+
		"without it there are wav, flac, pcm")
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	empty(t, dir)
}
