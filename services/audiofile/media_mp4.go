package audiofile

import (
	"encoding/binary"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// isMP4 recognises the first box of an MP4 or QuickTime file, old ones of which
// begin without one of their type.
func isMP4(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch string(head[4:8]) {
	case "ftyp", "moov", "mdat", "wide", "free", "skip", "pnot":
		return true
	}
	return false
}

// maxMP4Tracks that are followed through fragments.
const maxMP4Tracks = 64

// judgeMP4 walks the outer boxes. Of two files one behind another ffmpeg decodes
// the first, or loses some of the fragments, whose times begin anew.
func judgeMP4(f file) error {
	indexes, latest := 0, map[uint32]uint64{}
	at := int64(0)
	for n := 0; n < maxMediaParts && at+8 <= f.size; n++ {
		var header [16]byte
		if _, err := peekAt(f.r, at, header[:min(16, f.size-at)]); err != nil {
			return err
		}
		size, kind := int64(binary.BigEndian.Uint32(header[:4])), string(header[4:8])
		switch {
		case !isChunkID(header[4:8]):
			return noteBehind(f, at, "its last box")
		case size == 0:
			size = f.size - at
		case size == 1:
			size = int64(min(binary.BigEndian.Uint64(header[8:]), math.MaxInt64>>1))
		}
		if size < 8 {
			return noteBehind(f, at, "its last box")
		}
		switch kind {
		case "moov":
			indexes++
			if indexes > 1 && len(latest) == 0 {
				return twoMP4()
			}
		case "moof":
			track, time, err := fragmentTime(f, at+8, at+size)
			if err != nil {
				return err
			}
			if last, known := latest[track]; known && indexes > 1 && time <= last {
				return twoMP4()
			}
			if len(latest) < maxMP4Tracks {
				latest[track] = max(latest[track], time)
			}
		}
		if at += size; at <= f.size {
			continue
		}
		if indexes == 0 {
			return services.Invalidf(field, "is cut short: it ends within its %s box, before its index (moov), "+
				"without which it cannot be decoded; upload the whole file", kind)
		}
		return f.notes.truncated("its %s box has %d bytes more than there are", kind, at-f.size)
	}
	return nil
}

func twoMP4() error {
	return services.Invalidf(field, "is two MP4 files one behind the other, of which not all would be heard; "+
		"send the parts as files of their own")
}

// fragmentTime returns the first track of a fragment and where it begins, in
// its units; 0 where it does not say.
func fragmentTime(f file, from, to int64) (track uint32, time uint64, err error) {
	const most = 64 << 10
	raw := make([]byte, max(0, min(to-from, most, f.size-from)))
	n, err := peekAt(f.r, from, raw)
	if err != nil {
		return 0, 0, err
	}
	fragment := innerBox(raw[:n], "traf")
	if header := innerBox(fragment, "tfhd"); len(header) >= 8 {
		track = binary.BigEndian.Uint32(header[4:])
	}
	switch begin := innerBox(fragment, "tfdt"); {
	case len(begin) >= 12 && begin[0] == 1:
		time = binary.BigEndian.Uint64(begin[4:])
	case len(begin) >= 8:
		time = uint64(binary.BigEndian.Uint32(begin[4:]))
	}
	return track, time, nil
}

// innerBox returns the body of the first box of a kind, nil where there is none.
func innerBox(raw []byte, kind string) []byte {
	for len(raw) >= 8 {
		size := int64(binary.BigEndian.Uint32(raw))
		if size < 8 || size > int64(len(raw)) {
			return nil
		}
		if string(raw[4:8]) == kind {
			return raw[8:size]
		}
		raw = raw[size:]
	}
	return nil
}
