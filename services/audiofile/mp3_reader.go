package audiofile

import (
	"errors"
	"io"

	"github.com/grym-synth/grym-synth/services"
)

// mp3Decoder decodes an MP3 file, frame by frame.
type mp3Decoder struct {
	frames   *mp3Frames
	layer3   *mp3Layer3
	channels int
	skip     int64 // samples of the encoder's delay that are still to come
	left     int64 // frames of sound that are still to come
	done     int64
	pcm      [2 * 1152]float32
	rest     []float32 // of pcm, not handed out yet
}

func newMP3Decoder(f file) (decoder, Format, error) {
	frames, notes, err := openMP3(f)
	if err != nil {
		return nil, Format{}, err
	}
	header := frames.header
	count, channels := int64(0), header.channels
	for {
		if _, err := frames.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, Format{}, frames.src.fault(err, float64(count)*float64(header.samples)/float64(header.rateHz))
		}
		count++
		channels = max(channels, frames.last.channels)
	}
	if err := frames.end.judge(f, notes, count); err != nil {
		return nil, Format{}, err
	}
	// From the beginning again, to decode.
	if frames, _, err = openMP3(f); err != nil {
		return nil, Format{}, err
	}
	total := count * int64(header.samples)
	d := &mp3Decoder{frames: frames, layer3: new(mp3Layer3), channels: channels, left: total}
	if notes.before > 0 {
		d.skip = min(total, int64(notes.before)+mp3DecoderDelay)
		d.left = total - d.skip
		if notes.endsAt(f.whole, count) {
			d.left = max(0, d.left-max(0, int64(notes.behind)-mp3DecoderDelay))
		}
	}
	return d, Format{Container: "mp3", Encoding: "mp3", SampleRateHz: header.rateHz, Channels: channels, Frames: d.left}, nil
}

// judge compares a file that was read through with what its encoder noted. A
// count that is too large is a file that was cut, unless its bytes are all there
// and some of them are damaged.
func (e *mp3End) judge(f file, notes mp3Notes, frames int64) error {
	damaged := e.lost > 0 && notes.end > 0 && notes.end <= f.size
	switch {
	case frames == 0 && e.cut:
		return services.Invalidf(field, "is cut short: it ends within its first MP3 frame; upload the whole file")
	case frames+1 < notes.frames && !damaged:
		return f.notes.truncated("it announces %d MP3 frames, %d are there", notes.frames, frames)
	case e.cut && frames < notes.frames, e.cut && notes.frames == 0:
		return f.notes.truncated("it ends within its MP3 frame %d", frames+1)
	case e.junk > 0:
		f.notes.trailing("has bytes behind its MP3 frames that are none, and are not decoded")
	}
	return nil
}

// read implements decoder.
func (d *mp3Decoder) read(dst []float32) (int, error) {
	for len(d.rest) == 0 {
		if d.left == 0 {
			return 0, io.EOF
		}
		if err := d.next(); err != nil {
			return 0, d.frames.src.fault(err, float64(d.done)/float64(d.frames.header.rateHz))
		}
	}
	n := min(len(dst)/d.channels, len(d.rest)/d.channels)
	n = int(min(int64(n), d.left))
	copy(dst, d.rest[:n*d.channels])
	d.rest = d.rest[n*d.channels:]
	d.done += int64(n)
	if d.left -= int64(n); d.left == 0 {
		d.rest = nil
	}
	return n, nil
}

// next decodes a frame. One of a single channel in a file of two sounds in
// both.
func (d *mp3Decoder) next() error {
	frame, err := d.frames.next()
	if err != nil {
		return err
	}
	h := d.frames.last
	d.layer3.decode(h, frame, d.pcm[:])
	if h.channels < d.channels {
		for i := h.samples - 1; i >= 0; i-- {
			d.pcm[2*i], d.pcm[2*i+1] = d.pcm[i], d.pcm[i]
		}
	}
	drop := min(d.skip, int64(h.samples))
	d.skip -= drop
	d.rest = d.pcm[int(drop)*d.channels : h.samples*d.channels]
	return nil
}
