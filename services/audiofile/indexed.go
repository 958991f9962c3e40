package audiofile

import (
	"errors"
	"fmt"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// packetIndex has the places of the packets of a stream in a file.
type packetIndex interface {
	// next returns the offset and the size of the next packet, io.EOF after the last one.
	next() (at, size int64, err error)
	// trims returns the number of samples at the start that are not sound, and at the end
	// after a given number of samples in all.
	trims(samples int64) (lead, tail int64, err error)
}

// indexedPackets implements streamPackets for a file with an index of one stream.
type indexedPackets struct {
	f         file
	src       *source // for the reader's errors
	data      window
	head      *streamHead
	index     packetIndex
	count     func(packet []byte) (int, bool)
	begun     bool
	bytes     int64 // of the packets so far
	samples   int64
	last      int64 // samples of the latest packet
	lead, cut int64 // what trims returns
}

func newIndexedPackets(f file, notes *report, head *streamHead, index packetIndex) (*indexedPackets, error) {
	src, err := openSource(f, bufferBytes)
	if err != nil {
		return nil, err
	}
	f.notes = notes
	return &indexedPackets{f: f, src: src, data: window{f: f, room: bufferBytes}, head: head, index: index, count: head.coding.counter()}, nil
}

func (p *indexedPackets) source() *source       { return p.src }
func (p *indexedPackets) trims() (int64, int64) { return p.lead, p.cut }

// link implements streamPackets. There is one stream.
func (p *indexedPackets) link() (*streamHead, error) {
	if p.begun {
		return nil, io.EOF
	}
	p.begun = true
	return p.head, nil
}

// next implements streamPackets.
func (p *indexedPackets) next() ([]byte, int, error) {
	most, frames := p.head.coding.limits()
	for {
		at, size, err := p.index.next()
		if err != nil {
			return nil, 0, p.end(err)
		}
		if size > int64(most) {
			return nil, 0, fmt.Errorf("a packet of %d bytes", size)
		}
		packet, err := p.data.bytes(at, int(size))
		if errors.Is(err, io.ErrUnexpectedEOF) {
			if err := p.f.notes.truncated("its index has sound at %d bytes, %d are there", at+size, p.f.size); err != nil {
				return nil, 0, err
			}
			if size = p.whole(at); size == 0 {
				return nil, 0, p.end(io.EOF)
			}
			packet, err = p.data.bytes(at, int(size))
		}
		if err != nil {
			return nil, 0, err
		}
		// An index may refer to the same bytes again and again.
		if p.bytes += size; p.bytes > p.f.size {
			return nil, 0, errors.New("packets that are larger than the file")
		}
		samples, sound := p.count(packet)
		if !sound {
			continue
		}
		if samples > frames {
			return nil, 0, fmt.Errorf("a packet of %d samples", samples)
		}
		p.last = int64(samples)
		p.samples += p.last
		return packet, samples, nil
	}
}

// whole returns the size of the whole frames of PCM between an offset and the end of the
// file, 0 for other codecs.
func (p *indexedPackets) whole(at int64) int64 {
	pcm, ok := p.head.coding.(pcmCoding)
	if !ok || at < 0 || at > p.f.size {
		return 0
	}
	frame := int64(pcm.wave.frameBytes)
	return (p.f.size - at) / frame * frame
}

// end determines the padding at the end of the sound.
func (p *indexedPackets) end(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return services.Invalidf(field, "is cut short: it ends within its index; upload the whole file")
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	lead, tail, err := p.index.trims(p.samples)
	if err != nil {
		return err
	}
	p.lead, p.cut = lead, 0
	if tail > 0 && tail <= p.last {
		p.cut = tail
	}
	return io.EOF
}
