package audiofile

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	second := make([]byte, 2*2*16000) // of 16-bit stereo
	file := riff(formatChunk(1, 2, 16000, 16), chunk("data", second))
	for _, test := range []struct {
		name   string
		limits Limits
		kind   services.Kind // empty: accepted
		texts  []string
	}{
		{"none", Limits{}, "", nil},
		{"all just met", Limits{
			MaxBytes: int64(len(file)), MaxDuration: time.Second, MaxChannels: 2, MinSampleRateHz: 16000,
			MaxSampleRateHz: 16000,
		}, "", nil},
		{
			"bytes",
			Limits{MaxBytes: 60000},
			services.KindTooLarge,
			[]string{"file is 64044 bytes (62.5 KiB), the limit is 60000 bytes (58.6 KiB)"},
		},
		{"duration", Limits{MaxDuration: 999 * time.Millisecond}, services.KindTooLarge, []string{"file lasts 1s, the limit is 999ms"}},
		{"channels", Limits{MaxChannels: 1}, services.KindTooLarge, []string{"file has 2 channels, the limit is 1"}},
		{"rate", Limits{MaxSampleRateHz: 15999}, services.KindTooLarge, []string{"sample rate of 16000 Hz, the limit is 15999 Hz"}},
		{
			"several are all reported",
			Limits{MaxDuration: time.Millisecond, MaxChannels: 1},
			services.KindTooLarge,
			[]string{"file lasts 1s, the limit is 1ms; file has 2 channels, the limit is 1"},
		},
		{
			"too low a rate",
			Limits{MinSampleRateHz: 16001},
			services.KindInvalid,
			[]string{"sample rate of 16000 Hz, the least is 16001 Hz"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(bytes.NewReader(file), int64(len(file)), test.limits)
			if test.kind == "" {
				require.NoError(t, err)
				return
			}
			requireFault(t, err, test.kind, test.texts...)
		})
	}
}

func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	require.Equal(t, Limits{
		MaxBytes: 256 << 20, MaxDuration: 4 * time.Hour, MaxChannels: 8, MinSampleRateHz: 8000,
		MaxSampleRateHz: 192000,
	}, DefaultLimits())
}

// A file over the size limit is rejected without reading it.
func TestTooManyBytesAreNotRead(t *testing.T) {
	t.Parallel()
	_, err := Open(nil, 1<<40, DefaultLimits())
	requireFault(t, err, services.KindTooLarge, "1024.00 GiB", "256.0 MiB")
}

// badReader fails at a given place.
type badReader struct {
	*bytes.Reader
	after int   // successful reads
	err   error // error of every further read; nil panics
}

func (r *badReader) Read(p []byte) (int, error) {
	r.after--
	switch {
	case r.after < 0 && r.err != nil:
		return 0, r.err
	case r.after == -1:
		panic("broken decoder")
	}
	return r.Reader.Read(p)
}

func TestPanicBecomesAFault(t *testing.T) {
	t.Parallel()
	file := mono16(1, 2, 3)
	reads := 0
	for ; ; reads++ {
		reader, err := Open(&badReader{bytes.NewReader(file), reads, nil}, int64(len(file)), DefaultLimits())
		if err == nil {
			for range 2 { // the error is final
				_, err = reader.ReadFrames(make([]float32, 8))
				requireFault(t, err, services.KindInvalid, "is damaged")
				require.ErrorContains(t, err, "broken decoder")
			}
			break
		}
		require.Nil(t, reader)
		requireFault(t, err, services.KindInvalid, "is damaged")
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.NotContains(t, fault.Detail(), "broken decoder", "the cause is for the log")
	}
	require.Positive(t, reads)
}

func TestReadErrorsKeepTheirKind(t *testing.T) {
	t.Parallel()
	file := mono16(1, 2, 3)
	disk := errors.New("disk on fire")
	gone := services.Faultf(services.KindNotFound, "the upload has expired")
	for reads := range 4 {
		for cause, kind := range map[error]services.Kind{disk: services.KindInternal, gone: services.KindNotFound} {
			reader, err := Open(&badReader{bytes.NewReader(file), reads, cause}, int64(len(file)), DefaultLimits())
			if err == nil {
				_, err = reader.ReadFrames(make([]float32, 8))
			}
			require.ErrorIs(t, err, cause)
			require.Equal(t, kind, services.KindOf(err))
		}
	}
}

// The stated size may be wrong: a truncated upload, or a file that is still being
// written.
func TestAnnouncedSizeLargerThanTheFile(t *testing.T) {
	t.Parallel()
	_, err := Open(bytes.NewReader(nil), 100, DefaultLimits())
	requireFault(t, err, services.KindInvalid, "ends after 0 bytes, more were announced")

	file := riff(formatChunk(1, 1, 16000, 16), claim("data", 2000, make([]byte, 1001)))
	reader, err := Open(bytes.NewReader(file), int64(len(file)+999), DefaultLimits())
	require.NoError(t, err)
	n, err := reader.ReadFrames(make([]float32, 2000))
	require.NoError(t, err)
	require.Equal(t, 500, n)
	_, err = reader.ReadFrames(make([]float32, 2000))
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []services.Warning{{
		Code: services.WarnTruncated, Field: "file",
		Message: "the recording is cut short: 1000 frames were announced, it ends after 500; the sound before that was used",
	}}, reader.Warnings())
	require.EqualValues(t, 500, reader.Format().Frames)

	limits := DefaultLimits()
	limits.Strict = true
	reader, err = Open(bytes.NewReader(file), int64(len(file)+999), limits)
	require.NoError(t, err)
	_, err = reader.ReadFrames(make([]float32, 2000))
	require.NoError(t, err)
	_, err = reader.ReadFrames(make([]float32, 2000))
	requireFault(t, err, services.KindInvalid, "1000 frames were announced, it ends after 500; upload the whole file")

	_, err = Open(bytes.NewReader(file), -1, DefaultLimits())
	require.Equal(t, services.KindInternal, services.KindOf(err))
}
