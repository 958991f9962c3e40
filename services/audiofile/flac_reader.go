package audiofile

import (
	"errors"
	"fmt"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"

	"github.com/grym-synth/grym-synth/services"
)

// maxFLACBits of a sample that the library decodes.
const maxFLACBits = 24

// flacDecoder decodes one block at a time, which is at most 65535 frames.
type flacDecoder struct {
	src    *source
	stream *flac.Stream
	block  *frame.Frame // nil before the first
	used   int          // frames of the block that were handed out
	done   int64
	scale  float32
}

func newFLACDecoder(f file) (decoder, Format, error) {
	src, err := openSource(f.r, f.begin)
	if err != nil {
		return nil, Format{}, err
	}
	stream, err := flac.New(src)
	if err != nil {
		return nil, Format{}, src.headerFault(err, "a FLAC file")
	}
	info := stream.Info
	switch {
	case info.BitsPerSample > maxFLACBits:
		return nil, Format{}, unsupported("is a FLAC file of %d bits, more than %d", info.BitsPerSample, maxFLACBits)
	case info.SampleRate == 0 || info.BitsPerSample == 0 || info.NChannels == 0:
		return nil, Format{}, services.Invalidf(field, "is a FLAC file with an impossible header: %d Hz, %d channels, %d bits",
			info.SampleRate, info.NChannels, info.BitsPerSample)
	}
	format := Format{
		Container: "flac", Encoding: "flac",
		SampleRateHz: int(info.SampleRate), Channels: int(info.NChannels), BitsPerSample: int(info.BitsPerSample),
		Frames: int64(info.NSamples),
	}
	if format.Frames == 0 { // written to a pipe; silence aside, FLAC halves the bytes
		format.Guessed = true
		format.Frames = 1 + 4*(f.size-f.begin)*8/int64(format.BitsPerSample*format.Channels)
	}
	return &flacDecoder{src: src, stream: stream, scale: 1 / float32(int64(1)<<(info.BitsPerSample-1))}, format, nil
}

// read implements decoder.
func (d *flacDecoder) read(dst []float32) (int, error) {
	info := d.stream.Info
	for d.block == nil || d.used == d.length() {
		err := d.next()
		switch {
		case errors.Is(err, io.EOF) && info.NSamples > 0 && d.done < int64(info.NSamples):
			return 0, services.Invalidf(field, "is cut short: %d frames were announced, it ends after %d; upload the whole file", info.NSamples, d.done)
		case errors.Is(err, io.EOF) && d.src.under.err == nil:
			return 0, io.EOF
		case err != nil:
			return 0, d.src.fault(err, float64(d.done)/float64(info.SampleRate))
		}
	}
	channels := int(info.NChannels)
	n := min(len(dst)/channels, d.length()-d.used)
	for c, subframe := range d.block.Subframes {
		for i, level := range subframe.Samples[d.used : d.used+n] {
			dst[i*channels+c] = float32(level) * d.scale
		}
	}
	d.used += n
	d.done += int64(n)
	return n, nil
}

func (d *flacDecoder) length() int { return int(d.block.BlockSize) }

// next decodes a block.
func (d *flacDecoder) next() error {
	info := d.stream.Info
	block, err := d.stream.Next()
	if errors.Is(err, frame.ErrInvalidSync) && d.done > 0 && (info.NSamples == 0 || d.done >= int64(info.NSamples)) {
		return io.EOF // a tag of another format behind the sound
	}
	if err != nil {
		return err
	}
	if block.BitsPerSample == 0 { // as in the file's header
		block.BitsPerSample = info.BitsPerSample
	}
	if block.Channels.Count() != int(info.NChannels) || block.BitsPerSample != info.BitsPerSample ||
		(block.SampleRate != 0 && block.SampleRate != info.SampleRate) {
		return fmt.Errorf("a block of %d channels, %d bits, %d Hz", block.Channels.Count(), block.BitsPerSample, block.SampleRate)
	}
	if err := block.Parse(); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // within a block
		}
		return err
	}
	for _, subframe := range block.Subframes {
		if len(subframe.Samples) < int(block.BlockSize) {
			return fmt.Errorf("a channel of %d samples in a block of %d", len(subframe.Samples), block.BlockSize)
		}
	}
	d.block, d.used = block, 0
	return nil
}
