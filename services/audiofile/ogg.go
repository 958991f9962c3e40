package audiofile

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

// oggPackets reads the packets of the first stream of Opus, Vorbis or FLAC in an Ogg file,
// RFC 3533, and of each further link of a chain. Other streams are skipped.
type oggPackets struct {
	pages  oggPages
	notes  *report
	serial uint32
	found  bool // the serial is known
	begun  bool // a page behind the first ones of the link was read
	ended  bool // the link has no more pages
	held   bool // the current page begins a further link
	links  int
	codec  string // "Opus", "Vorbis" or "FLAC"
	head   *streamHead
	count  func(packet []byte) (int, bool)

	flags    byte
	granule  int64
	segments []byte // of the page, not read yet
	body     []byte // of them
	packet   []byte

	samples   int64  // of the packets so far
	start     int64  // of the first page, where the recording was joined late
	paged     bool   // start is set
	lead, cut int64  // what trims returns
	other     string // the next link has sound of another kind
}

func newOggDecoder(f file) (decoder, Format, error) {
	return newStreamFile("ogg", func(notes *report) (streamPackets, error) {
		src, err := openSource(f, oggBuffer)
		if err != nil {
			return nil, err
		}
		return &oggPackets{pages: oggPages{src: src}, notes: notes}, nil
	}, f.notes)
}

func (p *oggPackets) source() *source       { return p.pages.src }
func (p *oggPackets) trims() (int64, int64) { return p.lead, p.cut }

// link implements streamPackets: it reads the headers. Pages that follow the last page of
// a stream without a new header are a link as well.
func (p *oggPackets) link() (*streamHead, error) {
	p.samples, p.start, p.paged, p.lead, p.cut = 0, 0, false, 0, 0
	p.flags, p.granule, p.segments, p.body, p.packet = 0, 0, nil, nil, nil
	resumed, err := p.findStream()
	if err != nil {
		if p.links > 0 {
			return nil, p.end(err)
		}
		return nil, p.source().headerFault(err, "an Ogg file")
	}
	p.links++
	if resumed {
		head := *p.head
		head.preSkip, p.head = 0, &head
	} else if p.head, err = p.headers(); err != nil {
		return nil, p.source().headerFault(err, "an Ogg "+p.codec+" file")
	}
	p.samples, p.count = 0, p.head.coding.counter()
	return p.head, nil
}

// headers reads the headers of the stream. The second one may contain a picture of any
// size.
func (p *oggPackets) headers() (*streamHead, error) {
	raw, err := p.read(maxPacketBytes)
	if err != nil {
		return nil, err
	}
	first := slices.Clone(raw)
	switch p.codec {
	case "Vorbis":
		return p.vorbisHeaders(first)
	case "FLAC":
		return p.flacHeaders(first)
	}
	head, err := parseOpusHead(first)
	if err != nil {
		return nil, err
	}
	if raw, err = p.read(8); err != nil {
		return nil, err
	}
	if string(raw) != "OpusTags" {
		return nil, services.Invalidf(field, "is an Ogg Opus file without its second header (OpusTags)")
	}
	return head, nil
}

// vorbisHeaders reads the second and the third header.
func (p *oggPackets) vorbisHeaders(first []byte) (*streamHead, error) {
	comment, err := p.read(vorbisMark)
	if err != nil {
		return nil, err
	}
	if string(comment) != "\x03vorbis" {
		return nil, services.Invalidf(field, "is an Ogg Vorbis file without its second header")
	}
	setup, err := p.read(maxPacketBytes)
	if err != nil {
		return nil, err
	}
	return parseVorbisHead(first, setup)
}

