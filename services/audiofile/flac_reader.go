package audiofile

import (
	"bytes"
	"errors"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"

	"github.com/grym-synth/grym-synth/services"
)

// maxFLACBits is the maximum sample size of the library.
const maxFLACBits = 24

// flacMarks are the first bytes of a FLAC file, including the header of its first
// block.
var flacMarks = [][]byte{[]byte("fLaC\x00\x00\x00\x22"), []byte("fLaC\x80\x00\x00\x22")}

// flacDecoder decodes one block at a time, at most 65535 frames. A stream may be
// followed by another one.
type flacDecoder struct {
	src    *source
	notes  *report
	stream *flac.Stream
	block  *frame.Frame // nil before the first block of a stream
	used   int          // frames of the block that have been returned
	done   int64
	begun  int64 // done when the stream began
	ended  bool
}

func newFLACDecoder(f file) (decoder, Format, error) {
	src, err := openSource(f, bufferBytes)
	if err != nil {
		return nil, Format{}, err
	}
	d := &flacDecoder{src: src, notes: f.notes}
	if err := d.open(); err != nil {
		return nil, Format{}, err
	}
	info := d.stream.Info
	format := Format{
		Container: "flac", Encoding: "flac",
		SampleRateHz: int(info.SampleRate), Channels: int(info.NChannels), BitsPerSample: int(info.BitsPerSample),
		Frames: int64(info.NSamples),
	}
	joined, err := f.contains(src.offset(), flacMarks...)
	if err != nil {
		return nil, Format{}, err
	}
	if joined || format.Frames == 0 { // written to a pipe; except for silence, FLAC halves the size
		format.Guessed = true
		format.Frames = max(format.Frames, 1+4*f.size*8/int64(format.BitsPerSample*format.Channels))
	}
	if src, err = openSource(f, bufferBytes); err != nil {
		return nil, Format{}, err
	}
	d = &flacDecoder{src: src, notes: f.notes}
	return d, format, d.open()
}

// open reads the header of a stream.
func (d *flacDecoder) open() error {
	stream, err := flac.New(d.src.Reader)
	if err != nil {
		return d.src.headerFault(err, "a FLAC file")
	}
	info := stream.Info
	switch {
	case info.BitsPerSample > maxFLACBits:
		return unsupported("is a FLAC file of %d bits, more than %d", info.BitsPerSample, maxFLACBits)
	case info.SampleRate == 0 || info.BitsPerSample == 0 || info.NChannels == 0:
		return services.Invalidf(field, "is a FLAC file with an impossible header: %d Hz, %d channels, %d bits",
			info.SampleRate, info.NChannels, info.BitsPerSample)
	}
	d.stream, d.block, d.begun = stream, nil, d.done
	return nil
}

// read implements decoder.
func (d *flacDecoder) read(dst []float32) (int, error) {
	for d.block == nil || d.used == d.length() {
		if d.ended {
			return 0, io.EOF
		}
		if err := d.next(); err != nil {
			if d.src.isEnd(err) {
				err = d.cut(err)
			}
			if err != nil {
				return 0, d.src.fault(err, float64(d.done)/float64(d.stream.Info.SampleRate))
			}
			d.ended, d.used, d.block = true, 0, nil
			return 0, io.EOF
		}
	}
	channels := int(d.stream.Info.NChannels)
	n := min(len(dst)/channels, d.length()-d.used)
	d.coding().interleave(dst, d.block, d.used, n)
	d.used += n
	d.done += int64(n)
	return n, nil
}

func (d *flacDecoder) length() int { return int(d.block.BlockSize) }

// cut classifies the end of the file: io.EOF between blocks, another error within one.
func (d *flacDecoder) cut(err error) error {
	promised := int64(d.stream.Info.NSamples)
	got := d.done - d.begun
	switch {
	case errors.Is(err, io.EOF) && got >= promised:
		return nil
	case d.done == 0 && !errors.Is(err, io.EOF):
		return services.Invalidf(field, "is cut short: it ends within its first block of sound; upload the whole file")
	case promised > 0:
		return d.notes.truncated("%d frames were announced, it ends after %d", promised, got)
	default:
		return d.notes.truncated("it ends within the sound, after %.2f s", float64(d.done)/float64(d.stream.Info.SampleRate))
	}
}

// next decodes a block, which may be the first of another stream. It returns io.EOF at
// the end.
func (d *flacDecoder) next() error {
	for {
		raw, err := d.src.Peek(2)
		if len(raw) < 2 {
			return err
		}
		if raw[0] == 0xff && raw[1]&0xfc == 0xf8 {
			return d.decode()
		}
		if tag, err := d.src.skipTag(); err != nil {
			return err
		} else if tag {
			continue
		}
		if err := d.between(); err != nil {
			return err
		}
	}
}

// between handles what is not a block: another stream, or the end of the sound.
func (d *flacDecoder) between() error {
	head, err := d.src.Peek(sniffBytes)
	if err != nil && !d.src.isEnd(err) {
		return err
	}
	whole := d.done-d.begun >= int64(d.stream.Info.NSamples) && d.done > d.begun
	switch what := another(head); {
	case bytes.HasPrefix(head, []byte("fLaC")):
		if !whole {
			err := d.notes.truncated("%d frames were announced, another FLAC file begins after %d", d.stream.Info.NSamples, d.done-d.begun)
			if err != nil {
				return err
			}
		}
		before := d.stream.Info
		if err := d.open(); err != nil {
			return err
		}
		if after := d.stream.Info; after.NChannels != before.NChannels || after.SampleRate != before.SampleRate {
			return services.Invalidf(field, "changes within from %d channels of %d Hz to %d of %d Hz, after %.2f s; "+
				"send the parts as separate files", before.NChannels, before.SampleRate, after.NChannels, after.SampleRate,
				float64(d.done)/float64(before.SampleRate))
		}
		return nil
	case !whole:
		return errors.New("missing block")
	case what != "":
		return joinedFault(what, float64(d.done)/float64(d.stream.Info.SampleRate))
	case !isZero(head):
		d.notes.trailing("has bytes after its sound that are not FLAC and are not decoded")
	}
	return io.EOF
}

// joinedFault returns the fault for a file that is followed by one of another kind.
func joinedFault(what string, seconds float64) error {
	return services.Invalidf(field, "continues as %s after %.2f s; send the parts as separate files", what, seconds)
}

// decode decodes the block at the current position.
func (d *flacDecoder) decode() error {
	block, err := d.stream.Next()
	if err != nil {
		return unexpected(err)
	}
	if err := d.coding().parse(block); err != nil {
		return err
	}
	d.block, d.used = block, 0
	return nil
}

// coding returns the parameters of the stream.
func (d *flacDecoder) coding() flacCoding {
	info := d.stream.Info
	return flacCoding{channels: int(info.NChannels), bits: int(info.BitsPerSample), rate: int(info.SampleRate)}
}
