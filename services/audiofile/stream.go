package audiofile

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile/xiph"
)

// streamHead describes one stream of packets, from its headers.
type streamHead struct {
	codec    string // "opus", "vorbis", "flac", "alac", or of PCM as in Format
	rate     int
	channels int
	preSkip  int     // samples to skip at the start
	gain     float32 // to multiply with
	bits     int     // of a sample; 0 for a lossy codec
	order    []int   // of the channels of a WAV file, their numbers in the stream
	coding   coding
}

// coding has what is particular to a codec.
type coding interface {
	// counter returns a function that returns the number of samples per channel of each
	// packet, and whether it is sound. It is called once for each packet.
	counter() func(packet []byte) (int, bool)
	decoder(channels int) (packetDecoder, error)
	// limits returns the maximum size of a packet in bytes and in samples per channel.
	limits() (bytes, frames int)
}

// isXiph reports whether libopus or libvorbis decodes the stream.
func (h *streamHead) isXiph() bool { return h.codec == "opus" || h.codec == "vorbis" }

// name returns the name of the codec for a text.
func (h *streamHead) name() string {
	switch h.codec {
	case "opus", "vorbis":
		return strings.ToUpper(h.codec[:1]) + h.codec[1:]
	case "flac", "alac":
		return strings.ToUpper(h.codec)
	}
	return "PCM"
}

// inOrder returns the order of channels that are as in a WAV file.
func inOrder(channels int) []int {
	order := make([]int, channels)
	for i := range order {
		order[i] = i
	}
	return order
}

// packetDecoder decodes the packets of one stream.
type packetDecoder interface {
	Decode(packet []byte, dst []float32) (int, error)
	Close() error
}

// maxPacketBytes is the maximum size of a packet of Opus and Vorbis, and of a header. A
// longer one is truncated to this size.
const maxPacketBytes = min(xiph.MaxOpusPacketBytes, xiph.MaxVorbisPacketBytes)

// streamPackets is a container of consecutive streams; most files have one.
type streamPackets interface {
	// link proceeds to the next stream, initially the first one, and returns io.EOF if
	// there is none.
	link() (*streamHead, error)
	// next returns a packet of sound, valid until the next call, and its number of
	// samples per channel, and io.EOF after the last packet of a stream.
	next() ([]byte, int, error)
	// trims returns the numbers of samples at the start of the stream and at the end of
	// its last packet that are not sound. They are known after that packet.
	trims() (lead, tail int64)
	source() *source
}

// maxLinks is the maximum number of streams in a file.
const maxLinks = 10000

// streamLink describes one stream that has been read completely.
type streamLink struct {
	head   *streamHead
	skip   int64
	frames int64
}

// streamDecoder decodes the packets of a container.
type streamDecoder struct {
	packets  streamPackets
	links    []streamLink // which remain to be decoded
	rate     int
	channels int
	head     *streamHead
	order    []int // of the result's channels, their numbers in the stream
	begun    bool  // a link is being read
	jumped   bool  // packets were passed over since the latest that was decoded
	decoder  packetDecoder
	pcm      []float32 // decoded samples; rest has not been returned yet
	rest     []float32
	skip     int64 // remaining frames to skip
	left     int64 // remaining frames of the link
	done     int64
}

// newStreamFile reads a whole container to count its frames, and opens it again to
// decode them. If streams have one and two channels, the result has two.
func newStreamFile(container string, open func(*report) (streamPackets, error), notes *report) (decoder, Format, error) {
	packets, err := open(notes)
	if err != nil {
		return nil, Format{}, err
	}
	d := new(streamDecoder)
	if d.links, err = countStreams(packets); err != nil {
		return nil, Format{}, err
	}
	if !xiph.Available() && d.links[0].head.isXiph() {
		return nil, Format{}, unsupported("is %s, for which this server was built without a decoder", d.links[0].head.name())
	}
	first := d.links[0].head
	format := Format{Container: container, Encoding: first.codec, SampleRateHz: first.rate, BitsPerSample: first.bits}
	frames := 0
	for _, link := range d.links {
		_, most := link.head.coding.limits()
		frames = max(frames, most)
		d.channels = max(d.channels, link.head.channels)
		format.Frames += link.frames
	}
	d.rate, format.Channels = first.rate, d.channels
	d.pcm = make([]float32, frames*d.channels)
	if d.packets, err = open(new(report)); err != nil {
		return nil, Format{}, err
	}
	return d, format, nil
}

