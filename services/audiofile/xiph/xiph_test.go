package xiph

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// mono is the layout of one channel.
var mono = OpusLayout{Streams: 1, Mapping: []byte{0}}

func TestOpusPackets(t *testing.T) {
	t.Parallel()
	require.True(t, Available())
	decoder, err := NewOpus(mono)
	require.NoError(t, err)
	pcm := make([]float32, MaxOpusPacket)
	n, err := decoder.Decode([]byte{0xfc, 0xff, 0xfe}, pcm) // silence of 20 ms
	require.NoError(t, err)
	require.Equal(t, 960, n)
	require.Less(t, slices.Max(pcm[:n]), float32(1e-3))
	for _, packet := range [][]byte{{0xff}, {0x03, 0x3f}, {0xff, 0x41, 0xff}} {
		_, err = decoder.Decode(packet, pcm)
		require.ErrorContains(t, err, "libopus: error -4", "%x", packet)
	}
	_, err = decoder.Decode(make([]byte, MaxOpusPacketBytes+1), pcm)
	require.ErrorContains(t, err, "libopus: a packet of 65537 bytes")
	n, err = decoder.Decode([]byte{0xfc, 0xff, 0xfe}, pcm) // after damaged ones
	require.NoError(t, err)
	require.Equal(t, 960, n)
	require.NoError(t, decoder.Close())
	_, err = decoder.Decode([]byte{0xfc, 0xff, 0xfe}, pcm)
	require.ErrorIs(t, err, errClosed)
	require.NoError(t, decoder.Close(), "twice")
}

// Instances share the program, and nothing else.
func TestInstancesAtOnce(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			decoder, err := NewOpus(OpusLayout{Streams: 2, Coupled: 1, Mapping: []byte{0, 2, 1, 255}})
			if err != nil {
				t.Error(err)
				return
			}
			pcm := make([]float32, 4*MaxOpusPacket)
			for range 20 {
				// A packet of two streams: the first one with its length.
				if n, err := decoder.Decode([]byte{0xfc, 2, 0xff, 0xfe, 0xf8, 0xff, 0xfe}, pcm); err != nil || n != 960 {
					t.Errorf("%d samples, %v", n, err)
				}
			}
			if err := decoder.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestVorbisHeaders(t *testing.T) {
	t.Parallel()
	for _, headers := range [][2]string{
		{"", ""}, {"\x01vorbis", "\x05vorbis"}, {"\x01vorbis\x00\x00\x00\x00\x01\x80\x3e\x00\x00", "\x05vorbis"},
	} {
		_, err := NewVorbis([]byte(headers[0]), []byte(headers[1]), 1)
		require.ErrorIs(t, err, ErrHeaders)
	}
	_, err := NewVorbis(make([]byte, MaxVorbisPacketBytes+1), nil, 1)
	require.ErrorContains(t, err, "a packet of 131073 bytes")
}
