package audiofile

import (
	"errors"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// wavDecoder converts the samples of a WAV file.
type wavDecoder struct {
	src    io.Reader
	wave   waveFormat
	frames int64  // in the file; -1 if only the end shows it
	done   int64  // decoded
	raw    []byte // a whole number of frames
	notes  *report
}

func newWAVDecoder(f file, head []byte) (decoder, Format, error) {
	layout, err := findChunks(f.r, head, f.size)
	if err != nil {
		return nil, Format{}, err
	}
	return layout.open(f, "wav")
}

// open returns the decoder for the samples of a file whose chunks were found.
func (l *wavLayout) open(f file, container string) (decoder, Format, error) {
	wave, err := parseFormat(l.format)
	if err != nil {
		if container == "wav" {
			err = l.judge(f, err)
		}
		return nil, Format{}, err
	}
	if wave.wide {
		if wave, err = l.chooseWide(f.r, wave); err != nil {
			return nil, Format{}, err
		}
	}
	bytes, err := l.sampleBytes(int64(wave.frameBytes), wave.sampleRateHz, f.notes)
	if err != nil {
		return nil, Format{}, err
	}
	if container == "wav" {
		if err := l.noteTrailing(f, bytes); err != nil {
			return nil, Format{}, err
		}
	}
	return f.samples(container, wave, l.dataAt, bytes)
}

// describe returns the format without the length.
func (f waveFormat) describe(container string) Format {
	return Format{
		Container:     container,
		Encoding:      f.codec.encoding,
		SampleRateHz:  f.sampleRateHz,
		Channels:      f.channels,
		BitsPerSample: f.bits,
	}
}

// decoder returns a decoder that reads frames from src, which is at the first one.
func (f waveFormat) decoder(src io.Reader, frames int64) *wavDecoder {
	return &wavDecoder{src: src, wave: f, frames: frames, raw: make([]byte, max(1, bufferBytes/f.frameBytes)*f.frameBytes)}
}

// read implements decoder. It reads at most one buffer at a time.
func (d *wavDecoder) read(dst []float32) (int, error) {
	want := min(len(dst)/d.wave.channels, len(d.raw)/d.wave.frameBytes)
	if d.frames >= 0 {
		want = int(min(int64(want), d.frames-d.done))
	}
	if want == 0 {
		return 0, io.EOF
	}
	n, err := io.ReadFull(d.src, d.raw[:want*d.wave.frameBytes])
	whole := n / d.wave.frameBytes
	switch {
	case (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && d.frames < 0:
		err = io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = d.notes.truncated("%d frames were announced, it ends after %d", d.frames, d.done+int64(whole))
		if err == nil {
			err, d.frames = io.EOF, d.done+int64(whole)
		}
	case err != nil:
		err = readFault(err)
	}
	good := d.wave.codec.decode(dst, d.raw[:whole*d.wave.frameBytes])
	if good < whole*d.wave.channels {
		frame, channel := good/d.wave.channels, good%d.wave.channels
		at := float64(d.done+int64(frame)) / float64(d.wave.sampleRateHz)
		err = services.Invalidf(field, "holds a sample that is not a usable number "+
			"(NaN, infinite or beyond single precision) at %.4f s, channel %d", at, channel+1)
		whole = frame
	}
	d.done += int64(whole)
	return whole, err
}
