package audiofile

import (
	"encoding/binary"
	"math/bits"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile/xiph"
)

// vorbisMark is the length of the mark of a header: its type and "vorbis".
const vorbisMark = 7

// maxSurround is the maximum number of channels whose order Vorbis and Opus define.
const maxSurround = 8

// vorbisHead is the part of the headers that decoding needs.
type vorbisHead struct {
	identification, setup []byte
	blocks                [2]int // sizes of short and long blocks
	long                  []bool // of each mode
}

// parseVorbisHead parses the first and the third header, Vorbis I section 4.2.
func parseVorbisHead(identification, setup []byte) (*streamHead, error) {
	raw := identification
	if len(raw) < 30 || string(raw[:vorbisMark]) != "\x01vorbis" {
		return nil, services.Invalidf(field, "has a damaged Vorbis header")
	}
	if version := binary.LittleEndian.Uint32(raw[7:]); version != 0 {
		return nil, unsupported("is Vorbis of the unknown version %d", version)
	}
	channels, rate := int(raw[11]), binary.LittleEndian.Uint32(raw[12:])
	if channels > maxSurround {
		return nil, unsupported("is Vorbis of %d channels; at most %d are decoded", channels, maxSurround)
	}
	short, long := raw[28]&15, raw[28]>>4
	if channels == 0 || rate == 0 || rate > 1<<30 || short < 6 || long < short || long > 13 || raw[29]&1 == 0 {
		return nil, services.Invalidf(field, "has a damaged Vorbis header")
	}
	modes, err := parseVorbisSetup(setup, channels)
	if err != nil {
		damaged := services.Invalidf(field, "has a damaged Vorbis header")
		damaged.Err = err
		return nil, damaged
	}
	return &streamHead{
		codec: "vorbis", rate: int(rate), channels: channels, gain: 1, order: surroundOrder(channels),
		coding: &vorbisHead{append([]byte(nil), identification...), append([]byte(nil), setup...), [2]int{1 << short, 1 << long}, modes},
	}, nil
}

// counter returns a function that returns the number of samples per channel that a
// packet completes, and whether it is sound. It is called once for each packet.
func (h *vorbisHead) counter() func([]byte) (int, bool) {
	previous := 0
	width := bits.Len(uint(len(h.long) - 1))
	return func(packet []byte) (int, bool) {
		r := lowBits{raw: packet}
		if r.flag() || r.over {
			return 0, false
		}
		mode := int(r.read(width))
		if r.over || mode >= len(h.long) {
			return 0, false
		}
		size := h.blocks[0]
		if h.long[mode] {
			size = h.blocks[1]
		}
		samples := 0
		if previous > 0 {
			samples = (previous + size) / 4
		}
		previous = size
		return samples, true
	}
}

// limits implements coding.
func (h *vorbisHead) limits() (int, int) { return maxPacketBytes, xiph.MaxVorbisPacket }

// decoder returns a new decoder.
func (h *vorbisHead) decoder(channels int) (packetDecoder, error) {
	return xiph.NewVorbis(h.identification, h.setup, channels)
}

// surroundOrder returns for each channel of a WAV file its number in Vorbis and Opus.
func surroundOrder(channels int) []int {
	return [maxSurround][]int{
		{0}, {0, 1}, {0, 2, 1}, {0, 1, 2, 3}, {0, 2, 1, 3, 4}, {0, 2, 1, 5, 3, 4}, {0, 2, 1, 6, 5, 3, 4}, {0, 2, 1, 7, 5, 6, 3, 4},
	}[channels-1]
}
