package audiofile

import (
	"github.com/grym-synth/grym-synth/services"
)

const (
	// maxZeros is the maximum number of zeros before the sound, and maxJunk that of other
	// bytes before a file that begins with a mark.
	maxZeros = 1 << 20
	maxJunk  = 4 << 10
	// maxStarts is how often tags and other bytes may alternate before the sound.
	maxStarts = 4
)

// beginning returns the file without the tags and the bytes of no format before its
// sound, and its first bytes.
func (f file) beginning(limits Limits) (file, []byte, error) {
	head := make([]byte, min(f.size, sniffBytes))
	if err := readAt(f.r, 0, head); err != nil {
		return f, nil, err
	}
	for range maxStarts {
		begin, err := skipTags(f, head)
		if err != nil {
			return f, nil, err
		}
		f.tagged = f.tagged || begin > 0
		if begin == 0 {
			if _, what := sniff(head); what != unknownFormat {
				break
			}
			if begin, err = findSound(f, limits); err != nil || begin == 0 {
				return f, head, err
			}
			f.junk = true
		}
		f = f.part(begin, f.size)
		head = head[:min(int64(len(head)), f.size)]
		if err := readAt(f.r, 0, head); err != nil {
			return f, nil, err
		}
	}
	return f, head, nil
}

// findSound returns the offset of the first mark of a format, tag or run of MPEG frames
// after bytes of no format, or 0 if there is none. Frames behind other bytes than zeros
// are left to ffmpeg, because they may be packets of a container.
func findSound(f file, limits Limits) (int64, error) {
	w := window{f: f, room: bufferBytes}
	zeros := true
	for at := int64(0); at < min(f.size, maxZeros); at++ {
		raw, err := w.bytes(at, 1)
		if err != nil {
			return 0, err
		}
		filled := raw[0] != 0
		if at > 0 {
			if ok, err := beginsSound(&w, at, filled && (zeros || limits.FFmpeg == "")); ok || err != nil {
				return at, err
			}
		}
		if zeros = zeros && !filled; !zeros && at >= maxJunk {
			return 0, nil
		}
	}
	return 0, nil
}

// beginsSound reports whether a mark or, if wanted, a run of frames begins at an offset.
func beginsSound(w *window, at int64, frames bool) (bool, error) {
	raw, err := w.bytes(at, int(min(tagHeadBytes, w.f.size-at)))
	if err != nil {
		return false, err
	}
	if raw[0] == 0 && (len(raw) < 8 || string(raw[4:8]) != "ftyp") {
		return false, nil
	}
	if another(raw) != "" {
		return true, nil
	}
	if tagBytes(raw) > 0 && raw[6]|raw[7]|raw[8]|raw[9] < 0x80 {
		return true, nil
	}
	if !frames {
		return false, nil
	}
	first, ok := parseMP3Header(raw)
	if !ok || first.bytes == 0 {
		return false, nil
	}
	next := first
	for range sureFrames {
		at += int64(next.bytes)
		raw, err := w.bytes(at, int(min(mp3HeaderBytes, max(0, w.f.size-at))))
		if err != nil && services.KindOf(err) != services.KindInternal {
			return false, err
		}
		if next, ok = parseMP3Header(raw); !ok || !next.continues(first) || next.channels != first.channels {
			return false, nil
		}
	}
	return true, nil
}
