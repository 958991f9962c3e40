package audiofile

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func f32(values ...float32) []byte {
	var data []byte
	for _, v := range values {
		data = append(data, le32(int(math.Float32bits(v)))...)
	}
	return data
}

func f64(values ...float64) []byte {
	var data []byte
	for _, v := range values {
		data = append(data, le64(math.Float64bits(v))...)
	}
	return data
}

func TestEveryEncoding(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		format   []byte
		data     []byte
		encoding string
		bits     int
		want     []float32
	}{
		{"8-bit is unsigned", formatChunk(1, 1, 16000, 8), []byte{0, 128, 255, 192}, "pcm_u8", 8,
			[]float32{-1, 0, 127.0 / 128, 0.5}},
		{"16-bit", formatChunk(1, 1, 16000, 16), pcm16(-32768, 0, 32767, 16384, -1), "pcm_s16le", 16,
			[]float32{-1, 0, 32767.0 / 32768, 0.5, -1.0 / 32768}},
		{"24-bit", formatChunk(1, 1, 16000, 24), []byte{0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0x7f, 0, 0, 0x40, 0xff, 0xff, 0xff}, "pcm_s24le", 24,
			[]float32{-1, 0, 8388607.0 / 8388608, 0.5, -1.0 / 8388608}},
		{"32-bit", formatChunk(1, 1, 16000, 32), cat(le32(-1<<31), le32(0), le32(1<<30), le32(-1), le32(1<<31-1)), "pcm_s32le", 32,
			[]float32{-1, 0, 0.5, -1.0 / (1 << 31), 1}},
		{"12-bit stands in the upper bits", formatChunk(1, 1, 16000, 12), pcm16(0x7ff0, -0x8000), "pcm_s16le", 12,
			[]float32{2047.0 / 2048, -1}},
		{"32-bit float, beyond one as it is", formatChunk(3, 1, 16000, 32), f32(-1, 0, 0.25, 3.5, -1e30), "pcm_f32le", 32,
			[]float32{-1, 0, 0.25, 3.5, -1e30}},
		{"64-bit float", formatChunk(3, 1, 16000, 64), f64(-1, 0, 0.1, 2.5), "pcm_f64le", 64,
			[]float32{-1, 0, 0.1, 2.5}},
		// G.711 tables 1a to 2b: the largest level of 13 bits is 4032 of 4096
		// for A-law, of 14 bits 8031 of 8192 for mu-law.
		{"A-law", formatChunk(6, 1, 8000, 8), []byte{0xaa, 0x2a, 0xd5, 0x55}, "pcm_alaw", 8,
			[]float32{4032.0 / 4096, -4032.0 / 4096, 1.0 / 4096, -1.0 / 4096}},
		{"mu-law", formatChunk(7, 1, 8000, 8), []byte{0x80, 0x00, 0xff, 0x7f}, "pcm_mulaw", 8,
			[]float32{8031.0 / 8192, -8031.0 / 8192, 0, 0}},
		{"extensible 16-bit", extensibleChunk(1, 1, 16000, 16, 16), pcm16(16384), "pcm_s16le", 16,
			[]float32{0.5}},
		{"extensible 20 bits in 24", extensibleChunk(1, 1, 16000, 24, 20), []byte{0xf0, 0xff, 0x7f, 0, 0, 0xc0}, "pcm_s24le", 24,
			[]float32{524287.0 / 524288, -0.5}},
		{"extensible 24 bits in 32", extensibleChunk(1, 1, 16000, 32, 24), cat(le32(0x7fffff00), le32(-1<<31)), "pcm_s32le", 32,
			[]float32{8388607.0 / 8388608, -1}},
		{"extensible float", extensibleChunk(3, 1, 16000, 32, 32), f32(0.75), "pcm_f32le", 32,
			[]float32{0.75}},
		{"extensible A-law", extensibleChunk(6, 1, 8000, 8, 8), []byte{0xaa}, "pcm_alaw", 8,
			[]float32{4032.0 / 4096}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			format, got := decode(t, riff(test.format, chunk("data", test.data)))
			require.Equal(t, test.want, got)
			require.Equal(t, test.encoding, format.Encoding)
			require.Equal(t, test.bits, format.BitsPerSample)
			require.Equal(t, "wav", format.Container)
			require.Equal(t, 1, format.Channels)
			require.EqualValues(t, len(test.want), format.Frames)
		})
	}
}

