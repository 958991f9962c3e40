package audioprocessor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func limits() audiofile.Limits { return audiofile.DefaultConfig().Limits() }

// recording returns one of the decoders' test files.
func recording(name string) services.AudioSource {
	return onDisk(filepath.Join("..", "audiofile", "testdata", name))
}

func task(t *testing.T, audio services.AudioSource, params tasks.ConvertParams) services.Task {
	t.Helper()
	raw, err := json.Marshal(params)
	require.NoError(t, err)
	return services.Task{Service: Name, Name: tasks.Convert, Params: raw, Audio: audio}
}

// samples reads a whole file.
func samples(t *testing.T, source services.AudioSource) (audiofile.Format, []float32) {
	t.Helper()
	file, err := source.Open()
	require.NoError(t, err)
	defer file.Close()
	reader, err := audiofile.Open(file, source.Size(), limits())
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	block := make([]float32, 4096*reader.Format().Channels)
	var all []float32
	for {
		n, err := reader.ReadFrames(block)
		all = append(all, block[:n*reader.Format().Channels]...)
		if errors.Is(err, io.EOF) {
			return reader.Format(), all
		}
		require.NoError(t, err)
	}
}

func rms(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestConversions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file  string
		params      tasks.ConvertParams
		content     string
		encoding    string
		rate, chans int
	}{
		{"as it is", "speech.flac", tasks.ConvertParams{}, "audio/wav", "pcm_s16le", 16000, 1},
		{"MP3 to FLAC", "speech-stereo.mp3", tasks.ConvertParams{Container: "flac", BitDepth: "24"}, "audio/flac", "flac", 48000, 2},
		{"Opus to speech", "speech-celt.opus", tasks.ConvertParams{SampleRateHz: 16000, Channels: 1}, "audio/wav", "pcm_s16le", 16000, 1},
		{
			"up, float, stereo", "speech.webm",
			tasks.ConvertParams{SampleRateHz: 96000, Channels: 2, BitDepth: "float"},
			"audio/wav",
			"pcm_f32le", 96000, 2,
		},
		{"32 bits", "speech.flac", tasks.ConvertParams{BitDepth: "32", SampleRateHz: 8000}, "audio/wav", "pcm_s32le", 8000, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := New(DefaultConfig(), limits(), dir)
			job := task(t, recording(test.file), test.params)
			bytes, err := servicetest.Bytes(t.Context(), s, job)
			require.NoError(t, err)
			require.Greater(t, bytes, services.MiB)
			result, err := services.ExecuteTask(t.Context(), s, job, services.DiscardSink{})
			require.NoError(t, err)
			require.Equal(t, test.content, result.Audio.ContentType)
			before, in := samples(t, job.Audio)
			format, got := samples(t, result.Audio)
			require.Equal(t, test.encoding, format.Encoding)
			require.Equal(t, test.rate, format.SampleRateHz)
			require.Equal(t, test.chans, format.Channels)
			require.InDelta(t, before.Duration().Seconds(), format.Duration().Seconds(), 1.0/float64(test.rate))
			require.InEpsilon(t, rms(in), rms(got), 0.03)
			conversion, ok := result.Value.(*tasks.Conversion)
			require.True(t, ok)
			require.Equal(t, before.Container, conversion.Source.Container)
			require.Equal(t, test.encoding, conversion.Output.Encoding)
			require.InDelta(t, format.Duration().Seconds(), conversion.Output.DurationSeconds, 1e-9)
			require.NoError(t, result.Audio.Remove())
			empty(t, dir)
		})
	}
}

// The reference is sox with its best rate effect and without dither.
func TestConversionAgreesWithSox(t *testing.T) {
	t.Parallel()
	sox, err := exec.LookPath("sox")
	if err != nil {
		t.Skip("no sox on the PATH to compare with")
	}
	dir := t.TempDir()
	in, theirs := filepath.Join(dir, "in.wav"), filepath.Join(dir, "out.wav")
	run := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), sox, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	// The left channel sweeps through the pass-band, the right one through the
	// stop-band.
	run("-n", "-r", "48000", "-c", "2", "-b", "24", in, "synth", "4", "sine", "100-7000", "sine", "8500-23000", "vol", "0.5")
	for _, rate := range []string{"16000", "44100"} {
		run("-D", in, "-e", "floating-point", "-b", "32", theirs, "remix", "1", "rate", "-h", rate)
		s := New(DefaultConfig(), limits(), t.TempDir())
		hz := map[string]int{"16000": 16000, "44100": 44100}[rate]
		result, err := services.ExecuteTask(t.Context(), s, task(t, onDisk(in), tasks.ConvertParams{SampleRateHz: hz, BitDepth: "float"}),
			services.DiscardSink{})
		require.NoError(t, err)
		_, got := samples(t, result.Audio)
		_, want := samples(t, onDisk(theirs))
		require.Len(t, got, 2*len(want))
		var off, power, aliased float64
		edge := hz / 10 // the filters treat the silence at the ends differently
		for i := edge; i < len(want)-edge; i++ {
			off += math.Pow(float64(got[2*i]-want[i]), 2)
			power += math.Pow(float64(want[i]), 2)
			aliased += math.Pow(float64(got[2*i+1]), 2)
		}
		require.Greater(t, 10*math.Log10(power/off), 80.0, "dB that we agree to at %s Hz", rate)
		if hz == 16000 {
			require.Greater(t, 10*math.Log10(power/aliased), 90.0, "dB of stop-band rejection")
		}
	}
}

