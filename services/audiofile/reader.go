package audiofile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// bufferBytes is about how much of a file is buffered at a time.
const bufferBytes = 32 << 10

// Format describes a decoded file.
type Format struct {
	// Container is "wav", "flac", "mp3", "mp2", "ogg", "webm" (also for Matroska), "mp4"
	// (also for QuickTime), "aiff", "au", "caf", "w64", or "ffmpeg" for a file that ffmpeg
	// decodes.
	Container string
	// Encoding of the samples, named as in ffmpeg: pcm_u8, pcm_s8, pcm_s16le, pcm_s24le,
	// pcm_s32le, pcm_f32le, pcm_f64le, those that end with be, pcm_alaw, pcm_mulaw, flac,
	// alac, mp3, mp2, opus or vorbis.
	Encoding string
	// SampleRateHz is the number of frames per second; never 0.
	SampleRateHz int
	// Channels is the number of interleaved channels, at least 1.
	Channels int
	// BitsPerSample as stated by the file; 0 for a lossy encoding. It may be lower than
	// that of Encoding, in which case the value is in the upper bits.
	BitsPerSample int
	// Frames is the number of samples of one channel, at least 1. It is the length
	// stated by the file, verified against its size if possible. If Guessed is set it
	// is an estimate on the high side. A truncated FLAC file may have fewer. After the
	// end has been read it is exact. Allocations must not depend on it.
	Frames int64
	// Guessed reports whether the length is unknown until the end has been read.
	Guessed bool
}

// Duration returns the length of the recording.
func (f Format) Duration() time.Duration { return duration(f.Frames, f.SampleRateHz) }

// Reader decodes one file as a stream, so its memory does not grow with the file. Not
// safe for concurrent use. While it is in use, nothing else may read or seek the
// underlying reader.
type Reader struct {
	decoder decoder
	limits  Limits
	notes   *report
	format  Format
	before  int64 // frames before the part that have not been skipped
	left    int64 // frames of the part at most that have not been returned
	done    int64 // frames returned
	err     error // returned by every further call
}

// decoder decodes one kind of file.
type decoder interface {
	// read decodes at least one and at most len(dst)/channels frames, which is at least
	// one. At the end of the sound it returns 0 and io.EOF. Any other error is a fault,
	// and may be returned together with the frames before it.
	read(dst []float32) (int, error)
}

// Open detects a file's format from its content and reads its header. For compressed
// files it also reads the headers of the blocks to determine the length. size is the
// size of the whole file in bytes. Reading starts at the file's first byte regardless
// of the position of r. The caller closes the Reader, and then r.
//
// Errors are faults: KindInvalid for a damaged file, KindUnsupported for an unsupported
// format, and KindTooLarge, with every limit that is exceeded.
func Open(r io.ReadSeeker, size int64, limits Limits) (reader *Reader, err error) {
	defer func() {
		if p := recover(); p != nil {
			reader, err = nil, panicFault(p)
		}
	}()
	return open(r, size, limits)
}

// open is Open without the recovery, so that tests can observe a panic.
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
	if err := limits.checkPart(); err != nil {
		return nil, err
	}
	f, head, err := file{r: r, size: size, notes: &report{strict: limits.Strict}}.beginning(limits)
	if err != nil {
		return nil, err
	}
	decoder, format, err := newDecoder(f, head, limits)
	if err != nil {
		return nil, err
	}
	reader := &Reader{decoder: decoder, limits: limits, notes: f.notes, format: format}
	if err := cmp.Or(reader.selectPart(), reader.check()); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return reader, nil
}

// check compares the header with the limits.
func (r *Reader) check() error {
	if r.format.Frames <= 0 {
		if cut := r.notes.nothingDecoded("it ends before its sound"); cut != nil {
			return cut
		}
		return services.Invalidf(field, "contains no samples: its header is valid, but nothing was recorded after it")
	}
	if r.format.Guessed { // the length is compared with its limit while reading
		known := r.format
		known.Frames = 0
		return r.limits.checkFormat(known)
	}
	return r.limits.checkFormat(r.format)
}

