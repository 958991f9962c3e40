package audiofile

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// noiseAndTone is a sine on one channel after another, and noise on the last.
func noiseAndTone(frames, channels int) []float32 {
	random := rand.New(rand.NewPCG(5, 6))
	samples := make([]float32, frames*channels)
	for i := range frames {
		for c := range channels {
			x := 0.7 * math.Sin(2*math.Pi*float64(i)*float64(c+1)/50)
			if c == channels-1 {
				x = 2*random.Float64() - 1
			}
			samples[i*channels+c] = float32(x)
		}
	}
	return samples
}

// write encodes samples in calls of varying size.
func write(t *testing.T, out Output, samples []float32) []byte {
	t.Helper()
	var file memoryFile
	w, err := NewWriter(t.Context(), &file, out)
	require.NoError(t, err)
	total := int64(len(samples) / out.Channels)
	for size := 1; len(samples) > 0; size = size*3 + 1 {
		n := min(size*out.Channels, len(samples))
		require.NoError(t, w.WriteFrames(samples[:n]))
		samples = samples[n:]
	}
	require.Equal(t, total, w.Frames())
	require.NoError(t, w.Close())
	require.Equal(t, len(file.bytes), file.at, "stands at the end")
	require.Error(t, w.Close(), "closed")
	return file.bytes
}

// levels rounds samples to integers of the given number of bits.
func levels(samples []float32, bits int) []int32 {
	scale := math.Ldexp(1, bits-1)
	got := make([]int32, len(samples))
	for i, x := range samples {
		got[i] = int32(min(max(math.Round(float64(x)*scale), -scale), scale-1))
	}
	return got
}

func TestRawSamplesAreWrittenByTheDefinition(t *testing.T) {
	t.Parallel()
	samples := []float32{0, 0.5, -1, 1, 2, -3}
	out := Output{Container: Raw, SampleRateHz: 16000, Channels: 2}
	for depth, want := range map[Depth][]byte{
		Depth16:    pcm16(0, 16384, -32768, 32767, 32767, -32768),
		Depth24:    {0, 0, 0, 0, 0, 0x40, 0, 0, 0x80, 0xff, 0xff, 0x7f, 0xff, 0xff, 0x7f, 0, 0, 0x80},
		Depth32:    cat(le32(0), le32(1<<30), le32(-1<<31), le32(1<<31-1), le32(1<<31-1), le32(-1<<31)),
		DepthFloat: f32(samples...),
	} {
		out.Depth = depth
		got := write(t, out, samples)
		require.Equal(t, want, got, "depth %s", depth)
		require.EqualValues(t, len(want), out.Bytes(3))
	}
}

func TestWAVWritesWhatItReads(t *testing.T) {
	t.Parallel()
	for _, depth := range Depths() {
		for _, channels := range []int{1, 2, 3, 8} {
			out := Output{WAV, depth, 44100, channels, ""}
			samples := noiseAndTone(10001, channels)
			file := write(t, out, samples)
			require.EqualValues(t, len(file), out.Bytes(10001))
			format, got := decode(t, file)
			require.Equal(t, out.Encoding(), format.Encoding)
			require.Equal(t, 44100, format.SampleRateHz)
			require.Equal(t, channels, format.Channels)
			require.EqualValues(t, 10001, format.Frames)
			if depth == DepthFloat {
				require.Equal(t, samples, got)
				continue
			}
			bits := out.sampleBytes() * 8
			for i, level := range levels(samples, bits) {
				if want := float32(math.Ldexp(float64(level), 1-bits)); got[i] != want {
					t.Fatalf("sample %d is %v, want %v", i, got[i], want)
				}
			}
		}
	}
}

// The reference: ffmpeg and the flac tool decode the files.
func TestOtherProgramsReadWhatIsWritten(t *testing.T) {
	t.Parallel()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("no ffmpeg on the PATH to compare with")
	}
	for _, container := range []Container{WAV, FLAC} {
		for _, depth := range Depths() {
			for _, channels := range []int{1, 2, 6} {
				out := Output{container, depth, 48000, channels, ""}
				if out.Validate() != nil {
					continue // FLAC supports two depths only
				}
				t.Run(fmt.Sprintf("%s %s %d", container, depth, channels), func(t *testing.T) {
					t.Parallel()
					samples := noiseAndTone(9000, channels)
					path := filepath.Join(t.TempDir(), "sound")
					require.NoError(t, os.WriteFile(path, write(t, out, samples), 0o600))
					cmd := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-xerror", "-i", path, "-f", "s32le", "-c:a",
						"pcm_s32le", "pipe:1")
					var stderr bytes.Buffer
					cmd.Stderr = &stderr
					raw, err := cmd.Output()
					require.NoError(t, err, stderr.String())
					require.Empty(t, stderr.String())
					require.Len(t, raw, 4*len(samples))
					got := make([]float32, len(samples))
					decodeS32(got, raw)
					bits := min(out.sampleBytes()*8, 24)
					for i, level := range levels(samples, bits) {
						if want := math.Ldexp(float64(level), 1-bits); math.Abs(want-float64(got[i])) > math.Ldexp(1, -23) {
							t.Fatalf("sample %d is %v, want %v", i, got[i], want)
						}
					}
				})
			}
		}
	}
}