func TestWhatCannotBeConverted(t *testing.T) {
	t.Parallel()
	small := DefaultConfig()
	small.MaxOutput = services.MiB
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		cfg  Config
		task services.Task
		kind services.Kind
		text string
	}{
		{"task", small, services.Task{Name: "measure"}, services.KindNotFound, `has no task "measure"`},
		{"model", small, services.Task{Name: tasks.Convert, Model: "x"}, services.KindInvalid, "model must be left out"},
		{"file", small, services.Task{Name: tasks.Convert}, services.KindInvalid, "file is missing"},
		{
			"params", small,
			services.Task{Name: tasks.Convert, Params: []byte(`{"rate":1}`)},
			services.KindInvalid,
			"rate is not a parameter of this task",
		},
		{
			"values", small, task(t, recording("speech.flac"),
				tasks.ConvertParams{Container: "mp4", SampleRateHz: 1, Channels: 5, BitDepth: "12"}), services.KindInvalid,
			`container must be one of wav, flac, pcm, mp3, opus, ogg, aac, got "mp4"; bit_depth must be one of 16, 24, 32, float, got "12"; ` +
				`sample_rate must be 8000 to 192000 Hz, got 1; channels must be 1, 2 or the 1 of the recording, got 5`,
		},
		{
			"size", small, task(t, recording("speech.flac"), tasks.ConvertParams{SampleRateHz: 192000, Channels: 2, BitDepth: "32"}),
			services.KindTooLarge, "the limit is 1.0 MiB",
		},
		{"no sound", small, task(t, recording("make.py"), tasks.ConvertParams{}), services.KindUnsupported, "file is text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := New(test.cfg, limits(), dir)
			_, err := s.Prepare(t.Context(), test.task)
			require.Equal(t, test.kind, services.KindOf(err))
			require.ErrorContains(t, err, test.text)
			_, err = services.ExecuteTask(t.Context(), s, test.task, services.DiscardSink{})
			require.Equal(t, test.kind, services.KindOf(err))
		})
	}
	t.Cleanup(func() { empty(t, dir) })
}

// The limit for FLAC is checked while writing, and a damaged file fails late.
func TestNothingIsLeftOfAFailedConversion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	small := DefaultConfig()
	small.MaxOutput = services.MiB
	noise := filepath.Join(t.TempDir(), "noise.wav")
	file, err := os.Create(noise)
	require.NoError(t, err)
	random := make([]float32, 2<<20)
	for i := range random {
		random[i] = float32(math.Sin(float64(i) * float64(i)))
	}
	require.NoError(t, audiofile.WriteWAV16(file, random, 48000, 2))
	require.NoError(t, file.Close())
	_, err = services.ExecuteTask(t.Context(), New(small, limits(), dir), task(t, onDisk(noise), tasks.ConvertParams{Container: "flac"}),
		services.DiscardSink{})
	require.Equal(t, services.KindTooLarge, services.KindOf(err))
	require.ErrorContains(t, err, "more than 1.0 MiB")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = services.ExecuteTask(ctx, New(small, limits(), dir), task(t, recording("speech.flac"), tasks.ConvertParams{}),
		services.DiscardSink{})
	require.ErrorIs(t, err, context.Canceled)

	whole, err := os.ReadFile(filepath.Join("..", "audiofile", "testdata", "speech.flac"))
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.flac")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)/2], 0o600))
	strict := limits()
	strict.Strict = true
	_, err = services.ExecuteTask(t.Context(), New(small, strict, dir), task(t, onDisk(cut), tasks.ConvertParams{}), services.DiscardSink{})
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	require.ErrorContains(t, err, "cut short")
	empty(t, dir)

	result, err := services.ExecuteTask(t.Context(), New(small, limits(), dir), task(t, onDisk(cut), tasks.ConvertParams{}),
		services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, services.WarnTruncated, result.Warnings[0].Code)
	require.NoError(t, result.Audio.Remove())
	empty(t, dir)

	_, err = services.ExecuteTask(t.Context(), New(small, limits(), filepath.Join(dir, "nowhere")),
		task(t, recording("speech.flac"), tasks.ConvertParams{}), services.DiscardSink{})
	require.Equal(t, services.KindInternal, services.KindOf(err))
}

func TestLifeOfTheService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(DefaultConfig(), limits(), dir)
	require.Equal(t, services.StateRegistered, s.Status().State)
	require.NoError(t, s.Initialize(t.Context()))
	require.NoError(t, s.Initialize(t.Context()))
	require.True(t, s.Initialized())
	require.Equal(t, services.StateReady, s.Status().State)
	empty(t, dir)
	result, err := services.ExecuteTask(t.Context(), s, s.CanaryTask(), services.DiscardSink{})
	require.NoError(t, err)
	require.NoError(t, result.Audio.Remove())
	require.EqualValues(t, 1, s.Metrics().Tasks[services.OutcomeSuccess])
	require.WithinDuration(t, time.Now(), s.Status().LastSuccess, time.Minute)
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, s.Shutdown(t.Context()))
	require.False(t, s.Initialized())
	require.Error(t, New(DefaultConfig(), limits(), "/nowhere").Initialize(t.Context()))
	require.Empty(t, DefaultConfig().Validate())
	require.NotEmpty(t, Config{}.Validate())
}

// An hour needs no more memory than a minute because the blocks are the same.
func TestMemoryDoesNotGrowWithTheLength(t *testing.T) {
	t.Parallel()
	s := New(DefaultConfig(), limits(), t.TempDir())
	short, err := servicetest.Bytes(t.Context(), s, task(t, audiofile.Tone(16000, time.Second), tasks.ConvertParams{}))
	require.NoError(t, err)
	long, err := servicetest.Bytes(t.Context(), s, task(t, audiofile.Tone(16000, 10*time.Minute), tasks.ConvertParams{}))
	require.NoError(t, err)
	require.Equal(t, short, long)
}
