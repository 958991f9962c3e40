package audiofile

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// bufferBytes is about how much of a file is held at a time.
const bufferBytes = 32 << 10

// Format describes a decoded file.
type Format struct {
	// Container is "wav".
	Container string
	// Encoding of the samples, named as ffmpeg names them: pcm_u8, pcm_s16le,
	// pcm_s24le, pcm_s32le, pcm_f32le, pcm_f64le, pcm_alaw or pcm_mulaw.
	Encoding string
	// SampleRateHz is frames per second, never 0.
	SampleRateHz int
	// Channels that are interleaved, at least 1.
	Channels int
	// BitsPerSample as the file states them. For integers they may be fewer
	// than Encoding says: the value then stands in the upper bits.
	BitsPerSample int
	// Frames is the number of samples of one channel, at least 1.
	Frames int64
}

// Duration of the recording.
func (f Format) Duration() time.Duration { return duration(f.Frames, f.SampleRateHz) }

// Reader decodes one file by streaming: its memory does not grow with the
// file. Not safe for concurrent use; while it is used nothing else may read or
// seek the reader that it was opened on.
type Reader struct {
	src    io.Reader
	format Format
	wave   waveFormat
	raw    []byte // a whole number of frames
	done   int64  // frames handed out
	err    error  // given by every further call
}

// Open reads the header, never the samples. size is the whole file's, in
// bytes; reading begins at the file's first byte, wherever r stands.
//
// Errors are faults: invalid for a damaged file, unsupported for a format that
// is not decoded, too_large over a limit (with every limit that is exceeded).
func Open(r io.ReadSeeker, size int64, limits Limits) (reader *Reader, err error) {
	defer func() {
		if p := recover(); p != nil {
			reader, err = nil, panicFault(p)
		}
	}()
	return open(r, size, limits)
}

// open is Open without the recovery, so that tests see a panic.
func open(r io.ReadSeeker, size int64, limits Limits) (*Reader, error) {
	if size < 0 {
		return nil, services.Internal(fmt.Errorf("audio file of %d bytes", size), "the audio could not be read")
	}
	if size == 0 {
		return nil, services.Invalidf(field, "is empty (0 bytes)")
	}
	if err := limits.checkBytes(size); err != nil {
		return nil, err
	}
	head := make([]byte, min(size, sniffBytes))
	if err := readAt(r, 0, head); err != nil {
		return nil, err
	}
	if !isWAV(head) {
		return nil, notWAV(head)
	}
	layout, err := findChunks(r, head, size)
	if err != nil {
		return nil, err
	}
	wave, err := parseFormat(layout.format)
	if err != nil {
		return nil, err
	}
	bytes, err := layout.sampleBytes(int64(wave.frameBytes), wave.sampleRateHz)
	if err != nil {
		return nil, err
	}
	format := Format{
		Container:     "wav",
		Encoding:      wave.codec.encoding,
		SampleRateHz:  wave.sampleRateHz,
		Channels:      wave.channels,
		BitsPerSample: wave.bits,
		Frames:        bytes / int64(wave.frameBytes),
	}
	if format.Frames == 0 {
		return nil, services.Invalidf(field, "holds no samples: its header is right, but nothing was recorded after it")
	}
	if err := limits.checkFormat(format); err != nil {
		return nil, err
	}
	if _, err := r.Seek(layout.dataAt, io.SeekStart); err != nil {
		return nil, readFault(err)
	}
	frames := max(1, bufferBytes/wave.frameBytes)
	return &Reader{src: r, format: format, wave: wave, raw: make([]byte, frames*wave.frameBytes)}, nil
}

// notWAV refuses a file by what it looks like.
func notWAV(head []byte) error {
	if what := describe(head); what != "" {
		return unsupported("is %s", what)
	}
	if string(head[:min(4, len(head))]) == "RIFF" && len(head) < riffHeaderBytes {
		return services.Invalidf(field, "is cut short: a WAV header has %d bytes, %d are there; upload the whole file", riffHeaderBytes, len(head))
	}
	return unsupported("is not in an audio format that is known here")
}

// Format of the file.
func (r *Reader) Format() Format { return r.format }

// ReadFrames fills dst with interleaved samples in [-1, 1] and returns the
// number of frames, as many as dst holds unless the recording ends. At the end
// it returns 0 and io.EOF. Float samples beyond [-1, 1] are passed as they are.
//
// Errors are faults: invalid for a sample that is no number and for a file
// that ends before its announced size. An error is final. A dst that does not
// hold one frame gives io.ErrShortBuffer.
func (r *Reader) ReadFrames(dst []float32) (frames int, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.err = panicFault(p)
			frames, err = 0, r.err
		}
	}()
	return r.readFrames(dst)
}

// readFrames is ReadFrames without the recovery, so that tests see a panic.
func (r *Reader) readFrames(dst []float32) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.done == r.format.Frames {
		return 0, io.EOF
	}
	if len(dst) < r.format.Channels {
		return 0, io.ErrShortBuffer
	}
	want := int(min(int64(len(dst)/r.format.Channels), r.format.Frames-r.done))
	got := 0
	for got < want && r.err == nil {
		n := r.fill(dst[got*r.format.Channels:], want-got)
		got += n
		r.done += int64(n)
	}
	if got == 0 {
		return 0, r.err
	}
	return got, nil
}

// fill decodes up to want frames, at most one buffer, and sets r.err where the
// stream goes wrong.
func (r *Reader) fill(dst []float32, want int) int {
	raw := r.raw[:min(want*r.wave.frameBytes, len(r.raw))]
	n, err := io.ReadFull(r.src, raw)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.err = services.Invalidf(field, "is cut short: %d frames were announced, it ends after %d; upload the whole file",
			r.format.Frames, r.done+int64(n/r.wave.frameBytes))
	case err != nil:
		r.err = readFault(err)
	}
	whole := n / r.wave.frameBytes
	good := r.wave.codec.decode(dst, raw[:whole*r.wave.frameBytes])
	if good < whole*r.format.Channels {
		frame, channel := good/r.format.Channels, good%r.format.Channels
		at := float64(r.done+int64(frame)) / float64(r.format.SampleRateHz)
		r.err = services.Invalidf(field, "holds a sample that is not a usable number (NaN, infinite or beyond single precision) at %.4f s, channel %d",
			at, channel+1)
		return frame
	}
	return whole
}
