package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// alacConfigBytes is the size of the description of a stream of Apple Lossless.
	alacConfigBytes = 24
	// maxALACFrames is the maximum number of frames of a packet. Encoders use 4096.
	maxALACFrames = 1 << 14
	// maxALACPacket is the maximum size of a packet: one that is not compressed.
	maxALACPacket = maxALACFrames*maxSurround*4 + 1<<10
)

// alacCoding implements coding for Apple Lossless, as documented by Apple's "ALAC Magic
// Cookie Description" and its open reference decoder.
type alacCoding struct {
	frames   int // of a packet, except a shorter one
	bits     int
	channels int
	// Parameters of the adaptive Golomb code: the rate of adaptation, the initial mean
	// and the maximum number of bits of a remainder.
	adapt, mean, most int
}

// alacElements are the elements of a packet by the number of channels: 1 or 2 channels
// each. alacOrder are the positions of their channels in a WAV file.
var (
	alacElements = [maxSurround][]int{{1}, {2}, {1, 2}, {1, 2, 1}, {1, 2, 2}, {1, 2, 2, 1}, {1, 2, 2, 1, 1}, {1, 2, 2, 2, 1}}
	alacOrder    = [maxSurround][]int{
		{0}, {0, 1}, {2, 0, 1}, {2, 0, 1, 3}, {2, 0, 1, 3, 4}, {2, 0, 1, 4, 5, 3}, {2, 0, 1, 4, 5, 6, 3}, {2, 6, 7, 0, 1, 4, 5, 3},
	}
)

// parseALACConfig parses the description of a stream.
func parseALACConfig(raw []byte) (*streamHead, error) {
	if len(raw) < alacConfigBytes {
		return nil, services.Invalidf(field, "has a damaged ALAC header")
	}
	be := binary.BigEndian
	c := alacCoding{
		frames: int(min(be.Uint32(raw), maxALACFrames+1)), bits: int(raw[5]), adapt: int(raw[6]), mean: int(raw[7]), most: int(raw[8]),
		channels: int(raw[9]),
	}
	rate := be.Uint32(raw[20:])
	switch {
	case raw[4] != 0 || c.channels > maxSurround || c.frames > maxALACFrames:
		return nil, unsupported("is ALAC of version %d, %d channels and %d frames per packet", raw[4], c.channels, be.Uint32(raw))
	case c.bits != 16 && c.bits != 20 && c.bits != 24 && c.bits != 32:
		return nil, unsupported("is ALAC of %d bits", c.bits)
	case c.channels == 0 || c.frames == 0 || c.most == 0 || c.most > 24 || rate == 0 || rate > 1<<30:
		return nil, services.Invalidf(field, "has a damaged ALAC header")
	}
	return &streamHead{
		codec: "alac", rate: int(rate), channels: c.channels, bits: c.bits, gain: 1, order: inOrder(c.channels), coding: c,
	}, nil
}

// counter implements coding. The number of samples is that of the first element.
func (c alacCoding) counter() func([]byte) (int, bool) {
	return func(packet []byte) (int, bool) {
		b := bitReader{data: packet}
		kind := b.bits(3)
		for kind == alacData || kind == alacFill {
			if skipALAC(&b, kind); b.at >= 8*len(packet) {
				return 0, false
			}
			kind = b.bits(3)
		}
		if kind == alacEnd {
			return 0, false
		}
		head, err := c.readHead(&b)
		return head.frames, err == nil
	}
}

// limits implements coding.
func (c alacCoding) limits() (int, int) { return maxALACPacket, c.frames }

// decoder implements coding.
func (c alacCoding) decoder(int) (packetDecoder, error) {
	d := &alacDecoder{alacCoding: c}
	for i := range d.levels {
		d.levels[i] = make([]int32, c.frames)
	}
	d.residual, d.low = make([]int32, c.frames), make([]int32, 2*c.frames)
	return d, nil
}

// Kinds of elements.
const (
	alacSingle = 0
	alacPair   = 1
	alacLow    = 3 // a channel of low frequencies
	alacData   = 4
	alacFill   = 6
	alacEnd    = 7
)

var errALAC = errors.New("alac: an invalid packet")

// alacDecoder decodes packets. Its blocks are reused.
type alacDecoder struct {
	alacCoding
	levels   [2][]int32 // of the channels of an element
	residual []int32
	low      []int32 // lower bits of samples that were split
}

// Close implements packetDecoder.
func (d *alacDecoder) Close() error { return nil }

// Decode implements packetDecoder.
func (d *alacDecoder) Decode(packet []byte, dst []float32) (int, error) {
	b := bitReader{data: packet}
	next, frames := 0, 0 // channel, length of the elements
	elements := alacElements[d.channels-1]
	for len(elements) > 0 {
		switch kind := b.bits(3); kind {
		case alacSingle, alacLow, alacPair:
			width := 1
			if kind == alacPair {
				width = 2
			}
			if width != elements[0] {
				return 0, fmt.Errorf("%w: %d channels instead of %d", errALAC, width, elements[0])
			}
			n, err := d.element(&b, width)
			if err != nil {
				return 0, err
			}
			if next > 0 && n != frames || n*d.channels > len(dst) {
				return 0, fmt.Errorf("%w: an element of %d frames", errALAC, n)
			}
			frames, elements = n, elements[1:]
			d.write(dst, next, width, n)
			next += width
		case alacData, alacFill:
			skipALAC(&b, kind)
		default:
			return 0, fmt.Errorf("%w: element %d", errALAC, kind)
		}
		if b.at > 8*len(packet) {
			return 0, fmt.Errorf("%w: it is too short", errALAC)
		}
	}
	return frames, nil
}

// write converts the samples of an element to their channels.
func (d *alacDecoder) write(dst []float32, next, width, frames int) {
	scale := 1 / float32(int64(1)<<(d.bits-1))
	for c := range width {
		at := alacOrder[d.channels-1][next+c]
		for i, level := range d.levels[c][:frames] {
			dst[i*d.channels+at] = float32(level) * scale
		}
	}
}

// skipALAC passes over an element without sound.
func skipALAC(b *bitReader, kind int) {
	if kind == alacData {
		b.bits(4)
		align := b.bits(1) == 1
		size := b.bits(8)
		if size == 255 {
			size += b.bits(8)
		}
		if align {
			b.at = (b.at + 7) &^ 7
		}
		b.at += 8 * size
		return
	}
	size := b.bits(4)
	if size == 15 {
		size += b.bits(8) - 1
	}
	b.at += 8 * size
}
