package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/pion/opus"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// opusRateHz is what Opus is decoded at, whatever went in.
	opusRateHz = 48000
	// maxOpusPacket in samples: 120 ms.
	maxOpusPacket = 5760
	// maxOpusPacketBytes of 48 frames of 1275 bytes and their lengths.
	maxOpusPacketBytes = 64 << 10
)

// opusHead is the identification header, RFC 7845 section 5.1.
type opusHead struct {
	channels int
	preSkip  int     // samples to drop from the beginning
	gain     float32 // to multiply with
}

// parseOpusHead refuses what a pair of channels cannot hold: more need a
// mapping of several streams.
func parseOpusHead(raw []byte) (opusHead, error) {
	if len(raw) < 19 || string(raw[:8]) != "OpusHead" {
		return opusHead{}, services.Invalidf(field, "has a damaged Opus header")
	}
	if raw[8]>>4 != 0 {
		return opusHead{}, unsupported("is Opus of the unknown version %d", raw[8])
	}
	h := opusHead{channels: int(raw[9]), preSkip: int(binary.LittleEndian.Uint16(raw[10:12]))}
	decibels := float64(int16(binary.LittleEndian.Uint16(raw[16:18]))) / 256
	h.gain = float32(math.Pow(10, decibels/20))
	if family := raw[18]; h.channels < 1 || h.channels > 2 || family > 1 ||
		(family == 1 && (len(raw) < 21 || raw[19] != 1 || int(raw[20]) != h.channels-1)) {
		return opusHead{}, unsupported("is Opus of %d channels in mapping family %d; at most 2 in one stream are decoded", h.channels, family)
	}
	return h, nil
}

// opusSamples of one channel in a packet at 48 kHz, from its first bytes, RFC
// 6716 section 3.1. 0 where the packet breaks the rules.
func opusSamples(packet []byte) int {
	if len(packet) == 0 {
		return 0
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
			return 0
		}
		count = int(packet[1] & 63)
	}
	if frame*count > maxOpusPacket {
		return 0
	}
	return frame * count
}

// opusPackets is a container of Opus: one stream behind another, of which most
// files have one.
type opusPackets interface {
	// link goes to the next stream, the first time to the first, and returns
	// io.EOF where there is none.
	link() (opusHead, error)
	// next returns a packet, valid until the next call, and io.EOF after the last
	// of a stream.
	next() ([]byte, error)
	// trim is how many samples of the last packet are no sound; known after it.
	trim() int64
	source() *source
}

// maxOpusLinks of one file.
const maxOpusLinks = 10000

// opusLink is one stream, read through.
type opusLink struct {
	head   opusHead
	frames int64
}

// opusDecoder decodes the packets of a container.
type opusDecoder struct {
	packets  opusPackets
	links    []opusLink // which are still to come
	channels int
	gain     float32
	begun    bool // a link is being read
	decoder  opus.Decoder
	pcm      []float32 // decoded, of which rest is not handed out yet
	rest     []float32
	skip     int   // frames still to be dropped
	left     int64 // frames of the link that are still to come
	done     int64
}

// newOpusFile reads through a container for the frames of sound in it, and
// opens it once more to decode them. Streams of one channel and of two become
// two channels.
func newOpusFile(container string, open func(*report) (opusPackets, error), notes *report) (decoder, Format, error) {
	packets, err := open(notes)
	if err != nil {
		return nil, Format{}, err
	}
	d := new(opusDecoder)
	format := Format{Container: container, Encoding: "opus", SampleRateHz: opusRateHz}
	if d.links, err = countOpus(packets); err != nil {
		return nil, Format{}, err
	}
	for _, link := range d.links {
		d.channels = max(d.channels, link.head.channels)
		format.Frames += link.frames
	}
	format.Channels = d.channels
	d.pcm = make([]float32, maxOpusPacket*d.channels)
	if d.packets, err = open(new(report)); err != nil {
		return nil, Format{}, err
	}
	return d, format, nil
}

// countOpus reads through a container.
func countOpus(packets opusPackets) ([]opusLink, error) {
	var links []opusLink
	var total int64
	for {
		head, err := packets.link()
		if errors.Is(err, io.EOF) && packets.source().under.err == nil {
			return links, nil
		}
		if err == nil && len(links) == maxOpusLinks {
			err = services.Invalidf(field, "has more than %d streams of sound one behind another", maxOpusLinks)
		}
		if err != nil {
			return nil, packets.source().fault(err, float64(total)/opusRateHz)
		}
		var samples int64
		for {
			packet, err := packets.next()
			if errors.Is(err, io.EOF) && packets.source().under.err == nil {
				break
			}
			if err != nil {
				return nil, packets.source().fault(err, float64(total+samples)/opusRateHz)
			}
			samples += int64(opusSamples(packet))
		}
		frames := max(0, samples-int64(head.preSkip)-packets.trim())
		links = append(links, opusLink{head, frames})
		total += frames
	}
}

// nextLink begins a stream with a fresh decoder, behind what is no sound of the
// one before.
func (d *opusDecoder) nextLink() error {
	for d.begun {
		if _, err := d.packets.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	d.begun = true
	head, err := d.packets.link()
	if err != nil {
		return err
	}
	if d.decoder, err = opus.NewDecoderWithOutput(opusRateHz, d.channels); err != nil {
		return services.Internal(err, "the Opus decoder did not start")
	}
	d.skip, d.gain, d.left = head.preSkip, head.gain, d.links[0].frames
	d.links = d.links[1:]
	return nil
}

// read implements decoder.
func (d *opusDecoder) read(dst []float32) (int, error) {
	for len(d.rest) == 0 {
		step := d.packet
		if d.left == 0 {
			if len(d.links) == 0 {
				return 0, io.EOF
			}
			step = d.nextLink
		}
		if err := step(); err != nil {
			return 0, d.packets.source().fault(err, float64(d.done)/opusRateHz)
		}
	}
	channels := d.channels
	n := int(min(int64(len(dst)/channels), int64(len(d.rest)/channels), d.left))
	for i, x := range d.rest[:n*channels] {
		dst[i] = x * d.gain
	}
	d.rest = d.rest[n*channels:]
	d.done += int64(n)
	if d.left -= int64(n); d.left == 0 {
		d.rest = nil
	}
	return n, nil
}

// packet decodes the next one.
func (d *opusDecoder) packet() error {
	packet, err := d.packets.next()
	if err != nil {
		return err
	}
	expected := opusSamples(packet)
	if expected == 0 { // a gap in a live recording: nothing was announced, nothing is played
		return nil
	}
	n, err := d.decoder.DecodeToFloat32(packet, d.pcm)
	if err != nil {
		return fmt.Errorf("opus: %w", err)
	}
	for _, x := range d.pcm[:n*d.channels] {
		if !isUsable(float64(x)) {
			return errors.New("opus: a sample that is no number")
		}
	}
	drop := min(d.skip, n)
	d.skip -= drop
	d.rest = d.pcm[drop*d.channels : n*d.channels]
	return nil
}
