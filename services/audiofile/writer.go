package audiofile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// writeFrames is the number of frames encoded at a time.
const writeFrames = 4096

// Writer encodes sound as a stream. Not safe for concurrent use.
type Writer struct {
	out     Output
	encoder encoder
	frames  int64
	err     error // returned by every further call
}

// encoder writes one container. Its samples are finite.
type encoder interface {
	write(samples []float32) error
	// close writes buffered samples and completes the header.
	close() error
	// stop releases what the encoder holds. It may be called at any time.
	stop()
}

// NewWriter returns a Writer. w must be at its first byte and is not closed by the
// Writer. Tags are written if the container supports them. If out is invalid the error
// is a fault. ctx ends an external program; the caller calls Stop or Close.
func NewWriter(ctx context.Context, w io.WriteSeeker, out Output, tags ...Tag) (*Writer, error) {
	if err := out.Validate(); err != nil {
		return nil, err
	}
	var e encoder
	var err error
	switch {
	case out.Container == FLAC:
		e, err = newFLACEncoder(w, out, tags)
	case out.Container.NeedsFFmpeg():
		e, err = newFFmpegEncoder(ctx, w, out, tags)
	default:
		e, err = newPCMEncoder(w, out, tags)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", out.Container, err)
	}
	return &Writer{out: out, encoder: e}, nil
}

// WriteFrames appends interleaved samples, a whole number of frames. Samples beyond
// [-1, 1] are clipped, except in float files. If a sample is not finite, it returns an
// internal fault and writes none of the samples.
func (w *Writer) WriteFrames(samples []float32) error {
	if w.err != nil {
		return w.err
	}
	if len(samples)%w.out.Channels != 0 {
		return fmt.Errorf("encode %s: %d samples are not a multiple of %d channels", w.out.Container, len(samples), w.out.Channels)
	}
	for i, x := range samples {
		if x-x != 0 { // infinite or not a number
			w.err = services.Internal(fmt.Errorf("sample %d is %v", w.frames*int64(w.out.Channels)+int64(i), x),
				"the sound contains a value that is not a number")
			return w.err
		}
	}
	frames := w.frames + int64(len(samples)/w.out.Channels)
	if err := w.out.Fits(frames); err != nil {
		w.err = err
		return err
	}
	for block := writeFrames * w.out.Channels; len(samples) > 0; {
		n := min(len(samples), block)
		if err := w.encoder.write(samples[:n]); err != nil {
			w.err = fmt.Errorf("encode %s: %w", w.out.Container, err)
			return w.err
		}
		samples = samples[n:]
	}
	w.frames = frames
	return nil
}

// Stop releases what the Writer holds, such as a running program. It does nothing after
// Close.
func (w *Writer) Stop() { w.encoder.stop() }

// Frames returns the number of frames written.
func (w *Writer) Frames() int64 { return w.frames }

// Close completes the file, which is invalid without it, and leaves the underlying
// writer at its end. After an error it returns that error.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("the file is closed")
	if err := w.encoder.close(); err != nil {
		return fmt.Errorf("encode %s: %w", w.out.Container, err)
	}
	return nil
}

// pcmEncoder writes uncompressed samples, with a header for WAV.
type pcmEncoder struct {
	w         io.WriteSeeker
	out       Output
	dataBytes int64
	buf       []byte
	// info is the chunk after the samples, so that the header has a fixed length.
	info []byte
}

func newPCMEncoder(w io.WriteSeeker, out Output, tags []Tag) (*pcmEncoder, error) {
	e := &pcmEncoder{w: w, out: out, info: infoChunk(tags)}
	return e, e.header()
}

// header writes the WAV header for the samples so far.
func (e *pcmEncoder) header() error {
	if e.out.Container != WAV {
		return nil
	}
	_, err := e.w.Write(e.out.wavHeader(e.dataBytes, int64(len(e.info))))
	return err
}

func (e *pcmEncoder) write(samples []float32) error {
	e.buf = appendSamples(e.buf[:0], samples, e.out.Depth)
	n, err := e.w.Write(e.buf)
	e.dataBytes += int64(n)
	return err
}

func (*pcmEncoder) stop() {}

func (e *pcmEncoder) close() error {
	if e.out.Container != WAV {
		return nil
	}
	if e.dataBytes%2 == 1 { // chunks have an even size; the padding is not counted
		if _, err := e.w.Write([]byte{0}); err != nil {
			return err
		}
	}
	if _, err := e.w.Write(e.info); err != nil {
		return err
	}
	if _, err := e.w.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := e.header(); err != nil {
		return err
	}
	_, err := e.w.Seek(0, io.SeekEnd)
	return err
}

// appendSamples appends little-endian samples.
func appendSamples(buf []byte, samples []float32, depth Depth) []byte {
	for _, x := range samples {
		switch depth {
		case Depth16:
			buf = binary.LittleEndian.AppendUint16(buf, uint16(quantise(x, 16)))
		case Depth24:
			v := quantise(x, 24)
			buf = append(buf, byte(v), byte(v>>8), byte(v>>16))
		case Depth32:
			buf = binary.LittleEndian.AppendUint32(buf, uint32(quantise(x, 32)))
		default:
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
		}
	}
	return buf
}

// quantise returns the nearest integer of the given number of bits, clipped. It is the
// inverse of the decoder's division by 2^(bits-1).
func quantise(x float32, bits int) int32 {
	scale := float64(int64(1) << (bits - 1))
	v := float64(x) * scale
	switch { // the sum with a half is exact: v has the 24 bits of a float32
	case v >= scale-1:
		return int32(scale - 1)
	case v <= -scale:
		return int32(-scale)
	case v >= 0:
		return int32(v + 0.5)
	}
	return int32(v - 0.5)
}
