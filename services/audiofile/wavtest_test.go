package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// Parts from which WAV files are built byte by byte following the format's definition,
// so that the tests do not depend on an encoder.

func le16(v int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(v)) }
func le32(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
func le64(v uint64) []byte {
	return binary.LittleEndian.AppendUint64(nil, v)
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// claim is a chunk with a given size field.
func claim(id string, size int, body []byte) []byte { return cat([]byte(id), le32(size), body) }

// chunk is a valid chunk, padded to an even size.
func chunk(id string, body []byte) []byte {
	return cat(claim(id, len(body), body), make([]byte, len(body)%2))
}

// riff is a file of chunks with the correct size.
func riff(chunks ...[]byte) []byte {
	body := cat(chunks...)
	return cat([]byte("RIFF"), le32(4+len(body)), []byte("WAVE"), body)
}

// formatBody is the plain layout of 16 bytes.
func formatBody(tag, channels, rate, bits int) []byte {
	block := channels * ((bits + 7) / 8)
	return cat(le16(tag), le16(channels), le32(rate), le32(rate*block), le16(block), le16(bits))
}

func formatChunk(tag, channels, rate, bits int) []byte {
	return chunk("fmt ", formatBody(tag, channels, rate, bits))
}

// extensibleChunk is the layout of 40 bytes with the subformat of a format tag.
func extensibleChunk(tag, channels, rate, bits, validBits int) []byte {
	guid := cat(le16(tag), []byte{0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71})
	return chunk("fmt ", cat(formatBody(0xfffe, channels, rate, bits), le16(22), le16(validBits), le32(0), guid))
}

// pcm16 returns the levels as mono 16-bit sound at 16 kHz.
func pcm16(levels ...int) []byte {
	var data []byte
	for _, v := range levels {
		data = append(data, le16(v)...)
	}
	return data
}

// mono16 is a whole file of the levels.
func mono16(levels ...int) []byte {
	return riff(formatChunk(1, 1, 16000, 16), chunk("data", pcm16(levels...)))
}

// openBytes opens a file with the default limits.
func openBytes(file []byte) (*Reader, error) {
	return open(bytes.NewReader(file), int64(len(file)), DefaultLimits())
}

// decode reads a whole valid file in one call.
func decode(t *testing.T, file []byte) (Format, []float32) {
	t.Helper()
	reader, err := openBytes(file)
	require.NoError(t, err)
	format := reader.Format()
	dst := make([]float32, (int(format.Frames)+3)*format.Channels)
	n, err := reader.ReadFrames(dst)
	require.NoError(t, err)
	require.EqualValues(t, format.Frames, n)
	again, err := reader.ReadFrames(dst)
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, again)
	return format, dst[:n*format.Channels]
}

// requireFault checks kind, field and text, and that the text reads as one
// about the file.
func requireFault(t *testing.T, err error, kind services.Kind, texts ...string) {
	t.Helper()
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, kind, fault.Kind, fault.Detail())
	require.NotEmpty(t, fault.Fields)
	for _, f := range fault.Fields {
		require.Equal(t, "file", f.Field)
		require.NotRegexp(t, brokenFormat, f.Problem)
	}
	for _, text := range texts {
		require.Contains(t, fault.Detail(), text)
	}
	if kind == services.KindUnsupported {
		require.Contains(t, fault.Detail(), "accepted: WAV, AIFF, AU, CAF and Wave64 with PCM, float, A-law or mu-law")
	}
}

// openTestdata opens one of the external reference files. It skips the test if they are
// not available.
func openTestdata(t *testing.T, path ...string) *Reader {
	t.Helper()
	root := os.Getenv("GRYM_TESTDATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	file, err := os.Open(filepath.Join(append([]string{root, "testdata"}, path...)...))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no reference file %s; set GRYM_TESTDATA to the folder that holds testdata", filepath.Join(path...))
	}
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	require.NoError(t, err)
	reader, err := Open(file, info.Size(), DefaultLimits())
	require.NoError(t, err)
	return reader
}
