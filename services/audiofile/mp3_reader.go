package audiofile

import (
	"errors"
	"io"
	"strconv"

	"github.com/grym-synth/grym-synth/services"
)

// mp3Decoder decodes an MP3 file, or one of layer II, frame by frame.
type mp3Decoder struct {
	frames   *mp3Frames
	layer3   *mp3Layer3
	layer2   *mp2Layer2
	channels int
	skip     int64 // remaining samples of the encoder's delay
	left     int64 // remaining frames of sound
	done     int64
	pcm      [2 * 1152]float32
	rest     []float32 // position in pcm of the samples that have not been returned
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
	// Read from the beginning again, to decode.
	if frames, _, err = openMP3(f); err != nil {
		return nil, Format{}, err
	}
	total := count * int64(header.samples)
	d := &mp3Decoder{frames: frames, layer3: new(mp3Layer3), layer2: new(mp2Layer2), channels: channels, left: total}
	if notes.before > 0 && !f.junk { // as in ffmpeg
		d.skip = min(total, int64(notes.before)+mp3DecoderDelay)
		d.left = total - d.skip
		if notes.endsAt(f.whole, count) {
			d.left = max(0, d.left-max(0, int64(notes.behind)-mp3DecoderDelay))
		}
	}
	name := "mp" + strconv.Itoa(header.layer)
	return d, Format{Container: name, Encoding: name, SampleRateHz: header.rateHz, Channels: channels, Frames: d.left}, nil
}

// judge compares a completely read file with its encoder's information. If the stated
// count is too large the file is truncated, unless all its bytes are present and some
// are damaged.
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
		f.notes.trailing("has bytes after its MP3 frames that are not decoded")
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

// next decodes a frame. A frame with one channel in a stereo file is copied to both.
func (d *mp3Decoder) next() error {
	frame, err := d.frames.next()
	if err != nil {
		return err
	}
	h := d.frames.last
	if h.layer == 2 {
		d.layer2.decode(h, frame, d.pcm[:])
	} else {
		d.layer3.decode(h, frame, d.pcm[:])
	}
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