// g711Levels lists the positive quantised values of G.711 (column 8 of its
// tables 1a and 2a) from the definition: the decision values are laid out in
// runs of equal steps, and a quantised value is the middle between two.
func g711Levels(runs [][2]int) []float64 {
	var levels []float64
	decision := 0
	for _, run := range runs {
		count, step := run[0], run[1]
		for range count {
			levels = append(levels, float64(decision)+float64(step)/2)
			decision += step
		}
	}
	return levels
}

func TestALawIsTheTableOfG711(t *testing.T) {
	t.Parallel()
	levels := g711Levels([][2]int{{32, 2}, {16, 4}, {16, 8}, {16, 16}, {16, 32}, {16, 64}, {16, 128}})
	require.Len(t, levels, 128)
	require.Equal(t, 4032.0, levels[127])
	for n, level := range levels {
		code := byte(0x80|n) ^ 0x55 // sent with the even bits inverted
		require.EqualValues(t, level/4096, aLawValues[code], "value %d", n+1)
		require.EqualValues(t, -level/4096, aLawValues[code^0x80], "value -%d", n+1)
	}
}

func TestMuLawIsTheTableOfG711(t *testing.T) {
	t.Parallel()
	levels := g711Levels([][2]int{{1, 1}, {15, 2}, {16, 4}, {16, 8}, {16, 16}, {16, 32}, {16, 64}, {16, 128}, {16, 256}})
	levels[0] = 0 // the table's one exception: y0 is 0, not 0.5
	require.Len(t, levels, 128)
	require.Equal(t, 8031.0, levels[127])
	for n, level := range levels {
		code := byte(0xff - n)
		require.EqualValues(t, level/8192, muLawValues[code], "value %d", n)
		require.EqualValues(t, -level/8192, muLawValues[code^0x80], "value -%d", n)
	}
}

func TestChannelsAreInterleaved(t *testing.T) {
	t.Parallel()
	file := riff(formatChunk(1, 3, 48000, 16), chunk("data", pcm16(1, 2, 3, 4, 5, 6)))
	format, got := decode(t, file)
	require.Equal(t, 3, format.Channels)
	require.EqualValues(t, 2, format.Frames)
	require.Equal(t, 48000, format.SampleRateHz)
	for i, v := range got {
		require.Equal(t, float32(i+1)/32768, v)
	}
}

// Across the buffer's edge, in calls of any size, nothing is lost or repeated.
func TestReadingInPiecesGivesTheWhole(t *testing.T) {
	t.Parallel()
	for _, channels := range []int{1, 2, 3, 7} {
		levels := make([]int, 9001*channels)
		for i := range levels {
			levels[i] = i%65536 - 32768
		}
		file := riff(formatChunk(1, channels, 16000, 16), chunk("data", pcm16(levels...)))
		for _, size := range []int{1, 2, 100, 4681, 9000, 9001, 20000} {
			reader, err := openBytes(file)
			require.NoError(t, err)
			var got []float32
			for {
				// A rest of less than a frame in dst stays unused.
				dst := make([]float32, size*channels+channels-1)
				n, err := reader.ReadFrames(dst)
				if errors.Is(err, io.EOF) {
					require.Zero(t, n)
					break
				}
				require.NoError(t, err)
				require.Positive(t, n)
				got = append(got, dst[:n*channels]...)
			}
			require.Len(t, got, len(levels))
			for i, v := range levels {
				if got[i] != float32(v)/32768 { // a million of them
					t.Fatalf("sample %d is %v, want %v", i, got[i], float32(v)/32768)
				}
			}
		}
	}
}

