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

// The elements of Matroska, RFC 9559, that are looked at.
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
	idCluster         = 0x1f43b675
	idSimpleBlock     = 0xa3
	idBlockGroup      = 0xa0
	idBlock           = 0xa1
	idDiscardPadding  = 0x75a2
)

const (
	// matroskaAudio is the type of an audio track.
	matroskaAudio = 2
	// maxTrackBytes of a track's description that is held.
	maxTrackBytes = 64 << 10
	// maxBlockBytes of a block of sound.
	maxBlockBytes = 4 << 20
	// unknownSize is that of an element that ends where its parent does.
	unknownSize = math.MaxInt64
)

// webmTrack is the track that is decoded.
type webmTrack struct {
	number uint64
	head   opusHead
}

// webmPackets reads the packets of one track of a file, and of each further
// file behind it. Segments and clusters are walked into and everything else is
// passed over, so it does not matter whether their sizes are known: a browser
// that records live writes none.
type webmPackets struct {
	src    *source
	size   int64 // of the file
	notes  *report
	track  *webmTrack
	queue  [][]byte     // the rest of a laced block
	block  bytes.Buffer // what queue points into
	last   int64        // samples of the latest packet
	padded int64        // samples to discard, of the latest block

	segmentEnd int64 // in the file; 0 where it is not known
	turned     bool  // the header of a further file was read
	links      int
}

func newWebMDecoder(f file) (decoder, Format, error) {
	return newOpusFile("webm", func(notes *report) (opusPackets, error) {
		src, err := openSource(f, bufferBytes)
		if err != nil {
			return nil, err
		}
		return &webmPackets{src: src, size: f.size, notes: notes}, nil
	}, f.notes)
}

// link implements opusPackets: it reads as far as the tracks.
func (p *webmPackets) link() (opusHead, error) {
	if p.links > 0 && !p.turned {
		return opusHead{}, io.EOF
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
			return opusHead{}, p.headerFault(err)
		}
	}
	p.links++
	return p.track.head, nil
}

// headerFault judges an error before the sound of a file.
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
		return services.Invalidf(field, "goes on as another file behind its sound, which %s; "+
			"send the parts as files of their own", refusedAs(err))
	}
	return err
}

// enterSegment notes where the segment ends.
func (p *webmPackets) enterSegment(size int64) {
	p.segmentEnd = 0
	if at := p.src.offset(); size < unknownSize-at {
		p.segmentEnd = at + size
	}
}

func (p *webmPackets) source() *source { return p.src }

// trim implements opusPackets.
func (p *webmPackets) trim() int64 { return min(p.padded, p.last) }

// next implements opusPackets.
func (p *webmPackets) next() ([]byte, error) {
	for len(p.queue) == 0 {
		if p.turned {
			return nil, io.EOF
		}
		if end, err := p.behind(); err != nil || end {
			return nil, cmp.Or(err, io.EOF)
		}
		id, size, err := readElement(p.src)
		if errors.Is(err, io.EOF) {
			return nil, p.end(err)
		}
		if err != nil && !p.src.isEnd(err) && p.src.under.err == nil {
			if err = p.resync(); err == nil {
				continue
			}
			return nil, err
		}
		if err != nil {
			return nil, p.cut(err)
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
			return nil, p.cut(unexpected(err))
		}
	}
	packet := p.queue[0]
	p.queue = p.queue[1:]
	p.last = int64(opusSamples(packet))
	return packet, nil
}

// behind looks for another file where the segment ends, and reports whether
// the sound ends there.
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
	// Live streams go on with clusters behind a segment that stated a size.
	if bytes.HasPrefix(head, []byte(ebmlMark)) || bytes.HasPrefix(head, []byte(clusterMark)) {
		p.segmentEnd = 0
		return false, nil
	}
	if what := another(head); what != "" {
		return true, joinedFault(what, 0)
	}
	if !isZero(head) {
		p.notes.trailing("has %d bytes behind the end of its segment, which are not decoded", p.size-p.src.offset())
	}
	return true, nil
}

// resync looks for the next cluster or file behind bytes that are no element,
// and returns io.EOF where there is none.
func (p *webmPackets) resync() error {
	from := p.src.offset()
	junk := false
	for {
		raw, err := p.src.Peek(bufferBytes)
		if err != nil && !p.src.isEnd(err) {
			return err
		}
		at := bytes.Index(raw, []byte(clusterMark))
		if next := bytes.Index(raw, []byte(ebmlMark)); next >= 0 && (at < 0 || next < at) {
			at = next
		}
		if at >= 0 {
			_, err := p.src.Discard(at)
			return err
		}
		junk = junk || !isZero(raw)
		if err != nil {
			if junk {
				p.notes.trailing("has %d bytes at its end that are no WebM, and are not decoded", p.size-from)
			}
			return io.EOF
		}
		if _, err := p.src.Discard(len(raw) - len(clusterMark) + 1); err != nil {
			return err
		}
	}
}

// clusterMark is the id of a cluster.
const clusterMark = "\x1f\x43\xb6\x75"

// end judges the end of the file between two elements.
func (p *webmPackets) end(err error) error {
	if p.segmentEnd > p.size && p.src.isEnd(err) {
		if err := p.notes.truncated("its segment has %d bytes more than there are", p.segmentEnd-p.size); err != nil {
			return err
		}
	}
	return err
}

// cut judges an error within an element.
func (p *webmPackets) cut(err error) error {
	if !p.src.isEnd(err) {
		return err
	}
	if err := p.notes.truncated("it ends within an element of WebM"); err != nil {
		return err
	}
	return io.EOF
}

// readBlock takes the packets of a block that is our track's.
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
	p.block.Reset() // it grows by what is there, not by what is claimed
	if _, err := io.CopyN(&p.block, p.src, size); err != nil {
		return err
	}
	block := p.block.Bytes()
	flags, body := block[n+2], block[n+3:] // behind a time of two bytes
	p.queue, err = unlace(body, flags>>1&3)
	return err
}

// readPadding takes the nanoseconds at the end of a block that are no sound.
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
		p.padded = (value*opusRateHz + 5e8) / 1e9
	}
	return nil
}
