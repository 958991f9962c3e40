package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// oggHeaderBytes of a page before its segment table.
const oggHeaderBytes = 27

// Flags of a page.
const (
	oggContinued = 1 << iota
	oggFirst
	oggLast
)

// oggPackets reads the packets of the first Opus stream in an Ogg file, RFC
// 3533. Other streams are passed over.
type oggPackets struct {
	src    *source
	serial uint32
	opened bool // the serial is known
	ended  bool

	flags    byte
	granule  int64
	segments []byte // of the page, not read yet
	packet   []byte

	samples int64 // of the packets so far
	start   int64 // of the first page, where the recording was joined late
	paged   bool  // start is known
	cut     int64 // what trim gives
}

func newOggDecoder(f file) (decoder, Format, error) {
	packets, head, err := openOgg(f)
	if err != nil {
		return nil, Format{}, err
	}
	frames, err := countOpus(packets, head)
	if err != nil {
		return nil, Format{}, err
	}
	if packets, _, err = openOgg(f); err != nil {
		return nil, Format{}, err
	}
	d, err := newOpusDecoder(packets, head, frames)
	return d, Format{Container: "ogg", Encoding: "opus", SampleRateHz: opusRateHz, Channels: head.channels, Frames: frames}, err
}

// openOgg reads both header packets.
func openOgg(f file) (*oggPackets, opusHead, error) {
	src, err := openSource(f.r, f.begin)
	if err != nil {
		return nil, opusHead{}, err
	}
	p := &oggPackets{src: src}
	raw, err := p.next()
	if err != nil {
		return nil, opusHead{}, src.headerFault(err, "an Ogg file")
	}
	head, err := parseOpusHead(raw)
	if err != nil {
		return nil, opusHead{}, err
	}
	if raw, err = p.skipTags(); err != nil {
		return nil, opusHead{}, src.headerFault(err, "an Ogg Opus file")
	}
	if len(raw) < 8 || string(raw[:8]) != "OpusTags" {
		return nil, opusHead{}, services.Invalidf(field, "is an Ogg Opus file without its second header (OpusTags)")
	}
	p.samples = 0
	return p, head, nil
}

// skipTags gives the beginning of the second packet, which may hold a picture
// of any size.
func (p *oggPackets) skipTags() ([]byte, error) { return p.read(8) }

func (p *oggPackets) source() *source { return p.src }
func (p *oggPackets) trim() int64     { return p.cut }

// next implements opusPackets.
func (p *oggPackets) next() ([]byte, error) {
	packet, err := p.read(maxOpusPacketBytes)
	if err == nil && len(packet) == maxOpusPacketBytes {
		err = fmt.Errorf("a packet of more than %d bytes", maxOpusPacketBytes-1)
	}
	if err != nil {
		return nil, err
	}
	if string(packet[:min(8, len(packet))]) != "OpusHead" {
		p.samples += int64(opusSamples(packet))
	}
	return packet, nil
}

// read gives the next packet, of which it keeps so many bytes.
func (p *oggPackets) read(keep int) ([]byte, error) {
	p.packet = p.packet[:0]
	for {
		for len(p.segments) > 0 {
			n := int(p.segments[0])
			p.segments = p.segments[1:]
			kept := min(n, keep-len(p.packet))
			at := len(p.packet)
			p.packet = append(p.packet, make([]byte, kept)...)
			if _, err := io.ReadFull(p.src, p.packet[at:]); err != nil {
				return nil, unexpected(err)
			}
			if _, err := p.src.Discard(n - kept); err != nil {
				return nil, unexpected(err)
			}
			if n < 255 {
				return p.packet, nil
			}
		}
		p.settle()
		if p.ended {
			return nil, io.EOF
		}
		if err := p.page(); err != nil {
			return nil, err
		}
	}
}

// settle compares a finished page's position with the samples up to there.
// That of the last page says how much of the last packet is sound.
func (p *oggPackets) settle() {
	if p.granule <= 0 || p.samples == 0 {
		return
	}
	if !p.paged {
		p.paged = true
		if p.flags&oggLast == 0 {
			p.start = max(0, p.granule-p.samples)
		}
	}
	p.cut = 0
	if over := p.start + p.samples - p.granule; p.flags&oggLast != 0 && over > 0 && over <= p.samples {
		p.cut = over
	}
}

// page reads the header of our next page.
func (p *oggPackets) page() error {
	for {
		var header [oggHeaderBytes]byte
		if _, err := io.ReadFull(p.src, header[:]); err != nil {
			if errors.Is(err, io.EOF) && len(p.packet) > 0 {
				return io.ErrUnexpectedEOF // within a packet
			}
			return err
		}
		if string(header[:4]) != "OggS" || header[4] != 0 {
			return errors.New("no Ogg page where one should be")
		}
		serial := binary.LittleEndian.Uint32(header[14:18])
		segments := make([]byte, header[26])
		if _, err := io.ReadFull(p.src, segments); err != nil {
			return unexpected(err)
		}
		bytes := 0
		for _, n := range segments {
			bytes += int(n)
		}
		if !p.opened {
			if header[5]&oggFirst == 0 {
				return unsupported("is an Ogg file without Opus")
			}
			if raw, err := p.src.Peek(min(bytes, 8)); err != nil {
				return unexpected(err)
			} else if string(raw) == "OpusHead" {
				p.opened, p.serial = true, serial
			}
		}
		if p.opened && serial == p.serial {
			p.flags, p.granule, p.segments = header[5], int64(binary.LittleEndian.Uint64(header[6:14])), segments
			p.ended = p.flags&oggLast != 0
			if p.flags&oggContinued == 0 && len(p.packet) > 0 {
				return errors.New("the end of a packet is missing")
			}
			return nil
		}
		if _, err := p.src.Discard(bytes); err != nil {
			return unexpected(err)
		}
	}
}

// unexpected makes an end of the file one in the middle.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
