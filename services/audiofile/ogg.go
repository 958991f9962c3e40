package audiofile

import (
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// oggPackets reads the packets of the first Opus stream in an Ogg file, RFC
// 3533, and of each further link of a chain. Streams beside it are passed over.
type oggPackets struct {
	pages  oggPages
	notes  *report
	serial uint32
	found  bool // the serial is known
	begun  bool // a page behind the first ones of the link was read
	ended  bool // the link has no more pages
	held   bool // the current page begins a further link
	links  int
	head   opusHead

	flags    byte
	granule  int64
	segments []byte // of the page, not read yet
	body     []byte // of them
	packet   []byte

	samples int64  // of the packets so far
	start   int64  // of the first page, where the recording was joined late
	paged   bool   // start is known
	cut     int64  // what trim returns
	other   string // sound of another kind in the next link
}

func newOggDecoder(f file) (decoder, Format, error) {
	return newOpusFile("ogg", func(notes *report) (opusPackets, error) {
		src, err := openSource(f, oggBuffer)
		if err != nil {
			return nil, err
		}
		return &oggPackets{pages: oggPages{src: src}, notes: notes}, nil
	}, f.notes)
}

func (p *oggPackets) source() *source { return p.pages.src }
func (p *oggPackets) trim() int64     { return p.cut }

// link implements opusPackets: it reads both header packets. Pages that go on
// behind the last one of a stream, without a header, are a link too.
func (p *oggPackets) link() (opusHead, error) {
	p.samples, p.start, p.paged, p.cut = 0, 0, false, 0
	p.flags, p.granule, p.segments, p.body, p.packet = 0, 0, nil, nil, nil
	resumed, err := p.findStream()
	if err != nil {
		if p.links > 0 {
			return opusHead{}, p.end(err)
		}
		return opusHead{}, p.source().headerFault(err, "an Ogg file")
	}
	p.links++
	if resumed {
		p.head.preSkip = 0
		return p.head, nil
	}
	raw, err := p.read(maxOpusPacketBytes)
	if err != nil {
		return opusHead{}, p.source().headerFault(err, "an Ogg Opus file")
	}
	if p.head, err = parseOpusHead(raw); err != nil {
		return opusHead{}, err
	}
	// The second packet may hold a picture of any size.
	if raw, err = p.read(8); err != nil {
		return opusHead{}, p.source().headerFault(err, "an Ogg Opus file")
	}
	if string(raw) != "OpusTags" {
		return opusHead{}, services.Invalidf(field, "is an Ogg Opus file without its second header (OpusTags)")
	}
	p.samples = 0
	return p.head, nil
}

// findStream looks for the first page of an Opus stream, or for a page that
// goes on with the stream before.
func (p *oggPackets) findStream() (resumed bool, err error) {
	before, known := p.serial, p.found
	p.found, p.begun, p.ended, p.other = false, false, false, ""
	for ; ; p.held = false {
		if !p.held {
			if err := p.pages.advance(); err != nil {
				return false, err
			}
		}
		page := &p.pages.page
		switch codec := page.codec(); {
		case page.isFirst() && codec == "Opus":
			p.held, p.found, p.serial = false, true, page.serial
			p.load()
			return false, nil
		case page.isFirst():
			if codec != "" {
				p.other = codec
			}
		case !known:
			return false, unsupported("is an Ogg file without Opus")
		case p.other != "":
			return false, services.Invalidf(field, "goes on as Ogg %s behind its Opus; send the parts as files of their own", p.other)
		case page.serial == before:
			p.found, p.begun, p.serial = true, true, before
			p.load()
			return true, nil
		}
	}
}

// end judges the end of the file.
func (p *oggPackets) end(err error) error {
	switch {
	case !p.source().isEnd(err):
		return err
	case p.pages.next != "":
		return joinedFault(p.pages.next, float64(p.samples)/opusRateHz)
	case errors.Is(err, io.ErrUnexpectedEOF):
		if err := p.notes.truncated("it ends within a page of Ogg"); err != nil {
			return err
		}
	case p.pages.junk > 0:
		p.notes.trailing("has %d bytes behind its sound that are no Ogg, and are not decoded", p.pages.junk)
	}
	return io.EOF
}

// next implements opusPackets.
func (p *oggPackets) next() ([]byte, error) {
	packet, err := p.read(maxOpusPacketBytes)
	if err == nil && len(packet) == maxOpusPacketBytes {
		err = fmt.Errorf("a packet of more than %d bytes", maxOpusPacketBytes-1)
	}
	if err != nil && p.ended {
		return nil, err
	}
	if err != nil {
		return nil, p.end(err)
	}
	p.samples += int64(opusSamples(packet))
	return packet, nil
}

// read returns the next packet of the link, of which it keeps so many bytes.
func (p *oggPackets) read(most int) ([]byte, error) {
	p.packet = p.packet[:0]
	for {
		if p.takeSegments(most) {
			return p.packet, nil
		}
		p.settle()
		if p.ended {
			return nil, io.EOF
		}
		if err := p.turn(); err != nil {
			if p.source().isEnd(err) && len(p.packet) > 0 {
				err = io.ErrUnexpectedEOF // within a packet
			}
			return nil, err
		}
	}
}

// takeSegments adds to the packet what the page has of it, and reports whether
// it is whole.
func (p *oggPackets) takeSegments(most int) bool {
	for len(p.segments) > 0 {
		n := int(p.segments[0])
		part := p.body[:n]
		p.segments, p.body = p.segments[1:], p.body[n:]
		p.packet = append(p.packet, part[:min(n, most-len(p.packet))]...)
		if n < 255 {
			return true
		}
	}
	return false
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

// turn finds our next page. The first page of another stream behind the
// headers begins a further link, and ends this one.
func (p *oggPackets) turn() error {
	for {
		if err := p.pages.advance(); err != nil {
			return err
		}
		page := &p.pages.page
		switch {
		case page.isFirst() && p.begun:
			p.held, p.ended = true, true
			return io.EOF
		case page.isFirst():
			continue
		}
		p.begun = true
		if page.serial != p.serial {
			continue
		}
		if page.flags&oggContinued == 0 && len(p.packet) > 0 {
			p.packet = p.packet[:0] // its end was lost
		}
		lost := page.flags&oggContinued != 0 && len(p.packet) == 0
		p.load()
		if lost { // its beginning was
			p.takeSegments(0)
			p.packet = p.packet[:0]
		}
		return nil
	}
}

// load takes the current page.
func (p *oggPackets) load() {
	page := p.pages.page
	p.flags, p.granule, p.segments, p.body = page.flags, page.granule, page.segments, page.body
	p.ended = p.flags&oggLast != 0
}
