package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hajimehoshi/go-mp3"

	"github.com/grym-synth/grym-synth/services"
)

// maxMP3Junk is how many bytes between frames are searched for the next one.
const maxMP3Junk = 64 << 10

// mp3Decoder decodes MPEG layer III. The library gets the frames only: it
// would allocate a tag by the size that it claims.
type mp3Decoder struct {
	frames  *mp3Frames
	decoder *mp3.Decoder // nil before the first frame
	header  mp3Header
	skip    int64 // samples of the encoder's delay that are still to come
	left    int64 // frames of sound that are still to come
	done    int64
	raw     []byte
}

func newMP3Decoder(f file) (decoder, Format, error) {
	frames, notes, err := openMP3(f)
	if err != nil {
		return nil, Format{}, err
	}
	header := frames.header
	total := int64(0)
	for {
		if _, err := frames.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, Format{}, frames.src.fault(err, float64(total)/float64(header.rateHz))
		}
		total += int64(header.samples)
	}
	counted := total / int64(header.samples)
	// What follows the frames that were announced may look like one.
	truncated := frames.cut && (notes.frames == 0 || counted < notes.frames)
	if counted+1 < notes.frames {
		return nil, Format{}, services.Invalidf(field, "is cut short: it announces %d MP3 frames, %d are there; upload the whole file", notes.frames, counted)
	}
	// From the beginning again, to decode.
	if frames, _, err = openMP3(f); err != nil {
		return nil, Format{}, err
	}
	d := &mp3Decoder{frames: frames, header: header, left: total, raw: make([]byte, 4*1152)}
	if notes.before > 0 {
		d.skip = min(total, int64(notes.before)+mp3DecoderDelay)
		d.left = max(0, total-d.skip-max(0, int64(notes.behind)-mp3DecoderDelay))
	}
	return d, Format{
		Container: "mp3", Encoding: "mp3",
		SampleRateHz: header.rateHz, Channels: header.channels, Frames: d.left, Truncated: truncated,
	}, nil
}

// openMP3 finds the first frame of sound.
func openMP3(f file) (*mp3Frames, mp3Notes, error) {
	src, err := openSource(f.r, f.begin)
	if err != nil {
		return nil, mp3Notes{}, err
	}
	frames := &mp3Frames{src: src}
	notes, err := frames.start()
	if err != nil {
		return nil, notes, src.headerFault(err, "an MP3 file")
	}
	return frames, notes, nil
}

// read implements decoder.
func (d *mp3Decoder) read(dst []float32) (int, error) {
	if d.decoder == nil && d.left > 0 {
		var err error
		if d.decoder, err = mp3.NewDecoder(d.frames); err != nil {
			return 0, d.fault(err)
		}
	}
	for d.skip > 0 {
		n, err := io.ReadFull(d.decoder, d.raw[:min(int64(len(d.raw)), 4*d.skip)])
		if d.skip -= int64(n / 4); err != nil {
			return 0, d.fault(err)
		}
	}
	channels := d.header.channels
	want := int(min(int64(len(dst)/channels), int64(len(d.raw)/4), d.left))
	if want == 0 {
		return 0, io.EOF
	}
	n, err := io.ReadFull(d.decoder, d.raw[:4*want])
	n /= 4 // always two channels of 16 bits, alike for mono
	for i := range n {
		for c := range channels {
			dst[i*channels+c] = float32(int16(binary.LittleEndian.Uint16(d.raw[4*i+2*c:]))) * (1.0 / 32768)
		}
	}
	d.done += int64(n)
	d.left -= int64(n)
	if err != nil {
		return n, d.fault(err)
	}
	return n, nil
}

func (d *mp3Decoder) fault(err error) error {
	if d.frames.err != nil && !errors.Is(d.frames.err, io.EOF) {
		err = d.frames.err // the library hides it
	}
	return d.frames.src.fault(err, float64(d.done)/float64(d.header.rateHz))
}

// mp3Frames reads the frames of a file and nothing between them. As an
// io.Reader it gives them one after another.
type mp3Frames struct {
	src    *source
	header mp3Header    // of the first frame
	frame  []byte       // the latest; reused
	rest   []byte       // of it, not read yet
	repack *mp3Repacker // nil where the frames can stay as they are
	cut    bool         // the last frame is not whole
	err    error
}

// start finds the first frame, which is one only where another follows or the
// file ends, and passes over a frame of notes.
func (f *mp3Frames) start() (mp3Notes, error) {
	for junk := 0; junk < maxMP3Junk; junk++ {
		raw, err := f.src.Peek(mp3HeaderBytes)
		if err != nil {
			return mp3Notes{}, err
		}
		h, ok := parseMP3Header(raw)
		if !ok || !f.followed(h) {
			if _, err := f.src.Discard(1); err != nil {
				return mp3Notes{}, err
			}
			continue
		}
		if h.layer != 3 || h.version == 25 || h.bytes == 0 {
			return mp3Notes{}, unsupportedMPEG(h)
		}
		f.header = h
		if needsRepacking(h) {
			f.repack = new(mp3Repacker)
		}
		whole, err := f.src.Peek(h.bytes)
		if err != nil {
			return mp3Notes{}, err
		}
		notes, info := parseMP3Info(h, whole)
		if info {
			_, err = f.src.Discard(h.bytes)
		}
		return notes, err
	}
	return mp3Notes{}, services.Invalidf(field, "looks like an MP3 file, but has no MPEG audio frame in its first %d bytes of sound", maxMP3Junk)
}

// followed tells whether a second frame stands where the first one ends.
func (f *mp3Frames) followed(h mp3Header) bool {
	if h.layer != 3 || h.bytes == 0 {
		return true // cannot be told, and is not decoded
	}
	raw, err := f.src.Peek(h.bytes + mp3HeaderBytes)
	if err != nil {
		return len(raw) >= h.bytes
	}
	next, ok := parseMP3Header(raw[h.bytes:])
	return ok && next.continues(h)
}

func unsupportedMPEG(h mp3Header) error {
	switch {
	case h.layer != 3:
		return unsupported("is MPEG audio of layer %d", h.layer)
	case h.version == 25:
		return unsupported("is an MP3 file of MPEG 2.5 (%d Hz)", h.rateHz)
	default:
		return unsupported("is an MP3 file in free format")
	}
}

// next gives the next whole frame, valid until the next call, and passes over
// what is none. A last frame that is cut is left out.
func (f *mp3Frames) next() ([]byte, error) {
	for junk := 0; junk < maxMP3Junk; junk++ {
		raw, err := f.src.Peek(mp3HeaderBytes)
		if err != nil {
			return nil, endOr(err)
		}
		h, ok := parseMP3Header(raw)
		if !ok || !h.continues(f.header) {
			if _, err := f.src.Discard(1); err != nil {
				return nil, endOr(err)
			}
			continue
		}
		if cap(f.frame) < h.bytes {
			f.frame = make([]byte, h.bytes, 2048)
		}
		f.frame = f.frame[:h.bytes]
		if _, err := io.ReadFull(f.src, f.frame); err != nil {
			f.cut = errors.Is(err, io.ErrUnexpectedEOF)
			return nil, endOr(err)
		}
		return f.frame, nil
	}
	return nil, fmt.Errorf("no frame in %d bytes", maxMP3Junk)
}

// endOr makes any end of the file io.EOF.
func endOr(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// Read implements io.Reader.
func (f *mp3Frames) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.rest, f.err = f.next(); f.err != nil {
			return 0, f.err
		}
		if f.repack != nil {
			h, _ := parseMP3Header(f.rest) // next has looked at it
			f.rest = f.repack.repack(h, f.rest)
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
