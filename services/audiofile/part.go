package audiofile

import (
	"errors"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// skipper is a decoder that can pass over frames without decoding all of them.
type skipper interface {
	// passOver passes over at most the given number of frames and returns their number. The
	// others are to be read.
	passOver(frames int64) (int64, error)
}

// checkPart checks the part of a recording that the limits select.
func (l Limits) checkPart() error {
	switch {
	case l.Start < 0 || math.IsNaN(l.Start) || math.IsInf(l.Start, 0):
		return services.Invalidf("start", "must be 0 s or above, got %v", l.Start)
	case l.End < 0 || math.IsNaN(l.End) || math.IsInf(l.End, 0):
		return services.Invalidf("end", "must be above 0 s, got %v", l.End)
	case l.End != 0 && l.End <= l.Start:
		return services.Invalidf("end", "must be after start, which is %v s, got %v", l.Start, l.End)
	}
	return nil
}

// lastSecond returns the second up to which a recording is needed, 0 if to its end.
func (l Limits) lastSecond() float64 {
	last := l.End
	if longest := l.Start + l.MaxDuration.Seconds(); l.MaxDuration > 0 && (last == 0 || longest < last) {
		last = longest
	}
	return last
}

// frameAt returns the frame at a time, or the greatest number if it overflows.
func frameAt(seconds float64, rateHz int) int64 {
	frame := math.Round(seconds * float64(rateHz))
	if frame >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(frame)
}

// selectPart restricts the reader to the part that its limits select.
func (r *Reader) selectPart() error {
	f := &r.format
	if r.limits.Start > 0 {
		r.before = frameAt(r.limits.Start, f.SampleRateHz)
		if !f.Guessed && f.Frames > 0 && r.before >= f.Frames {
			return r.behindEnd(f.Frames)
		}
	}
	r.left = math.MaxInt64
	if r.limits.End > 0 {
		r.left = frameAt(r.limits.End, f.SampleRateHz) - r.before
		if r.left <= 0 {
			return services.Invalidf("end", "must be after start by a sample at least")
		}
	}
	f.Frames = min(max(f.Frames-r.before, 0), r.left)
	if f.Guessed {
		f.Frames = max(f.Frames, 1)
	}
	return nil
}

// behindEnd returns the fault for a part that begins after a recording of the given
// number of frames.
func (r *Reader) behindEnd(frames int64) error {
	return services.Invalidf("start", "is %v s, the recording ends at %.3f s", r.limits.Start,
		float64(frames)/float64(r.format.SampleRateHz))
}

// skipBefore passes over what is before the part.
func (r *Reader) skipBefore() error {
	left := r.before
	if s, ok := r.decoder.(skipper); ok {
		n, err := s.passOver(left)
		if left -= n; err != nil {
			return err
		}
	}
	channels := r.format.Channels
	block := make([]float32, int(min(left, skipFrames))*channels)
	for left > 0 {
		n, err := r.decoder.read(block[:min(left, skipFrames)*int64(channels)])
		left -= int64(n)
		if errors.Is(err, io.EOF) && left >= 0 {
			return r.behindEnd(r.before - left)
		}
		if err != nil {
			return err
		}
	}
	r.before = 0
	return nil
}

// skipFrames is the number of frames that are decoded at a time before the part.
const skipFrames = 4096

// passOver implements skipper for files that can seek.
func (d *wavDecoder) passOver(frames int64) (int64, error) {
	seeker, ok := d.src.(io.Seeker)
	if !ok {
		return 0, nil
	}
	if d.frames >= 0 {
		frames = min(frames, d.frames-d.done)
	}
	if _, err := seeker.Seek(frames*int64(d.wave.frameBytes), io.SeekCurrent); err != nil {
		return 0, readFault(err)
	}
	d.done += frames
	return frames, nil
}

// mp3Preroll is the number of MP3 frames before a part that are decoded: those that the
// first one may refer back to, and what overlaps it.
const mp3Preroll = 12

// passOver implements skipper.
func (d *mp3Decoder) passOver(frames int64) (int64, error) {
	frames = min(frames, d.left)
	from := int64(len(d.rest) / d.channels)
	if from > 0 || frames == 0 { // only at the beginning
		return 0, nil
	}
	size := int64(d.frames.header.samples)
	d.skip += frames
	for d.skip >= (mp3Preroll+1)*size {
		if _, err := d.frames.next(); err != nil {
			return 0, d.frames.src.fault(err, float64(d.done)/float64(d.frames.header.rateHz))
		}
		d.skip -= size
	}
	d.left -= frames
	d.done += frames
	return frames, nil
}

// streamPreroll is the number of samples before a part that are decoded, after which a
// decoder has converged: more than two packets of Vorbis and 80 ms of Opus.
const streamPreroll = 48000

// passOver implements skipper. It passes over whole streams, and then over packets.
func (d *streamDecoder) passOver(frames int64) (int64, error) {
	skipped := int64(0)
	for skipped < frames {
		if d.left == 0 {
			if len(d.links) == 0 {
				return skipped, nil
			}
			if err := d.nextLink(); err != nil {
				return skipped, d.packets.source().fault(err, float64(d.done)/float64(d.rate))
			}
			continue
		}
		n := min(frames-skipped, d.left)
		if n < d.left {
			if err := d.skipPackets(n); err != nil {
				return skipped, d.packets.source().fault(err, float64(d.done)/float64(d.rate))
			}
		}
		d.left -= n
		d.done += n
		skipped += n
	}
	return skipped, nil
}

// skipPackets passes over packets of a stream of which none has been decoded, up to
// shortly before the given frame.
func (d *streamDecoder) skipPackets(frames int64) error {
	d.skip += frames
	for d.skip > streamPreroll {
		_, samples, err := d.packets.next()
		if err != nil {
			return err
		}
		d.skip -= int64(samples)
		d.jumped = true
	}
	return nil
}