func TestFLACOfEveryLength(t *testing.T) {
	t.Parallel()
	for _, frames := range []int{0, 1, 3, 15, 16, 4095, 4096, 4097, 8192} {
		file := write(t, Output{FLAC, Depth16, 16000, 1, ""}, noiseAndTone(frames, 1))
		require.Equal(t, "fLaC", string(file[:4]))
		require.Equal(t, []byte{0x10, 0, 0x10, 0}, file[8:12], "block sizes as the reference encoder states them")
		total := int(file[21]&15)<<32 | int(file[22])<<24 | int(file[23])<<16 | int(file[24])<<8 | int(file[25])
		require.Equal(t, frames, total)
	}
}

func TestFLACIsSmallerWhereItCanBe(t *testing.T) {
	t.Parallel()
	out := Output{FLAC, Depth16, 44100, 2, ""}
	frames := 44100
	tone := make([]float32, 2*frames)
	for i := range frames {
		tone[2*i] = float32(0.5 * math.Sin(2*math.Pi*440*float64(i)/44100))
		tone[2*i+1] = tone[2*i]
	}
	require.Less(t, len(write(t, out, tone)), frames*4*4/10)
	for _, depth := range []Depth{Depth16, Depth24} {
		out.Depth = depth
		require.LessOrEqual(t, int64(len(write(t, out, noiseAndTone(frames, 2)))), out.Bytes(int64(frames)))
	}
}

func TestOutputIsChecked(t *testing.T) {
	t.Parallel()
	err := Output{Container: "mp4", Depth: "12", Channels: 9}.Validate()
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, services.KindInvalid, fault.Kind)
	require.Equal(t, `container must be one of wav, flac, pcm, mp3, opus, ogg, aac, got "mp4"; `+
		`bit_depth must be one of 16, 24, 32, float, got "12"; sample_rate must be 1 to 192000 Hz, got 0; `+
		`channels must be 1 to 8, got 9`, fault.Detail())
	require.ErrorContains(t, Output{FLAC, DepthFloat, 1, 1, ""}.Validate(), "bit_depth must be 16 or 24 for flac")

	require.NoError(t, Output{WAV, Depth16, 48000, 2, ""}.Fits(1<<30-100))
	require.Equal(t, services.KindTooLarge, services.KindOf(Output{WAV, Depth16, 48000, 2, ""}.Fits(1<<30)))
	require.NoError(t, Output{FLAC, Depth16, 48000, 2, ""}.Fits(1<<30))

	require.Equal(t, "audio/wav", Output{Container: WAV}.ContentType())
	require.Equal(t, "audio/flac", Output{Container: FLAC}.ContentType())
	require.Equal(t, "audio/pcm;rate=8000;channels=2;encoding=pcm_s24le", Output{Raw, Depth24, 8000, 2, ""}.ContentType())
}

func TestWriterRefusesWhatIsNoSound(t *testing.T) {
	t.Parallel()
	for _, container := range ownContainers() {
		var file memoryFile
		w, err := NewWriter(t.Context(), &file, Output{container, Depth16, 16000, 2, ""})
		require.NoError(t, err)
		require.ErrorContains(t, w.WriteFrames(make([]float32, 3)), "3 samples are not a multiple of 2 channels")
		err = w.WriteFrames([]float32{0, float32(math.NaN())})
		require.Equal(t, services.KindInternal, services.KindOf(err))
		require.ErrorContains(t, err, "sample 1 is NaN")
		require.Error(t, w.Close(), "an error is final")
	}
}

func TestWriterReportsAFullDisk(t *testing.T) {
	t.Parallel()
	for _, container := range ownContainers() {
		disk := &fullDisk{room: 50000}
		w, err := NewWriter(t.Context(), disk, Output{container, Depth16, 16000, 1, ""})
		require.NoError(t, err)
		for err == nil {
			err = w.WriteFrames(noiseAndTone(5000, 1))
		}
		require.ErrorContains(t, err, "no space left")
	}
}

var _ io.WriteSeeker = (*memoryFile)(nil)