// countStreams reads a whole container and returns its streams, at least one.
func countStreams(packets streamPackets) ([]streamLink, error) {
	var links []streamLink
	var total int64
	for {
		head, err := packets.link()
		if errors.Is(err, io.EOF) && packets.source().under.err == nil && len(links) > 0 {
			return links, nil
		}
		if err == nil && len(links) == maxLinks {
			err = services.Invalidf(field, "has more than %d consecutive streams of sound", maxLinks)
		}
		if err == nil && len(links) > 0 {
			err = sameStream(links[0].head, head, total)
		}
		if err != nil {
			return nil, packets.source().fault(err, seconds(total, links))
		}
		link := streamLink{head: head}
		for {
			_, samples, err := packets.next()
			if errors.Is(err, io.EOF) && packets.source().under.err == nil {
				break
			}
			if err != nil {
				return nil, packets.source().fault(err, seconds(total+link.frames, append(links, link)))
			}
			link.frames += int64(samples)
		}
		lead, tail := packets.trims()
		link.skip = int64(head.preSkip) + lead
		link.frames = max(0, link.frames-link.skip-tail)
		links = append(links, link)
		total += link.frames
	}
}

// seconds returns the time of a frame.
func seconds(frame int64, links []streamLink) float64 {
	if len(links) == 0 {
		return 0
	}
	return float64(frame) / float64(links[0].head.rate)
}

// sameStream returns a fault if two streams cannot be one recording.
func sameStream(first, next *streamHead, frames int64) error {
	mixable := first.channels == next.channels || max(first.channels, next.channels) <= 2
	if first.codec == next.codec && first.rate == next.rate && mixable {
		return nil
	}
	return services.Invalidf(field, "changes within from %s of %d channels and %d Hz to %s of %d and %d Hz, after %.2f s; "+
		"send the parts as separate files", first.name(), first.channels, first.rate, next.name(), next.channels, next.rate,
		float64(frames)/float64(first.rate))
}

// nextLink starts a stream with a new decoder, after the trailing padding of the
// previous one.
func (d *streamDecoder) nextLink() error {
	for d.begun {
		if _, _, err := d.packets.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	d.begun, d.jumped = true, false
	var err error
	if d.head, err = d.packets.link(); err != nil {
		return err
	}
	if err := d.Close(); err != nil {
		return services.Internal(err, "the decoder of %s did not stop", d.head.name())
	}
	decoder, err := d.head.coding.decoder(d.head.channels)
	if errors.Is(err, xiph.ErrHeaders) {
		return err
	}
	if err != nil {
		return services.Internal(err, "the decoder of %s did not start", d.head.name())
	}
	d.decoder = decoder
	d.order = d.head.order
	if d.head.channels < d.channels { // one of two
		d.order = []int{0, 0}
	}
	d.skip, d.left = d.links[0].skip, d.links[0].frames
	d.links = d.links[1:]
	return nil
}

// Close releases the decoder of the current stream.
func (d *streamDecoder) Close() error {
	if d.decoder == nil {
		return nil
	}
	decoder := d.decoder
	d.decoder = nil
	return decoder.Close()
}

// read implements decoder.
func (d *streamDecoder) read(dst []float32) (int, error) {
	for len(d.rest) == 0 {
		step := d.packet
		if d.left == 0 {
			if len(d.links) == 0 {
				return 0, io.EOF
			}
			step = d.nextLink
		}
		if err := step(); err != nil {
			return 0, d.packets.source().fault(err, float64(d.done)/float64(d.rate))
		}
	}
	from := d.head.channels
	n := int(min(int64(len(dst)/d.channels), int64(len(d.rest)/from), d.left))
	for i := range n {
		for c, channel := range d.order {
			dst[i*d.channels+c] = d.rest[i*from+channel] * d.head.gain
		}
	}
	d.rest = d.rest[n*from:]
	d.done += int64(n)
	if d.left -= int64(n); d.left == 0 {
		d.rest = nil
	}
	return n, nil
}

// packet decodes the next packet.
func (d *streamDecoder) packet() error {
	packet, expected, err := d.packets.next()
	if err != nil {
		return err
	}
	return d.decode(packet, expected)
}

// decode decodes a packet with the given number of samples.
func (d *streamDecoder) decode(packet []byte, expected int) error {
	n, err := d.decoder.Decode(packet, d.pcm)
	if err != nil {
		return err
	}
	if d.jumped && n == 0 { // of Vorbis, which needs the packet before
		d.skip -= int64(expected)
		expected = 0
	}
	d.jumped = false
	if n != expected {
		return fmt.Errorf("%s: a packet of %d samples instead of %d", d.head.codec, n, expected)
	}
	samples := d.pcm[:n*d.head.channels]
	for _, x := range samples {
		if !isUsable(float64(x)) {
			return fmt.Errorf("%s: a sample that is not a number", d.head.codec)
		}
	}
	drop := min(d.skip, int64(n))
	d.skip -= drop
	d.rest = samples[int(drop)*d.head.channels:]
	return nil
}