// flacHeaders reads the blocks of metadata behind the first packet, RFC 9639 section 10.1.
func (p *oggPackets) flacHeaders(first []byte) (*streamHead, error) {
	const marks, last = 13, 0x80 // before the header of the first block
	if len(first) < marks+4+flacInfoBytes || string(first[9:marks]) != "fLaC" {
		return nil, services.Invalidf(field, "has a damaged FLAC header")
	}
	head, err := parseFLACInfo(first[marks+4:])
	if err != nil {
		return nil, err
	}
	for kind := first[marks]; kind&last == 0; {
		raw, err := p.read(1)
		if err != nil {
			return nil, err
		}
		if len(raw) == 1 {
			kind = raw[0]
		}
	}
	return head, nil
}

// findStream finds the first page of a stream, or a page that continues the previous
// stream.
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
		case page.isFirst() && page.isDecoded() && (p.codec == "" || codec == p.codec):
			p.held, p.found, p.serial, p.codec = false, true, page.serial, codec
			p.load()
			return false, nil
		case page.isFirst():
			if codec != "" {
				p.other = codec
			}
		case !known:
			return false, unsupported("is an Ogg file without Opus, Vorbis and FLAC")
		case p.other != "":
			return false, services.Invalidf(field, "continues as Ogg %s after its %s; send the parts as separate files", p.other, p.codec)
		case page.serial == before:
			p.found, p.begun, p.serial = true, true, before
			p.load()
			return true, nil
		}
	}
}

// end classifies the end of the file.
func (p *oggPackets) end(err error) error {
	switch {
	case !p.source().isEnd(err):
		return err
	case p.pages.next != "":
		return joinedFault(p.pages.next, float64(p.samples)/float64(p.head.rate))
	case errors.Is(err, io.ErrUnexpectedEOF):
		if err := p.notes.truncated("it ends within a page of Ogg"); err != nil {
			return err
		}
	case p.pages.junk > 0:
		p.notes.trailing("has %d bytes after its sound that are not Ogg and are not decoded", p.pages.junk)
	}
	return io.EOF
}

// next implements streamPackets.
func (p *oggPackets) next() ([]byte, int, error) {
	most, _ := p.head.coding.limits()
	for {
		packet, err := p.read(most)
		if err == nil && len(packet) == most {
			err = fmt.Errorf("a packet of more than %d bytes", most-1)
		}
		if err != nil && p.ended {
			return nil, 0, err
		}
		if err != nil {
			return nil, 0, p.end(err)
		}
		if samples, sound := p.count(packet); sound {
			p.samples += int64(samples)
			return packet, samples, nil
		}
	}
}

// read returns the next packet of the link, limited to the given number of bytes.
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
				err = io.ErrUnexpectedEOF // inside a packet
			}
			return nil, err
		}
	}
}

// takeSegments appends the page's part of the packet and reports whether it is
// complete.
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

// settle compares a finished page's position with the number of samples. The position
// of the last page determines how much of the last packet is sound. In Vorbis that of the
// first page determines how much of the first packets is.
func (p *oggPackets) settle() {
	if p.granule <= 0 || p.samples == 0 {
		return
	}
	if !p.paged {
		p.paged = true
		if p.flags&oggLast == 0 {
			p.start = max(0, p.granule-p.samples)
			if p.codec == "Vorbis" {
				p.lead = max(0, p.samples-p.granule)
				p.start -= p.lead
			}
		}
	}
	p.cut = 0
	if over := p.start + p.samples - p.granule; p.flags&oggLast != 0 && over > 0 && over <= p.samples {
		p.cut = over
	}
}

// turn finds the next page of the stream. A first page of another stream after the
// headers begins a further link and ends this one.
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
			p.packet = p.packet[:0] // its end is missing
		}
		lost := page.flags&oggContinued != 0 && len(p.packet) == 0
		p.load()
		if lost { // its beginning is missing
			p.takeSegments(0)
			p.packet = p.packet[:0]
		}
		return nil
	}
}

// load starts reading the current page.
func (p *oggPackets) load() {
	page := p.pages.page
	p.flags, p.granule, p.segments, p.body = page.flags, page.granule, page.segments, page.body
	p.ended = p.flags&oggLast != 0
}