// newDecoder selects the decoder by the beginning of the file. Files without a native
// decoder are decoded by ffmpeg if it is available and the file may contain sound.
func newDecoder(f file, head []byte, limits Limits) (decoder, Format, error) {
	kind, what := sniff(head)
	if f.tagged && what == unknownFormat {
		kind = kindMP3 // after a tag, and possibly other bytes
	}
	if kind == kindOther {
		return nil, Format{}, notAudio(head)
	}
	f.whole = f.size
	if kind != kindWAV { // which states where its samples end
		var err error
		if f, err = withoutTagsBehind(f); err != nil {
			return nil, Format{}, err
		}
	}
	d, format, err := ownDecoder(f, kind, head)
	if kind == kindMedia && what == unknownFormat && limits.FFmpeg == "" { // possibly a part of an MP3 file
		if mp3, format, err := newMP3Decoder(f); err == nil {
			return mp3, format, nil
		}
	}
	if err != nil && limits.FFmpeg != "" && services.KindOf(err) == services.KindUnsupported {
		return newFFmpegDecoder(f, head, limits, err)
	}
	return d, format, err
}

// ownDecoder returns a native decoder.
func ownDecoder(f file, kind kind, head []byte) (decoder, Format, error) {
	switch kind {
	case kindWAV:
		return newWAVDecoder(f, head)
	case kindFLAC:
		return newFLACDecoder(f)
	case kindMP3:
		return newMP3Decoder(f)
	case kindOgg:
		return newOggDecoder(f)
	case kindWebM:
		return newWebMDecoder(f)
	case kindAIFF:
		return newAIFFDecoder(f, head)
	case kindAU:
		return newAUDecoder(f, head)
	case kindWave64:
		return newWave64Decoder(f, head)
	case kindCAF:
		return newCAFDecoder(f)
	case kindMP4:
		return newMP4Decoder(f, head)
	default:
		return nil, Format{}, unsupported("is %s", describe(head))
	}
}

// notAudio returns a fault for a file that does not look like audio.
func notAudio(head []byte) error {
	if string(head[:min(4, len(head))]) == "RIFF" && len(head) < riffHeaderBytes {
		return services.Invalidf(field, "is cut short: a WAV header has %d bytes, %d are there; upload the whole file", riffHeaderBytes,
			len(head))
	}
	return unsupported("is %s", describe(head))
}

// Warnings returns the warnings about the file, each code at most once. The list is
// complete when the end has been read.
func (r *Reader) Warnings() []services.Warning { return slices.Clone(r.notes.warnings) }

// Format returns the format of the file.
func (r *Reader) Format() Format { return r.format }

// Close releases the decoder, which stops ffmpeg if it is used. It does not close the
// file. Calling it twice does nothing.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = errors.New("the audio reader is closed")
	}
	if c, ok := r.decoder.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// ReadFrames fills dst with interleaved samples in [-1, 1] and returns the number of
// frames, which is less than dst holds only at the end of the recording. At the end it
// returns 0 and io.EOF. Float samples beyond [-1, 1] are returned unchanged.
//
// Errors are faults: KindInvalid for a sample that is not a number, for damage and, if
// Limits.Strict is set, for a truncated file; KindTooLarge for a recording that turns
// out to be longer than the limit. An error is final. If dst cannot hold one frame, it
// returns io.ErrShortBuffer.
func (r *Reader) ReadFrames(dst []float32) (frames int, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.err = panicFault(p)
			frames, err = 0, r.err
		}
	}()
	return r.readFrames(dst)
}

// readFrames is ReadFrames without the recovery, so that tests can observe a panic.
func (r *Reader) readFrames(dst []float32) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	channels := r.format.Channels
	want := len(dst) / channels
	if want == 0 {
		return 0, io.ErrShortBuffer
	}
	if r.before > 0 {
		if r.err = r.skipBefore(); r.err != nil {
			return 0, r.err
		}
	}
	got := 0
	for got < want && r.err == nil {
		if r.left == 0 {
			r.err = io.EOF
			break
		}
		var n int
		n, r.err = r.decoder.read(dst[got*channels : int(min(int64(want), int64(got)+r.left))*channels])
		got += n
		r.done += int64(n)
		r.left -= int64(n)
		if err := r.limits.checkLength(r.done, r.format.SampleRateHz); err != nil && (r.err == nil || errors.Is(r.err, io.EOF)) {
			r.err = err
		}
	}
	if errors.Is(r.err, io.EOF) {
		r.end()
	}
	if got == 0 {
		return 0, r.err
	}
	return got, nil
}

// end sets the final length.
func (r *Reader) end() {
	if r.done == 0 {
		if r.err = r.notes.nothingDecoded("it ends before its sound"); r.err != nil {
			return
		}
		r.err = services.Invalidf(field, "contains no samples: its header is valid, but nothing was recorded after it")
		return
	}
	r.format.Frames, r.format.Guessed = r.done, false
}
