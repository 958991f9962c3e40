package audiofile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// bufferBytes is about how much of a file is held at a time.
const bufferBytes = 32 << 10

// Format describes a decoded file.
type Format struct {
	// Container is "wav", "flac", "mp3", "ogg", "webm", or "ffmpeg" for a file
	// that ffmpeg decodes.
	Container string
	// Encoding of the samples, named as ffmpeg names them: pcm_u8, pcm_s16le,
	// pcm_s24le, pcm_s32le, pcm_f32le, pcm_f64le, pcm_alaw, pcm_mulaw, flac, mp3
	// or opus.
	Encoding string
	// SampleRateHz is frames per second, never 0.
	SampleRateHz int
	// Channels that are interleaved, at least 1.
	Channels int
	// BitsPerSample as the file states them; 0 for a lossy encoding. For
	// integers they may be fewer than Encoding says: the value then stands in
	// the upper bits.
	BitsPerSample int
	// Frames is the number of samples of one channel, at least 1. It is what
	// the file announces, checked against its size where that can be done, and a
	// guess on the high side where Guessed is set; of a FLAC file that is cut short
	// fewer may follow. After the end was read, it is what was read. Allocate
	// nothing by it.
	Frames int64
	// Guessed is true while nobody knows the length: it shows at the end.
	Guessed bool
}

// Duration of the recording.
func (f Format) Duration() time.Duration { return duration(f.Frames, f.SampleRateHz) }

// Reader decodes one file by streaming: its memory does not grow with the
// file. Not safe for concurrent use; while it is used nothing else may read or
// seek the reader that it was opened on.
type Reader struct {
	decoder decoder
	limits  Limits
	notes   *report
	format  Format
	done    int64 // frames handed out
	err     error // given by every further call
}

// decoder gives the samples of one kind of file.
type decoder interface {
	// read decodes at least one and at most len(dst)/channels frames, which is
	// more than none. At the end of the sound it gives 0 and io.EOF; any other
	// error is a fault, and may come with the frames before it.
	read(dst []float32) (int, error)
}

// Open finds out what a file is from its content and reads its header; of
// compressed files also the headers of the blocks, which tell the length. size
// is the whole file's, in bytes; reading begins at the file's first byte,
// wherever r stands. The caller closes the Reader, and then r.
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
	f := file{r: r, size: size, notes: &report{strict: limits.Strict}}
	begin, err := skipTags(f, head)
	if err != nil {
		return nil, err
	}
	if begin > 0 {
		f = f.part(begin, size)
		f.tagged = true
		head = head[:min(int64(len(head)), f.size)]
		if err := readAt(f.r, 0, head); err != nil {
			return nil, err
		}
	}
	decoder, format, err := newDecoder(f, head, limits)
	if err != nil {
		return nil, err
	}
	reader := &Reader{decoder: decoder, limits: limits, notes: f.notes, format: format}
	if err := reader.check(); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return reader, nil
}

// check holds the header to the limits.
func (r *Reader) check() error {
	if r.format.Frames <= 0 {
		if cut := r.notes.nothingDecoded("it ends before its sound"); cut != nil {
			return cut
		}
		return services.Invalidf(field, "holds no samples: its header is right, but nothing was recorded after it")
	}
	if r.format.Guessed { // the length is held to its limit while it is read
		known := r.format
		known.Frames = 0
		return r.limits.checkFormat(known)
	}
	return r.limits.checkFormat(r.format)
}

// newDecoder chooses the decoder by the head of the file. What none of ours
// takes goes to ffmpeg, where there is one and the file may be sound at all.
func newDecoder(f file, head []byte, limits Limits) (decoder, Format, error) {
	kind, what := sniff(head)
	if f.tagged && what == unknownFormat {
		kind = kindMP3 // behind a tag, and perhaps junk
	}
	if kind == kindOther {
		return nil, Format{}, notAudio(head)
	}
	f.whole = f.size
	if kind != kindWAV { // which says itself where its samples end
		var err error
		if f, err = withoutTagsBehind(f); err != nil {
			return nil, Format{}, err
		}
	}
	d, format, err := ownDecoder(f, kind, head)
	if kind == kindMedia && what == unknownFormat && limits.FFmpeg == "" { // perhaps a piece of an MP3 file
		if mp3, format, err := newMP3Decoder(f); err == nil {
			return mp3, format, nil
		}
	}
	if err != nil && limits.FFmpeg != "" && services.KindOf(err) == services.KindUnsupported {
		return newFFmpegDecoder(f, head, limits, err)
	}
	return d, format, err
}

// ownDecoder decodes what is decoded here.
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
	default:
		return nil, Format{}, unsupported("is %s", describe(head))
	}
}

// notAudio refuses a file by what it looks like.
func notAudio(head []byte) error {
	if string(head[:min(4, len(head))]) == "RIFF" && len(head) < riffHeaderBytes {
		return services.Invalidf(field, "is cut short: a WAV header has %d bytes, %d are there; upload the whole file", riffHeaderBytes, len(head))
	}
	return unsupported("is %s", describe(head))
}

// Warnings returns what is unusual about the file; each code at most once. The
// list is complete when the end was read.
func (r *Reader) Warnings() []services.Warning { return slices.Clone(r.notes.warnings) }

// Format of the file.
func (r *Reader) Format() Format { return r.format }

// Close ends what the decoder runs, which is something for ffmpeg only. It
// leaves the file open. Calling it twice does nothing.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = errors.New("the audio reader is closed")
	}
	if c, ok := r.decoder.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// ReadFrames fills dst with interleaved samples in [-1, 1] and returns the
// number of frames, as many as dst holds unless the recording ends. At the end
// it returns 0 and io.EOF. Float samples beyond [-1, 1] are passed as they are.
//
// Errors are faults: invalid for a sample that is no number, for damage and,
// where Limits.Strict is set, for a file that is cut short; too_large for a recording that
// turns out longer than the limit. An error is final. A dst that does not hold
// one frame gives io.ErrShortBuffer.
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
	channels := r.format.Channels
	want := len(dst) / channels
	if want == 0 {
		return 0, io.ErrShortBuffer
	}
	got := 0
	for got < want && r.err == nil {
		var n int
		n, r.err = r.decoder.read(dst[got*channels : want*channels])
		got += n
		r.done += int64(n)
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

// end settles the length.
func (r *Reader) end() {
	if r.done == 0 {
		if r.err = r.notes.nothingDecoded("it ends before its sound"); r.err != nil {
			return
		}
		r.err = services.Invalidf(field, "holds no samples: its header is right, but nothing was recorded after it")
		return
	}
	r.format.Frames, r.format.Guessed = r.done, false
}
