package e2e

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recording returns the bytes of a recording by its name in a list of requests.
func recording(t testing.TB, name string) []byte {
	t.Helper()
	switch name {
	case "empty":
		return []byte{}
	case "words":
		return []byte("hello, this is not audio\n")
	case "archive":
		return append([]byte("PK\x03\x04"), make([]byte, 4000)...)
	case "cut":
		speech := recording(t, "speech")
		return speech[:len(speech)/2]
	case "silence":
		silence := recording(t, "speech")
		clear(silence[44:])
		return silence
	case "no-number":
		broken := wav(16000, 1, 16000)
		return append(broken[:len(broken)-4], 0, 0, 0xc0, 0x7f)
	case "patterns":
		audio := base64.StdEncoding.EncodeToString(recording(t, "speech"))
		return []byte(`{"schema":1,"type":"pattern","name":"nine"}` + "\n" + `{"type":"example","end":0.9,"audio":"` + audio + `"}` + "\n")
	case "tone":
		return tone(48000, 2, 48000/2)
	case "thirty-one":
		return tone(16000, 1, 31*16000)
	case "speech":
		return read(t, "models/wav2vec2-tiny/clips/clip09.wav")
	case "sound":
		return read(t, "models/gama-tiny/clips/clip00.wav")
	}
	if strings.HasPrefix(name, "speech.") || strings.HasPrefix(name, "speech-") {
		return read(t, "services/audiofile/testdata/"+name)
	}
	t.Fatalf("there is no recording %q", name)
	return nil
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	require.NoError(t, err)
	return data
}

// tone returns a quiet tone as 16-bit WAV.
func tone(rate, channels, frames int) []byte {
	size := frames * channels * 2
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(36+size))
	b = binary.LittleEndian.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*2))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*2))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), uint32(size))
	for i := range frames {
		v := int16(math.Round(3000 * math.Sin(2*math.Pi*440*float64(i)/float64(rate))))
		for range channels {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
	}
	return b
}
