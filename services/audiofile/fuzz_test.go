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

// FuzzOpen reads whole files of any bytes without the recovery, so that a
// panic counts. What is accepted must hold what its header says, and what is
// refused must be refused as the sender's fault, with a text.
func FuzzOpen(f *testing.F) {
	format := formatChunk(1, 1, 16000, 16)
	data := chunk("data", pcm16(1, -2, 3))
	for _, seed := range [][]byte{
		nil,
		[]byte("RIFF"),
		[]byte("text"),
		mono16(1, 2, 3),
		riff(format),
		riff(data, format),
		riff(chunk("LIST", []byte("INFOx")), format, chunk("fact", le32(3)), data),
		riff(claim("LIST", 5, []byte("INFOx")), format, data),
		riff(format, claim("cue ", math.MaxUint32, nil)),
		riff(format, claim("data", -1, pcm16(1, 2))),
		riff(format, claim("data", 1000, pcm16(1, 2))),
		riff(formatChunk(1, 2, 8000, 8), chunk("data", []byte{1, 2, 3, 4})),
		riff(formatChunk(1, 1, 8000, 24), chunk("data", []byte{1, 2, 3})),
		riff(formatChunk(1, 1, 8000, 32), chunk("data", []byte{1, 2, 3, 4})),
		riff(formatChunk(3, 1, 8000, 32), chunk("data", f32(1, float32(math.NaN())))),
		riff(formatChunk(3, 1, 8000, 64), chunk("data", f64(1, math.Inf(1)))),
		riff(formatChunk(6, 1, 8000, 8), chunk("data", []byte{1, 2})),
		riff(formatChunk(7, 1, 8000, 8), chunk("data", []byte{1, 2})),
		riff(extensibleChunk(1, 2, 48000, 24, 20), chunk("data", []byte{1, 2, 3, 4, 5, 6})),
		cat([]byte("RF64"), le32(-1), []byte("WAVE"), chunk("ds64", cat(le64(0), le64(6), le64(3))), format, claim("data", -1, pcm16(1, 2, 3))),
	} {
		f.Add(seed)
	}
	limits := Limits{MaxBytes: 1 << 20, MaxDuration: time.Hour, MaxChannels: 64}
	f.Fuzz(func(t *testing.T, file []byte) {
		reader, err := open(bytes.NewReader(file), int64(len(file)), limits)
		if err != nil {
			require.Nil(t, reader)
			requireSendersFault(t, err)
			return
		}
		format := reader.Format()
		require.Positive(t, format.Frames)
		require.Positive(t, format.SampleRateHz)
		require.Positive(t, format.Duration()+1)
		require.LessOrEqual(t, format.Frames*int64(format.Channels), int64(len(file)))

		dst := make([]float32, 100*format.Channels+1)
		var frames int64
		for {
			n, err := reader.readFrames(dst)
			frames += int64(n)
			for _, v := range dst[:n*format.Channels] {
				require.True(t, isUsable(float64(v)))
			}
			if errors.Is(err, io.EOF) {
				require.Equal(t, format.Frames, frames)
				return
			}
			if err != nil {
				requireSendersFault(t, err)
				return
			}
			require.Positive(t, n)
		}
	})
}

func requireSendersFault(t *testing.T, err error) {
	t.Helper()
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Contains(t, []services.Kind{services.KindInvalid, services.KindUnsupported, services.KindTooLarge}, fault.Kind)
	require.NotEmpty(t, fault.Fields)
	require.NotContains(t, fault.Detail(), "%!")
}