func TestReadFramesNeedsRoomForOneFrame(t *testing.T) {
	t.Parallel()
	reader, err := openBytes(riff(formatChunk(1, 2, 16000, 16), chunk("data", pcm16(1, 2))))
	require.NoError(t, err)
	_, err = reader.ReadFrames(make([]float32, 1))
	require.ErrorIs(t, err, io.ErrShortBuffer)
	n, err := reader.ReadFrames(make([]float32, 2))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestUnusableFloatSampleIsToldWithItsTime(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	quiet := make([]float64, 2*12000)
	for _, test := range []struct {
		name   string
		format []byte
		data   []byte
	}{
		{"NaN of 32 bits", formatChunk(3, 2, 8000, 32), cat(make([]byte, 4*24001), f32(float32(nan), 0, 0))},
		{"infinity of 32 bits", formatChunk(3, 2, 8000, 32), cat(make([]byte, 4*24001), f32(float32(-inf), 0, 0))},
		{"NaN of 64 bits", formatChunk(3, 2, 8000, 64), cat(f64(quiet...), f64(0, nan, 0, 0))},
		{"infinity of 64 bits", formatChunk(3, 2, 8000, 64), cat(f64(quiet...), f64(0, inf, 0, 0))},
		{"beyond single precision", formatChunk(3, 2, 8000, 64), cat(f64(quiet...), f64(0, 1e300, 0, 0))},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reader, err := openBytes(riff(test.format, chunk("data", test.data)))
			require.NoError(t, err)
			dst := make([]float32, 2*20000)
			n, err := reader.ReadFrames(dst)
			require.NoError(t, err, "the sound before it is handed out")
			require.Equal(t, 12000, n)
			for range 2 { // it stays an error
				n, err = reader.ReadFrames(dst)
				require.Zero(t, n)
				requireFault(t, err, services.KindInvalid, "not a usable number", "at 1.5000 s, channel 2")
			}
		})
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	require.Equal(t, 5855*time.Millisecond, Format{SampleRateHz: 16000, Frames: 93680}.Duration())
	require.Equal(t, time.Duration(math.MaxInt64), Format{SampleRateHz: 1, Frames: math.MaxInt64}.Duration())
	require.Zero(t, Format{}.Duration())
}

// Figures of the reference: model-contracts, feature extractor.
func TestRealRecording(t *testing.T) {
	t.Parallel()
	reader := openTestdata(t, "audio", "1272-128104-0000.wav")
	require.Equal(t, Format{"wav", "pcm_s16le", 16000, 1, 16, 93680, false}, reader.Format())
	x := make([]float32, 93680)
	n, err := reader.ReadFrames(x)
	require.NoError(t, err)
	require.Equal(t, 93680, n)
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	mean := sum / float64(n)
	require.InDelta(t, -9.150061e-06, mean, 1e-11)
	require.InDelta(t, 0.00383632621, squares/float64(n)-mean*mean, 1e-9)
}

func TestOtherRealRecordings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path []string
		rate int
	}{
		{[]string{"audio", "1272-128104-0004-8k.wav"}, 8000},
		{[]string{"audio", "1272-141231-0002.wav"}, 16000},
		{[]string{"audio", "speechbrain_spk1_snt1.wav"}, 16000},
		{[]string{"audio", "speechbrain_spk2_snt1.wav"}, 16000},
		{[]string{"kaldi_ref", "test.wav"}, 16000},
		{[]string{"kaldi_ref", "test2.wav"}, 16000},
	} {
		t.Run(test.path[1], func(t *testing.T) {
			t.Parallel()
			reader := openTestdata(t, test.path...)
			format := reader.Format()
			require.Equal(t, test.rate, format.SampleRateHz)
			require.Equal(t, "pcm_s16le", format.Encoding)
			x := make([]float32, format.Frames)
			n, err := reader.ReadFrames(x)
			require.NoError(t, err)
			require.EqualValues(t, format.Frames, n)
			var peak float64
			for _, v := range x {
				peak = max(peak, math.Abs(float64(v)))
			}
			require.Greater(t, peak, 0.01)
			require.LessOrEqual(t, peak, 1.0)
		})
	}
}

func TestOpenStartsAtTheFirstByte(t *testing.T) {
	t.Parallel()
	file := bytes.NewReader(mono16(1, 2, 3))
	_, err := file.Seek(20, io.SeekStart)
	require.NoError(t, err)
	reader, err := Open(file, file.Size(), DefaultLimits())
	require.NoError(t, err)
	require.EqualValues(t, 3, reader.Format().Frames)
}
