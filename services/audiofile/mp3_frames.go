package audiofile

import (
	"io"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// maxMP3Junk is the maximum number of bytes before the first frame that are
	// searched.
	maxMP3Junk = 64 << 10
	// sureFrames consecutive frames of another rate cannot be a coincidence.
	sureFrames = 3
)

// mp3Frames reads the frames of a file. It skips tags by their size, and other bytes up
// to the next frame.
type mp3Frames struct {
	src    *source
	header mp3Header // of the first frame
	last   mp3Header // of the latest
	frame  []byte    // the latest; reused
	end    mp3End
}

// mp3End describes the data between and after the frames.
type mp3End struct {
	cut  bool  // the last frame is incomplete
	lost int64 // other bytes between frames, except zeros
	junk int64 // and after the last one
}

// openMP3 finds the first frame with sound.
func openMP3(f file) (*mp3Frames, mp3Notes, error) {
	src, err := openSource(f, bufferBytes)
	if err != nil {
		return nil, mp3Notes{}, err
	}
	frames := &mp3Frames{src: src}
	notes, err := frames.start()
	if err != nil {
		return nil, notes, src.headerFault(err, "an MP3 file")
	}
	return frames, notes, nil
}

// start finds the first frame, which must be followed by another one or the end of the
// file, and skips a frame with the encoder's information.
func (f *mp3Frames) start() (mp3Notes, error) {
	for f.src.offset() < maxMP3Junk {
		raw, err := f.src.Peek(mp3HeaderBytes)
		if err != nil {
			return mp3Notes{}, err
		}
		h, ok := parseMP3Header(raw)
		if !ok || !f.followed(h, 1) {
			if _, err := f.src.skipTo(0xff); err != nil {
				return mp3Notes{}, err
			}
			continue
		}
		if h.bytes == 0 {
			return mp3Notes{}, unsupported("is an MP3 file in free format")
		}
		f.header, f.last = h, h
		begin := f.src.offset()
		whole, err := f.src.Peek(h.bytes)
		if err != nil {
			return mp3Notes{}, err
		}
		notes, info := parseMP3Info(h, whole)
		if notes.bytes > 0 {
			notes.end = begin + notes.bytes
		}
		if info {
			_, err = f.src.Discard(h.bytes)
		}
		return notes, err
	}
	return mp3Notes{}, unsupported("looks like an MP3 file, but has no MPEG audio frame in its first %d bytes of sound", maxMP3Junk)
}

// followed reports whether n frames of the same kind follow the one at the current
// position. The end of the file or a tag counts as well.
func (f *mp3Frames) followed(h mp3Header, frames int) bool {
	if h.bytes == 0 {
		return true // not detectable, and not decoded
	}
	at, next := 0, h
	for range frames {
		at += next.bytes
		raw, err := f.src.Peek(at + tagHeadBytes)
		if err != nil && len(raw) < at+mp3HeaderBytes {
			return len(raw) >= at
		}
		if tagBytes(raw[at:]) > 0 || string(raw[at:at+3]) == "TAG" {
			return true
		}
		var ok bool
		if next, ok = parseMP3Header(raw[at:]); !ok || !next.continues(h) || next.channels != h.channels {
			return false
		}
	}
	return true
}

// next returns the next complete frame, valid until the next call, and io.EOF after the
// last one. A frame that cannot be decoded together with the previous ones is an error.
func (f *mp3Frames) next() ([]byte, error) {
	f.end.junk = 0
	for {
		raw, err := f.src.Peek(mp3HeaderBytes)
		if len(raw) < mp3HeaderBytes {
			if f.src.isEnd(err) {
				err = io.EOF
			}
			return nil, err
		}
		if h, ok := parseMP3Header(raw); ok && f.isFrame(h) {
			if !h.continues(f.header) {
				return nil, changedMP3(f.header, h)
			}
			frame, err := f.take(h)
			if _, notes := parseMP3Info(h, frame); err == nil && notes {
				continue // of a further file
			}
			return frame, err
		}
		if tag, err := f.src.skipTag(); err != nil {
			return nil, err
		} else if tag {
			continue
		}
		if f.end.junk == 0 {
			head, _ := f.src.Peek(sniffBytes)
			if what := another(head); what != "" {
				return nil, services.Invalidf(field, "continues as %s after its MP3 sound; send the parts as separate files", what)
			}
		}
		filled, err := f.src.skipTo(0xff)
		if f.end.junk += filled; err != nil && !f.src.isEnd(err) {
			return nil, err
		}
	}
}

// isFrame reports whether a header is that of a frame. Directly after a frame it must
// be of the same kind; elsewhere more frames of its kind must follow.
func (f *mp3Frames) isFrame(h mp3Header) bool {
	switch {
	case h.bytes <= mp3HeaderBytes+2+h.sideBytes():
		return false
	case !h.continues(f.header):
		return f.followed(h, sureFrames-1)
	case f.end.junk == 0 && h.channels == f.last.channels:
		return true
	default:
		return f.followed(h, 1)
	}
}

// take reads a frame.
func (f *mp3Frames) take(h mp3Header) ([]byte, error) {
	if cap(f.frame) < h.bytes {
		f.frame = make([]byte, h.bytes, 2048)
	}
	f.frame = f.frame[:h.bytes]
	if _, err := io.ReadFull(f.src, f.frame); err != nil {
		if f.src.isEnd(err) {
			f.end.cut, err = true, io.EOF
		}
		return nil, err
	}
	f.last = h
	f.end.lost += f.end.junk
	f.end.junk = 0
	return f.frame, nil
}

// changedMP3 returns the fault for a file whose frames change their rate or layer.
func changedMP3(before, after mp3Header) error {
	if before.layer != after.layer {
		return unsupported("is MPEG audio that changes within from layer %d to layer %d", before.layer, after.layer)
	}
	return unsupported("is an MP3 file that changes within from %d Hz to %d Hz", before.rateHz, after.rateHz)
}
