package audiofile

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Tone returns a quiet sine of 220 Hz as a mono 16-bit WAV file in memory, for canary
// tasks.
func Tone(rateHz int, length time.Duration) services.AudioSource {
	frames := int(length.Seconds() * float64(rateHz))
	var b bytes.Buffer
	b.WriteString("RIFF")
	le := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a buffer never fails
		}
	}
	le(uint32(36 + 2*frames))
	b.WriteString("WAVEfmt ")
	le(uint32(16), uint16(1), uint16(1), uint32(rateHz), uint32(2*rateHz), uint16(2), uint16(16))
	b.WriteString("data")
	le(uint32(2 * frames))
	for i := range frames {
		le(int16(0.1 * math.MaxInt16 * math.Sin(2*math.Pi*220*float64(i)/float64(rateHz))))
	}
	return inMemory(b.Bytes())
}

// inMemory is an AudioSource in memory.
type inMemory []byte

// Open implements services.AudioSource.
func (f inMemory) Open() (io.ReadSeekCloser, error) {
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(f), io.NopCloser(nil)}, nil
}

// Size implements services.AudioSource.
func (f inMemory) Size() int64 { return int64(len(f)) }
