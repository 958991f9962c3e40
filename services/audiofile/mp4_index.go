package audiofile

import (
	"encoding/binary"
	"io"
	"math"
)

// pcmGroup is the number of frames of PCM that are read as one packet.
const pcmGroup = 1024

// mp4Run are samples that lie one behind the other: a chunk of a track or a run of a
// fragment.
type mp4Run struct {
	at    int64
	left  int64
	size  uint32 // of each sample, or 0 if they are in sizes
	sizes *table
	index int64 // of the next sample in sizes
}

// mp4Index implements packetIndex.
type mp4Index struct {
	m     *mp4Movie
	track *mp4Track
	frame int64 // size of a frame of PCM; 0 for packets
	run   mp4Run

	chunks   *table // offsets
	wide     bool   // of 64 bits
	chunk    int64
	groups   *table // how many samples chunks have
	group    int64
	perChunk int64
	regroup  int64 // chunk at which the next group begins
	sizes    *table
	size     uint32 // of every sample, or 0
	sample   int64
	samples  int64 // in the tables

	fragments mp4Fragments
}

// newMP4Index returns an index at the first packet.
func newMP4Index(m *mp4Movie) *mp4Index {
	x := &mp4Index{m: m, track: m.track, fragments: mp4Fragments{m: m, at: m.first}}
	if pcm, ok := m.track.head.coding.(pcmCoding); ok {
		x.frame = int64(pcm.wave.frameBytes)
	}
	return x
}

// next implements packetIndex.
func (x *mp4Index) next() (at, size int64, err error) {
	if x.chunks == nil {
		if err := x.open(); err != nil {
			return 0, 0, err
		}
	}
	for x.run.left <= 0 {
		x.run.left = 0
		more, err := x.nextChunk()
		if err == nil && !more {
			more, err = x.fragments.next(&x.run)
		}
		if err != nil {
			return 0, 0, err
		}
		if !more {
			return 0, 0, io.EOF
		}
	}
	n := int64(1)
	switch {
	case x.frame > 0:
		n = min(x.run.left, pcmGroup, max(1, maxPCMPacket/x.frame))
		size = n * x.frame
	case x.run.size > 0:
		size = int64(x.run.size)
	default:
		value, err := x.run.sizes.number(x.run.index, 0)
		if err != nil {
			return 0, 0, err
		}
		size = int64(value)
	}
	at = x.run.at
	x.run.at += size
	x.run.left -= n
	x.run.index += n
	return at, size, nil
}

// open finds the tables.
func (x *mp4Index) open() error {
	f := x.m.f
	read := func(kind string, entry, header int) (*table, []byte, error) {
		box := x.track.tables[kind]
		if box.to-box.from < int64(header) {
			return newTable(f, 0, 0, entry, 0), make([]byte, header), nil
		}
		raw, err := x.m.read(box, int64(header))
		if err != nil {
			return nil, nil, err
		}
		return newTable(f, box.from+int64(header), box.to, entry, binary.BigEndian.Uint32(raw[header-4:])), raw, nil
	}
	var raw []byte
	var err error
	if x.sizes, raw, err = read("stsz", 4, 12); err != nil {
		return err
	}
	x.size = binary.BigEndian.Uint32(raw[4:])
	x.samples = x.sizes.count
	if x.size > 0 || x.frame > 0 {
		x.samples = int64(binary.BigEndian.Uint32(raw[8:]))
	}
	if x.groups, _, err = read("stsc", 12, 8); err != nil {
		return err
	}
	if x.chunks, _, err = read("stco", 4, 8); err != nil {
		return err
	}
	if x.chunks.count == 0 {
		x.wide = true
		x.chunks, _, err = read("co64", 8, 8)
	}
	return err
}

// nextChunk loads the next chunk and reports whether there is one.
func (x *mp4Index) nextChunk() (bool, error) {
	if x.chunk >= x.chunks.count || x.sample >= x.samples {
		return false, nil
	}
	for x.group < x.groups.count && x.chunk >= x.regroup {
		count, err := x.groups.number(x.group, 4)
		if err != nil {
			return false, err
		}
		if entry, err := x.groups.number(x.group, 8); err != nil {
			return false, err
		} else if entry != 1 {
			return false, unsupported("is an MP4 file that changes its codec")
		}
		x.perChunk, x.regroup = int64(count), math.MaxInt64
		if x.group++; x.group < x.groups.count {
			first, err := x.groups.number(x.group, 0)
			if err != nil {
				return false, err
			}
			x.regroup = int64(first) - 1
		}
	}
	offset, err := x.chunks.number(x.chunk, 0)
	at := int64(offset)
	if x.wide && err == nil {
		offset, err = x.chunks.number(x.chunk, 4)
		at = at<<32 | int64(offset)
	}
	if err != nil {
		return false, err
	}
	x.chunk++
	n := min(x.perChunk, x.samples-x.sample)
	x.run = mp4Run{at: at, left: n, size: x.size, sizes: x.sizes, index: x.sample}
	x.sample += n
	return true, nil
}

// trims implements packetIndex. The start is in the list of edits, otherwise in the
// header of the codec. Of Opus the durations have the padding at the end.
func (x *mp4Index) trims(samples int64) (lead, tail int64, err error) {
	track := x.track
	if track.rate == 0 {
		return 0, 0, nil
	}
	scaled := func(units int64) int64 {
		return int64(math.Round(float64(units) * float64(track.head.rate) / float64(track.rate)))
	}
	if track.edits.listed {
		lead = min(scaled(track.edits.begin), samples) - int64(track.head.preSkip)
	}
	if track.head.codec != "opus" {
		return lead, 0, nil
	}
	units, err := x.durations()
	return lead, samples - scaled(units), err
}

// durations returns the sum of the durations of all samples.
func (x *mp4Index) durations() (int64, error) {
	sum := x.fragments.duration
	box := x.track.tables["stts"]
	if box.to-box.from < 8 {
		return sum, nil
	}
	raw, err := x.m.read(box, 8)
	if err != nil {
		return 0, err
	}
	list := newTable(x.m.f, box.from+8, box.to, 8, binary.BigEndian.Uint32(raw[4:]))
	for i := range list.count {
		count, err := list.number(i, 0)
		if err != nil {
			return 0, err
		}
		delta, err := list.number(i, 4)
		if err != nil {
			return 0, err
		}
		sum += int64(min(uint64(count)*uint64(delta), 1<<40))
	}
	return sum, nil
}
