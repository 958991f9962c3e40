package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// attacks is sound that makes an encoder switch block types and use joint stereo:
// clicks and tones, more of them on the left.
func attacks(rate int) []float32 {
	random := rand.New(rand.NewPCG(1, 2))
	samples := make([]float32, 2*rate)
	level := 0.0
	for i := range rate {
		if i%(rate/9) == 0 {
			level = 0.6
		}
		level *= 1 - 40/float64(rate)
		x := level*(random.Float64()-0.5) + 0.1*math.Sin(float64(i)*1500/float64(rate))
		samples[2*i], samples[2*i+1] = float32(x), float32(0.7*x+0.02*math.Sin(float64(i)*900/float64(rate)))
	}
	return samples
}

// TestMP3AgainstFFmpeg covers every rate of MPEG 1, 2 and 2.5. At 24 kHz ffmpeg starts
// one band two lines lower than the standard, LAME and mpg123, so mpg123 is used
// instead.
func TestMP3AgainstFFmpeg(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("the decoder has one thread")
	}
	program := withFFmpeg(t).FFmpeg
	dir := t.TempDir()
	for _, rate := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000} {
		in := filepath.Join(dir, fmt.Sprint(rate, ".wav"))
		require.NoError(t, os.WriteFile(in, write(t, Output{WAV, Depth16, rate, 2, ""}, attacks(rate)), 0o600))
		for _, options := range [][]string{
			{"-ac", "1", "-b:a", "32k"},
			{"-b:a", "56k"},
			{"-b:a", "48k", "-joint_stereo", "0"},
			{"-q:a", "4"},
		} {
			t.Run(fmt.Sprint(rate, options), func(t *testing.T) {
				t.Parallel()
				out := filepath.Join(t.TempDir(), "out.mp3")
				args := append(append([]string{"-v", "error", "-i", in, "-c:a", "libmp3lame"}, options...), out)
				if text, err := exec.Command(program, args...).CombinedOutput(); err != nil {
					t.Skipf("no encoder: %s", text)
				}
				decode := exec.Command(program, "-v", "error", "-i", out, "-f", "f32le", "-")
				if rate == 24000 {
					decode = exec.Command("mpg123", "-q", "--gapless", "-e", "f32", "-s", out)
				}
				raw, err := decode.Output()
				if errors.Is(err, exec.ErrNotFound) {
					t.Skip("no mpg123 on the PATH")
				}
				require.NoError(t, err)
				file, err := os.ReadFile(out)
				require.NoError(t, err)
				got, reader := readFile(t, file)
				require.Equal(t, rate, reader.Format().SampleRateHz)
				requireLike(t, raw, got)
			})
		}
	}
}

// requireLike compares samples with those of another program, as bytes.
func requireLike(t *testing.T, raw []byte, got []float32) {
	t.Helper()
	require.Len(t, got, len(raw)/4)
	var power, wrong float64
	for i, x := range got {
		want := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		power += want * want
		wrong += (want - float64(x)) * (want - float64(x))
	}
	require.Greater(t, 10*math.Log10(power/wrong), 100.0)
}

// No encoder at hand writes intensity stereo, so the frames of one are marked
// as if they had it: what that sounds like is up to the decoder alone.
func TestMP3IntensityAgainstFFmpeg(t *testing.T) {
	t.Parallel()
	program := withFFmpeg(t).FFmpeg
	for _, modes := range []byte{1, 3} {
		frames := mp3Pieces(t, "speech-stereo.mp3")
		for _, frame := range frames {
			frame[3] = frame[3]&0x0f | 1<<6 | modes<<4
		}
		file := cat(frames...)
		command := exec.Command(program, "-v", "error", "-f", "mp3", "-i", "pipe:0", "-f", "f32le", "-")
		command.Stdin = bytes.NewReader(file)
		raw, err := command.Output()
		require.NoError(t, err)
		got, _ := readFile(t, file)
		requireLike(t, raw, got)
	}
}

// mp3Pieces returns the frames of a clip.
func mp3Pieces(t *testing.T, name string) (frames [][]byte) {
	t.Helper()
	raw := clip(t, name)
	walk, _, err := openMP3(asFile(raw, new(report)))
	require.NoError(t, err)
	for {
		frame, err := walk.next()
		if err != nil {
			return frames
		}
		frames = append(frames, append([]byte(nil), frame...))
	}
}

func TestMP3WithoutNotes(t *testing.T) {
	t.Parallel()
	frames := mp3Pieces(t, "speech.mp3")
	require.Greater(t, len(frames), 20)
	whole := cat(frames...)
	want, reader := readFile(t, whole)
	require.Len(t, want, 576*len(frames))
	require.Empty(t, reader.Warnings())

	// Truncated inside a frame: the sound before it is decoded.
	got, reader := readFile(t, whole[:len(whole)-7])
	require.Equal(t, want[:576*(len(frames)-1)], got)
	require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader))
	require.Contains(t, reader.Warnings()[0].Message, fmt.Sprint("it ends within its MP3 frame ", len(frames)))
	strict := DefaultLimits()
	strict.Strict = true
	_, _, err := countFrames(whole[:len(whole)-7], strict)
	requireFault(t, err, services.KindInvalid, "is cut short: ", "; upload the whole file")

	// The second half, whose first frame refers to data in the first half. It is
	// silent, and the following frames recover.
	half, _ := readFile(t, cat(frames[len(frames)/2:]...))
	from := len(want) - len(half)
	require.Equal(t, want[from+8*576:], half[8*576:])

	// The same, beginning inside a frame.
	piece, _ := readFile(t, whole[len(cat(frames[:len(frames)/2]...))-20:])
	require.Equal(t, half, piece)

	// A damaged frame in the middle: it is dropped, and the neighbours' data in it is
	// silent.
	damaged := append([]byte(nil), whole...)
	at := len(cat(frames[:10]...))
	copy(damaged[at:], make([]byte, 4))
	got, reader = readFile(t, damaged)
	require.Len(t, got, len(want)-576)
	require.Equal(t, want[:10*576], got[:10*576])
	require.Equal(t, want[30*576:], got[29*576:])
	require.Empty(t, reader.Warnings())
}

// A stated count that is too large means truncation, unless the stated bytes are
// present and some are damaged.
func TestMP3NotesThatPromiseMore(t *testing.T) {
	t.Parallel()
	file := append([]byte(nil), clip(t, "speech.mp3")...)
	want, _ := readFile(t, file)
	frames := mp3Pieces(t, "speech.mp3")
	notes := len(file) - len(cat(frames...))
	broken := append([]byte(nil), file...)
	for _, n := range []int{10, 11, 12} {
		copy(broken[notes+len(cat(frames[:n]...)):], make([]byte, 4))
	}
	got, reader := readFile(t, broken)
	require.Empty(t, reader.Warnings())
	require.InDelta(t, len(want)-3*576, len(got), 1152)

	for at := range notes {
		if string(file[at:at+4]) == "Info" || string(file[at:at+4]) == "Xing" {
			copy(file[at+8:], []byte{0, 0, 0xff, 0})
			break
		}
	}
	got, reader = readFile(t, file)
	require.Equal(t, want, got[:len(want)])
	require.Equal(t, []services.WarningCode{services.WarnTruncated}, codes(reader))
	require.Contains(t, reader.Warnings()[0].Message, fmt.Sprintf("it announces 65280 MP3 frames, %d are there", len(frames)))
}
