package audiofile

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Flags of the header of a track's fragment and of a run, ISO 14496-12 sections 8.8.7
// and 8.8.8.
const (
	tfhdBase     = 0x1
	tfhdEntry    = 0x2
	tfhdDuration = 0x8
	tfhdSize     = 0x10

	trunOffset   = 0x1
	trunFirst    = 0x4
	trunDuration = 0x100
	trunSize     = 0x200
	trunFields   = 0xf00
)

// mp4Fragments reads the runs of a track's fragments, one fragment at a time.
type mp4Fragments struct {
	m        *mp4Movie
	at       int64  // of the next box at the top; 0 if there are no fragments
	runs     []span // of the current fragment
	traf     mp4Traf
	duration int64 // of the samples so far
}

// mp4Traf is the header of a track in a fragment.
type mp4Traf struct {
	base           int64 // of the offsets
	duration, size uint32
	behind         int64 // the end of the latest run
}

// next loads the next run and reports whether there is one.
func (x *mp4Fragments) next(run *mp4Run) (bool, error) {
	for {
		for len(x.runs) > 0 {
			box := x.runs[0]
			x.runs = x.runs[1:]
			if ok, err := x.load(run, box); ok || err != nil {
				return ok, err
			}
		}
		if x.at == 0 || x.at+8 > x.m.f.size {
			return false, nil
		}
		if err := x.fragment(); err != nil {
			return false, err
		}
	}
}

// fragment visits the next box at the top, which may be a fragment.
func (x *mp4Fragments) fragment() error {
	raw, err := x.m.headers.bytes(x.at, int(min(16, x.m.f.size-x.at)))
	if err != nil {
		return err
	}
	begin, body, size := x.at, x.at+8, int64(binary.BigEndian.Uint32(raw))
	kind := string(raw[4:8])
	if size == 1 && len(raw) == 16 {
		body, size = x.at+16, int64(min(binary.BigEndian.Uint64(raw[8:]), math.MaxInt64>>1))
	}
	if size < body-x.at || size > x.m.f.size-x.at || !isChunkID(raw[4:8]) {
		x.at = x.m.f.size // to its end, or cut
		return nil
	}
	x.at += size
	x.m.boxes = 0
	if kind != "moof" {
		return nil
	}
	return x.m.walk(span{body, begin + size}, func(kind string, box span) error {
		if kind != "traf" {
			return nil
		}
		return x.track(begin, box)
	})
}

// track reads a track of a fragment that begins at an offset.
func (x *mp4Fragments) track(moof int64, box span) error {
	ours := false
	return x.m.walk(box, func(kind string, box span) error {
		switch kind {
		case "tfhd":
			raw, err := x.m.read(box, 32)
			if err != nil || len(raw) < 8 {
				return err
			}
			be := binary.BigEndian
			flags, id := be.Uint32(raw)&0xffffff, be.Uint32(raw[4:])
			if ours = id == x.m.track.id; !ours {
				return nil
			}
			defaults := x.m.defaults[id]
			x.traf = mp4Traf{base: moof, behind: moof, duration: defaults[0], size: defaults[1]}
			raw = raw[8:]
			for _, field := range []struct {
				flag uint32
				size int
				set  func(raw []byte)
			}{
				{tfhdBase, 8, func(raw []byte) { x.traf.base = int64(be.Uint64(raw)); x.traf.behind = x.traf.base }},
				{tfhdEntry, 4, func([]byte) {}},
				{tfhdDuration, 4, func(raw []byte) { x.traf.duration = be.Uint32(raw) }},
				{tfhdSize, 4, func(raw []byte) { x.traf.size = be.Uint32(raw) }},
			} {
				if flags&field.flag != 0 && len(raw) >= field.size {
					field.set(raw)
					raw = raw[field.size:]
				}
			}
		case "trun":
			if ours && len(x.runs) < maxChunks {
				x.runs = append(x.runs, box)
			}
		}
		return nil
	})
}

// load reads the header of a run and reports whether it has samples.
func (x *mp4Fragments) load(run *mp4Run, box span) (bool, error) {
	raw, err := x.m.read(box, 16)
	if err != nil || len(raw) < 8 {
		return false, err
	}
	be := binary.BigEndian
	flags, count := be.Uint32(raw)&0xffffff, be.Uint32(raw[4:])
	from := box.from + 8
	at := x.traf.behind
	if flags&trunOffset != 0 && len(raw) >= 12 {
		at = x.traf.base + int64(int32(be.Uint32(raw[8:])))
		from += 4
	}
	if flags&trunFirst != 0 {
		from += 4
	}
	entry := 4 * bits.OnesCount32(flags&trunFields)
	*run = mp4Run{at: at, left: int64(count), size: x.traf.size}
	var entries *table
	if entry > 0 {
		entries = newTable(x.m.f, from, box.to, entry, count)
		run.left = entries.count
	}
	if flags&trunSize != 0 {
		run.size, run.sizes, run.index = 0, entries, 0
		if flags&trunDuration != 0 { // it precedes the size
			entries.from += 4
		}
	} else if run.size == 0 {
		run.left = 0
	}
	return x.measure(run, flags, entries)
}

// measure adds up the durations and the sizes of a run.
func (x *mp4Fragments) measure(run *mp4Run, flags uint32, entries *table) (bool, error) {
	x.traf.behind = run.at + run.left*int64(run.size)
	duration := run.left * int64(x.traf.duration)
	if flags&(trunDuration|trunSize) != 0 && entries != nil {
		list := *entries // with a buffer of its own
		list.raw = nil
		if flags&trunDuration != 0 {
			duration = 0
		}
		for i := range run.left {
			if flags&trunSize != 0 {
				size, err := list.number(i, 0)
				if err != nil {
					return false, err
				}
				x.traf.behind += int64(size)
			}
			if flags&trunDuration != 0 {
				offset := 0
				if flags&trunSize != 0 {
					offset = -4
				}
				value, err := list.number(i, offset)
				if err != nil {
					return false, err
				}
				duration += int64(value)
			}
		}
	}
	x.duration += duration
	return run.left > 0, nil
}
