package audiofile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// Relevant elements of Matroska, RFC 9559.
const (
	idEBML            = 0x1a45dfa3
	idSegment         = 0x18538067
	idTracks          = 0x1654ae6b
	idTrackEntry      = 0xae
	idTrackNumber     = 0xd7
	idTrackType       = 0x83
	idCodecID         = 0x86
	idCodecPrivate    = 0x63a2
	idContentEncoding = 0x6d80
	idAudio           = 0xe1
	idSamplingRate    = 0xb5
	idChannels        = 0x9f
	idBitDepth        = 0x6264
	idCluster         = 0x1f43b675
	idSimpleBlock     = 0xa3
	idBlockGroup      = 0xa0
	idBlock           = 0xa1
	idDiscardPadding  = 0x75a2
)

const (
	// matroskaAudio is the type of an audio track.
	matroskaAudio = 2
	// maxTrackBytes is the maximum size of a track's description.
	maxTrackBytes = 64 << 10
	// maxBlockBytes is the maximum size of a block of sound.
	maxBlockBytes = 4 << 20
	// unknownSize is the size of an element that ends with its parent.
	unknownSize = math.MaxInt64
)

// webmTrack is the track that is decoded.
type webmTrack struct {
	number uint64
	head   *streamHead
}

// webmPackets reads the packets of one track of a file and of files that follow it. It
// descends into segments and clusters and skips all other elements, so their sizes may
// be unknown, as in live recordings of browsers.
type webmPackets struct {
	src    *source
	size   int64 // of the file
	notes  *report
	track  *webmTrack
	queue  [][]byte     // the rest of a laced block
	block  bytes.Buffer // what queue points into
	last   int64        // samples of the latest packet
	count  func(packet []byte) (int, bool)
	padded int64 // samples to discard, of the latest block

	segmentEnd int64 // in the file; 0 if unknown
	turned     bool  // the header of a further file was read
	links      int
}

func newWebMDecoder(f file) (decoder, Format, error) {
	return newStreamFile("webm", func(notes *report) (streamPackets, error) {
		src, err := openSource(f, bufferBytes)
		if err != nil {
			return nil, err
		}
		return &webmPackets{src: src, size: f.size, notes: notes}, nil
	}, f.notes)
}

// link implements streamPackets. It reads up to the tracks.
func (p *webmPackets) link() (*streamHead, error) {
	if p.links > 0 && !p.turned {
		return nil, io.EOF
	}
	p.track, p.queue, p.last, p.padded, p.turned = nil, nil, 0, 0, false
	for p.track == nil {
		id, size, err := readElement(p.src)
		if err == nil {
			switch id {
			case idSegment:
				p.enterSegment(size)
			case idTracks:
				err = p.readTracks(size)
			case idCluster:
				err = services.Invalidf(field, "is a WebM file with sound before the description of its tracks")
			default:
				err = discard(p.src, size)
			}
		}
		if err != nil {
			return nil, p.headerFault(err)
		}
	}
	p.links++
	p.count = p.track.head.coding.counter()
	return p.track.head, nil
}

// headerFault returns the fault for an error before the sound of a file.
func (p *webmPackets) headerFault(err error) error {
	if p.links == 0 {
		return p.src.headerFault(err, "a WebM file")
	}
	if p.src.isEnd(err) {
		if err := p.notes.truncated("it ends within the header of a further WebM file"); err != nil {
			return err
		}
		return io.EOF
	}
	var fault *services.Fault
	if errors.As(err, &fault) && fault.Kind == services.KindUnsupported {
		return services.Invalidf(field, "continues as another file after its sound, which %s; "+
			"send the parts as separate files", refusedAs(err))
	}
	return err
}

// enterSegment records the end of the segment.
func (p *webmPackets) enterSegment(size int64) {
	p.segmentEnd = 0
	if at := p.src.offset(); size < unknownSize-at {
		p.segmentEnd = at + size
	}
}

func (p *webmPackets) source() *source { return p.src }

// trims implements streamPackets.
func (p *webmPackets) trims() (lead, tail int64) { return 0, min(p.padded, p.last) }

// next implements streamPackets.
func (p *webmPackets) next() ([]byte, int, error) {
	for {
		if err := p.fill(); err != nil {
			return nil, 0, err
		}
		packet := p.queue[0]
		p.queue = p.queue[1:]
		samples, sound := p.count(packet)
		if p.last = int64(samples); sound {
			return packet, samples, nil
		}
	}
}

