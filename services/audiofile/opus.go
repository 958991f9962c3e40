package audiofile

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile/xiph"
)

// parseOpusHead parses the identification header, RFC 7845 section 5.1. Ambisonics are
// unsupported.
func parseOpusHead(raw []byte) (*streamHead, error) {
	if len(raw) < 19 || string(raw[:8]) != "OpusHead" {
		return nil, services.Invalidf(field, "has a damaged Opus header")
	}
	if raw[8]>>4 != 0 {
		return nil, unsupported("is Opus of the unknown version %d", raw[8])
	}
	decibels := float64(int16(binary.LittleEndian.Uint16(raw[16:18]))) / 256
	var layout xiph.OpusLayout
	h := &streamHead{
		codec: "opus", rate: xiph.OpusRateHz, channels: int(raw[9]), preSkip: int(binary.LittleEndian.Uint16(raw[10:12])),
		gain: float32(math.Pow(10, decibels/20)),
	}
	family := raw[18]
	switch {
	case h.channels < 1 || h.channels > maxSurround || family > 1 && family != 255 || family == 0 && h.channels > 2:
		return nil, unsupported("is Opus of %d channels in mapping family %d; at most 2 in family 0, and 8 in families 1 and 255 are decoded",
			h.channels, family)
	case family == 0:
		layout = xiph.OpusLayout{Streams: 1, Coupled: h.channels - 1, Mapping: []byte{0, 1}[:h.channels]}
	case len(raw) < 21+h.channels:
		return nil, services.Invalidf(field, "has a damaged Opus header")
	default:
		layout = xiph.OpusLayout{Streams: int(raw[19]), Coupled: int(raw[20]), Mapping: slices.Clone(raw[21 : 21+h.channels])}
	}
	if !isOpusLayout(layout) {
		return nil, services.Invalidf(field, "has a damaged Opus header")
	}
	h.coding, h.order = opusCoding{layout}, surroundOrder(h.channels)
	if family == 255 { // no meaning, as they are
		h.order = inOrder(h.channels)
	}
	return h, nil
}

// opusCoding implements coding.
type opusCoding struct{ layout xiph.OpusLayout }

func (c opusCoding) counter() func([]byte) (int, bool)  { return countOpus }
func (c opusCoding) decoder(int) (packetDecoder, error) { return xiph.NewOpus(c.layout) }
func (c opusCoding) limits() (int, int)                 { return maxPacketBytes, xiph.MaxOpusPacket }

// isOpusLayout reports whether every channel is one that is decoded, or silent.
func isOpusLayout(layout xiph.OpusLayout) bool {
	const silent = 255
	decoded := layout.Streams + layout.Coupled
	if layout.Streams < 1 || layout.Coupled > layout.Streams || decoded > silent {
		return false
	}
	for _, index := range layout.Mapping {
		if int(index) >= decoded && index != silent {
			return false
		}
	}
	return true
}

// countOpus returns the number of samples per channel of a packet at 48 kHz, from its
// first bytes, RFC 6716 section 3.1. A gap in a live recording and an invalid packet are
// no sound.
func countOpus(packet []byte) (int, bool) {
	if len(packet) == 0 {
		return 0, false
	}
	var frame int
	switch config := int(packet[0] >> 3); {
	case config < 12:
		frame = [4]int{480, 960, 1920, 2880}[config&3]
	case config < 16:
		frame = [2]int{480, 960}[config&1]
	default:
		frame = [4]int{120, 240, 480, 960}[config&3]
	}
	count := 1
	switch packet[0] & 3 {
	case 1, 2:
		count = 2
	case 3:
		if len(packet) < 2 {
			return 0, false
		}
		count = int(packet[1] & 63)
	}
	if count == 0 || frame*count > xiph.MaxOpusPacket {
		return 0, false
	}
	return frame * count, true
}
