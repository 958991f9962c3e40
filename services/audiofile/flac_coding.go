package audiofile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/mewkiz/flac/frame"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// flacInfoBytes is the size of the first block of metadata, RFC 9639 section 8.2.
	flacInfoBytes = 34
	// maxFLACPacket is the maximum size of a block of FLAC in another container: one of
	// 8 channels and 24 bits that is not compressed, and its headers.
	maxFLACPacket = 65535*8*3 + 1<<10
)

// flacCoding implements coding for the blocks of FLAC in Ogg, MP4, Matroska and CAF.
type flacCoding struct{ channels, bits, rate int }

// parseFLACInfo parses the first block of metadata without its header.
func parseFLACInfo(raw []byte) (*streamHead, error) {
	if len(raw) < flacInfoBytes {
		return nil, services.Invalidf(field, "has a damaged FLAC header")
	}
	word := binary.BigEndian.Uint64(raw[10:])
	info := flacCoding{rate: int(word >> 44), channels: int(word>>41&7) + 1, bits: int(word>>36&31) + 1}
	switch {
	case info.bits > maxFLACBits:
		return nil, unsupported("is FLAC of %d bits, more than %d", info.bits, maxFLACBits)
	case info.rate == 0 || info.bits < 4:
		return nil, services.Invalidf(field, "has a FLAC header with %d Hz and %d bits", info.rate, info.bits)
	}
	return &streamHead{
		codec: "flac", rate: info.rate, channels: info.channels, bits: info.bits, gain: 1, order: inOrder(info.channels), coding: info,
	}, nil
}

// counter implements coding. Blocks of metadata are no sound.
func (c flacCoding) counter() func([]byte) (int, bool) { return countFLAC }

// countFLAC returns the number of samples per channel of a block, from its header.
func countFLAC(packet []byte) (int, bool) {
	const least = 6
	if len(packet) < least || packet[0] != 0xff || packet[1]&0xfe != 0xf8 {
		return 0, false
	}
	number := max(1, bits.LeadingZeros8(^packet[4])) // of bytes, as in UTF-8
	rest := packet[min(4+number, len(packet)):]
	switch code := packet[2] >> 4; {
	case code == 1:
		return 192, true
	case code >= 2 && code <= 5:
		return 576 << (code - 2), true
	case code == 6 && len(rest) >= 1:
		return int(rest[0]) + 1, true
	case code == 7 && len(rest) >= 2:
		return int(binary.BigEndian.Uint16(rest)) + 1, true
	case code >= 8:
		return 256 << (code - 8), true
	}
	return 0, false
}

// limits implements coding.
func (c flacCoding) limits() (int, int) { return maxFLACPacket, 1 << 16 }

// decoder implements coding.
func (c flacCoding) decoder(int) (packetDecoder, error) { return c, nil }

// Close implements packetDecoder.
func (c flacCoding) Close() error { return nil }

// Decode implements packetDecoder.
func (c flacCoding) Decode(packet []byte, dst []float32) (int, error) {
	block, err := frame.New(bytes.NewReader(packet))
	if err != nil {
		return 0, unexpected(err)
	}
	if err := c.parse(block); err != nil {
		return 0, err
	}
	n := int(block.BlockSize)
	if n*c.channels > len(dst) {
		return 0, fmt.Errorf("a block of %d samples", n)
	}
	c.interleave(dst, block, 0, n)
	return n, nil
}

// parse decodes a block whose header was read, and compares it with the stream's.
func (c flacCoding) parse(block *frame.Frame) error {
	if block.BitsPerSample == 0 { // as in the header of the stream
		block.BitsPerSample = uint8(c.bits)
	}
	if block.Channels.Count() != c.channels || int(block.BitsPerSample) != c.bits ||
		(block.SampleRate != 0 && int(block.SampleRate) != c.rate) {
		return fmt.Errorf("a block of %d channels, %d bits, %d Hz", block.Channels.Count(), block.BitsPerSample, block.SampleRate)
	}
	if err := block.Parse(); err != nil {
		return unexpected(err)
	}
	for _, subframe := range block.Subframes {
		if len(subframe.Samples) < int(block.BlockSize) {
			return fmt.Errorf("a channel of %d samples in a block of %d", len(subframe.Samples), block.BlockSize)
		}
	}
	return nil
}

// interleave writes n frames of a block, from the given one on.
func (c flacCoding) interleave(dst []float32, block *frame.Frame, from, n int) {
	scale := 1 / float32(int64(1)<<(c.bits-1))
	for channel, subframe := range block.Subframes {
		for i, level := range subframe.Samples[from : from+n] {
			dst[i*c.channels+channel] = float32(level) * scale
		}
	}
}
