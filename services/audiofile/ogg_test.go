package audiofile

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// pageOf is a page of whole packets without a checksum, which is not verified.
func pageOf(flags byte, granule int64, serial uint32, packets ...[]byte) []byte {
	var table, body []byte
	for _, p := range packets {
		for n := len(p); ; n -= 255 {
			table = append(table, byte(min(n, 255)))
			if n < 255 {
				break
			}
		}
		body = append(body, p...)
	}
	page := cat([]byte("OggS\x00"), []byte{flags}, le64(uint64(granule)), le32(int(serial)), make([]byte, 8), []byte{byte(len(table))})
	return cat(page, table, body)
}

// TestOggStreams has cases missing from the clips: another stream between the pages, a
// recording joined late, a truncated end.
func TestOggStreams(t *testing.T) {
	t.Parallel()
	head := []byte("OpusHead\x01\x01\x00\x01\x80\xbb\x00\x00\x00\x00\x00") // 256 samples to skip
	tags := []byte("OpusTags\x00\x00\x00\x00\x00\x00\x00\x00")
	quiet := []byte{0xfc, 0xff, 0xfe} // 20 ms
	other := pageOf(oggFirst, 0, 9, []byte("\x01video"))
	file := cat(other, pageOf(oggFirst, 0, 7, head), pageOf(0, 0, 7, tags), pageOf(0, 5, 9, []byte("picture")),
		pageOf(0, 48000+1920, 7, quiet, quiet), pageOf(oggLast, 48000+2500, 7, quiet))
	reader, err := openBytes(file)
	require.NoError(t, err)
	require.Equal(t, Format{"ogg", "opus", 48000, 1, 0, 2500 - 256, false}, reader.Format())
	require.Len(t, readAll(t, reader), 2500-256)

	_, err = openBytes(cat(pageOf(oggFirst, 0, 7, head), pageOf(0, 0, 7, quiet)))
	requireFault(t, err, services.KindInvalid, "without its second header")
	head[9] = 3
	_, err = openBytes(cat(pageOf(oggFirst, 0, 7, head), pageOf(0, 0, 7, tags)))
	requireFault(t, err, services.KindUnsupported, "Opus of 3 channels in mapping family 0")
	_, err = openBytes(cat(other, pageOf(0, 0, 9, quiet)))
	requireFault(t, err, services.KindUnsupported, "an Ogg file without Opus, Vorbis and FLAC")
}

func TestOpusPacketDurations(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		packet []byte
		want   int
	}{
		{nil, 0},
		{[]byte{0 << 3}, 480},
		{[]byte{3 << 3}, 2880},
		{[]byte{12<<3 | 1}, 960},
		{[]byte{16 << 3}, 120},
		{[]byte{31 << 3}, 960},
		{[]byte{31<<3 | 2}, 1920},
		{[]byte{31<<3 | 3}, 0},
		{[]byte{31<<3 | 3, 6}, 5760},
		{[]byte{31<<3 | 3, 7}, 0},
	} {
		samples, sound := countOpus(test.packet)
		require.Equal(t, test.want, samples, "%x", test.packet)
		require.Equal(t, test.want > 0, sound, "%x", test.packet)
	}
}

func TestLacing(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte{7}, 300)
	for name, test := range map[string]struct {
		lacing byte
		body   []byte
		want   [][]byte
	}{
		"none":  {0, []byte{1, 2}, [][]byte{{1, 2}}},
		"Xiph":  {1, cat([]byte{2, 255, 45, 1}, long, []byte{1}, []byte{2, 3}), [][]byte{long, {1}, {2, 3}}},
		"fixed": {2, []byte{1, 1, 2, 3, 4}, [][]byte{{1, 2}, {3, 4}}},
		// 300 in two bytes, then a difference of -298, in two bytes around 8191.
		"EBML": {3, cat([]byte{2, 0x41, 0x2c, 0x5e, 0xd5}, long, []byte{1, 2}, []byte{9}), [][]byte{long, {1, 2}, {9}}},
	} {
		got, err := unlace(test.body, test.lacing)
		require.NoError(t, err, name)
		require.Equal(t, test.want, got, name)
	}
	for _, body := range [][]byte{nil, {1, 255}, {1, 9, 1, 1, 1, 1}} {
		for lacing := byte(1); lacing < 4; lacing++ {
			_, err := unlace(body, lacing)
			require.ErrorIs(t, err, errLacing, "lacing %d of %v", lacing, body)
		}
	}
	// A size that is only stated.
	_, err := unlace(cat([]byte{1}, binary.BigEndian.AppendUint64(nil, 1<<56|1<<40)), 3)
	require.ErrorIs(t, err, errLacing)
}