// fill reads up to a block with packets.
func (p *webmPackets) fill() error {
	for len(p.queue) == 0 {
		if p.turned {
			return io.EOF
		}
		if end, err := p.behind(); err != nil || end {
			return cmp.Or(err, io.EOF)
		}
		id, size, err := readElement(p.src)
		if errors.Is(err, io.EOF) {
			return p.end(err)
		}
		if err != nil && !p.src.isEnd(err) && p.src.under.err == nil {
			if err = p.resync(); err == nil {
				continue
			}
			return err
		}
		if err != nil {
			return p.cut(err)
		}
		switch id {
		case idEBML:
			p.turned = true
			err = discard(p.src, size)
		case idSegment:
			p.enterSegment(size)
		case idCluster, idBlockGroup:
		case idSimpleBlock, idBlock:
			err = p.readBlock(size)
		case idDiscardPadding:
			err = p.readPadding(size)
		default:
			err = discard(p.src, size)
		}
		if err != nil {
			return p.cut(unexpected(err))
		}
	}
	return nil
}

// behind looks for another file after the segment, and reports whether the sound ends
// there.
func (p *webmPackets) behind() (bool, error) {
	if p.segmentEnd == 0 || p.src.offset() < p.segmentEnd {
		return false, nil
	}
	for {
		tag, err := p.src.skipTag()
		if err != nil {
			return true, err
		}
		if !tag {
			break
		}
	}
	head, err := p.src.Peek(sniffBytes)
	if err != nil && !p.src.isEnd(err) {
		return true, err
	}
	// Live streams continue with clusters after a segment with a stated size.
	if bytes.HasPrefix(head, []byte(ebmlMark)) || bytes.HasPrefix(head, []byte(clusterMark)) {
		p.segmentEnd = 0
		return false, nil
	}
	if what := another(head); what != "" {
		return true, joinedFault(what, 0)
	}
	if !isZero(head) {
		p.notes.trailing("has %d bytes after the end of its segment, which are not decoded", p.size-p.src.offset())
	}
	return true, nil
}

// resync finds the next cluster or file after bytes that are not an element. It returns
// io.EOF if there is none.
func (p *webmPackets) resync() error {
	from := p.src.offset()
	junk := false
	for {
		raw, err := p.src.Peek(len(clusterMark))
		if err != nil && !p.src.isEnd(err) {
			return err
		}
		if err != nil {
			if junk || !isZero(raw) {
				p.notes.trailing("has %d bytes at its end that are no WebM, and are not decoded", p.size-from)
			}
			return io.EOF
		}
		raw, _ = p.src.Peek(p.src.Buffered())
		at := 0
		for ; at+len(clusterMark) <= len(raw); at++ {
			if mark := string(raw[at : at+len(clusterMark)]); mark == clusterMark || mark == ebmlMark {
				_, err := p.src.Discard(at)
				return err
			}
			junk = junk || raw[at] != 0
		}
		if _, err := p.src.Discard(at); err != nil {
			return err
		}
	}
}

// clusterMark is the id of a cluster.
const clusterMark = "\x1f\x43\xb6\x75"

// end classifies the end of the file between two elements.
func (p *webmPackets) end(err error) error {
	if p.segmentEnd > p.size && p.src.isEnd(err) {
		if err := p.notes.truncated("its segment has %d bytes more than there are", p.segmentEnd-p.size); err != nil {
			return err
		}
	}
	return err
}

// cut returns the error for a problem inside an element.
func (p *webmPackets) cut(err error) error {
	if !p.src.isEnd(err) {
		return err
	}
	if err := p.notes.truncated("it ends within an element of WebM"); err != nil {
		return err
	}
	return io.EOF
}

// readBlock reads the packets of a block if it belongs to the track.
func (p *webmPackets) readBlock(size int64) error {
	raw, err := p.src.Peek(int(min(size, 8)))
	if err != nil {
		return err
	}
	number, n := vint(raw)
	if n == 0 || size < int64(n)+3 {
		return errors.New("a block without a header")
	}
	if number != p.track.number {
		return discard(p.src, size)
	}
	if size > maxBlockBytes {
		return fmt.Errorf("a block of sound of %d bytes", size)
	}
	p.padded = 0
	p.block.Reset() // it grows with the data present, regardless of the stated size
	if _, err := io.CopyN(&p.block, p.src, size); err != nil {
		return err
	}
	block := p.block.Bytes()
	flags, body := block[n+2], block[n+3:] // after a time of two bytes
	p.queue, err = unlace(body, flags>>1&3)
	return err
}

// readPadding reads the length in nanoseconds of the padding at the end of a block.
func (p *webmPackets) readPadding(size int64) error {
	if size < 0 || size > 8 {
		return fmt.Errorf("a padding of %d bytes", size)
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(p.src, raw); err != nil {
		return err
	}
	var value int64
	for i, b := range raw {
		if i == 0 {
			value = int64(int8(b)) // signed
			continue
		}
		value = value<<8 | int64(b)
	}
	if value > 0 && value < 1e9 {
		p.padded = (value*int64(p.track.head.rate) + 5e8) / 1e9
	}
	return nil
}
