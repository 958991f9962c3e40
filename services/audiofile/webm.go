package audiofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// The elements of Matroska, RFC 9559, that are looked at.
const (
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

// webmPackets reads the packets of one track. Segments and clusters are walked
// into and everything else is passed over, so it does not matter whether their
// sizes are known: a browser that records live writes none.
type webmPackets struct {
	src    *source
	track  *webmTrack
	queue  [][]byte     // the rest of a laced block
	block  bytes.Buffer // what queue points into
	last   int64        // samples of the latest packet
	padded int64        // samples to discard, of the latest block
}

func newWebMDecoder(f file) (decoder, Format, error) {
	packets, err := openWebM(f)
	if err != nil {
		return nil, Format{}, err
	}
	head := packets.track.head
	frames, err := countOpus(packets, head)
	if err != nil {
		return nil, Format{}, err
	}
	if packets, err = openWebM(f); err != nil {
		return nil, Format{}, err
	}
	d, err := newOpusDecoder(packets, head, frames)
	return d, Format{Container: "webm", Encoding: "opus", SampleRateHz: opusRateHz, Channels: head.channels, Frames: frames}, err
}

// openWebM reads as far as the tracks.
func openWebM(f file) (*webmPackets, error) {
	src, err := openSource(f.r, f.begin)
	if err != nil {
		return nil, err
	}
	p := &webmPackets{src: src}
	for p.track == nil {
		id, size, err := readElement(src)
		if err == nil {
			switch id {
			case idSegment:
			case idTracks:
				err = p.readTracks(size)
			case idCluster:
				err = services.Invalidf(field, "is a WebM file with sound before the description of its tracks")
			default:
				err = discard(src, size)
			}
		}
		if err != nil {
			return nil, src.headerFault(err, "a WebM file")
		}
	}
	return p, nil
}

func (p *webmPackets) source() *source { return p.src }

// trim implements opusPackets.
func (p *webmPackets) trim() int64 { return min(p.padded, p.last) }

// next implements opusPackets.
func (p *webmPackets) next() ([]byte, error) {
	for len(p.queue) == 0 {
		id, size, err := readElement(p.src)
		if err != nil {
			return nil, err
		}
		switch id {
		case idSegment, idCluster, idBlockGroup:
		case idSimpleBlock, idBlock:
			err = p.readBlock(size)
		case idDiscardPadding:
			err = p.readPadding(size)
		default:
			err = discard(p.src, size)
		}
		if err != nil {
			return nil, unexpected(err)
		}
	}
	packet := p.queue[0]
	p.queue = p.queue[1:]
	p.last = int64(opusSamples(packet))
	return packet, nil
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

// readTracks finds the first track of sound.
func (p *webmPackets) readTracks(size int64) error {
	limited := &io.LimitedReader{R: p.src, N: min(size, 16*maxTrackBytes)}
	var other string
	for limited.N > 0 {
		id, size, err := readElement(limited)
		if err != nil {
			return unexpected(err)
		}
		if id != idTrackEntry {
			if err := discard(limited, size); err != nil {
				return err
			}
			continue
		}
		if size > maxTrackBytes {
			return fmt.Errorf("a track's description of %d bytes", size)
		}
		raw, err := io.ReadAll(io.LimitReader(limited, size))
		if err != nil || int64(len(raw)) < size {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		track, codec, err := parseTrack(raw)
		if err != nil {
			return err
		}
		if track != nil && p.track == nil {
			p.track = track
		} else if codec != "" && other == "" {
			other = codec
		}
	}
	switch {
	case p.track != nil:
		return nil
	case other != "":
		return unsupported("is a WebM or Matroska file with sound coded as %q", other)
	default:
		return unsupported("is a WebM or Matroska file without a track of sound")
	}
}

// parseTrack reads the description of a track: the track where it is Opus,
// else the codec where it is sound.
func parseTrack(raw []byte) (*webmTrack, string, error) {
	var track webmTrack
	var kind uint64
	var codec string
	var private []byte
	encoded := false
	for len(raw) > 0 {
		id, n := elementID(raw)
		size, m := vint(raw[n:])
		if n == 0 || m == 0 || size > uint64(len(raw)-n-m) {
			return nil, "", errors.New("a track's description that breaks off")
		}
		body := raw[n+m : n+m+int(size)]
		raw = raw[n+m+int(size):]
		switch id {
		case idTrackNumber:
			track.number = unsigned(body)
		case idTrackType:
			kind = unsigned(body)
		case idCodecID:
			codec = string(body[:min(len(body), 64)])
		case idCodecPrivate:
			private = body
		case idContentEncoding:
			encoded = true
		}
	}
	switch {
	case kind != matroskaAudio:
		return nil, "", nil
	case codec != "A_OPUS" || encoded:
		return nil, codec, nil
	}
	var err error
	track.head, err = parseOpusHead(private)
	return &track, codec, err
}

// unsigned reads a big-endian number; a longer one than eight bytes is cut.
func unsigned(raw []byte) uint64 {
	var padded [8]byte
	n := min(len(raw), 8)
	copy(padded[8-n:], raw[:n])
	return binary.BigEndian.Uint64(padded[:])
}
