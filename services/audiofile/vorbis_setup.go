package audiofile

import (
	"errors"
	"math"
	"math/bits"
)

// Limits of a setup header, far above those of any encoder, and low enough for the
// decoder's memory of a fixed size.
const (
	maxVorbisEntries = 128 << 10 // of all codebooks
	maxVorbisValues  = 512 << 10 // of all their vectors
)

var errVorbisSetup = errors.New("a damaged setup header")

// lowBits reads numbers that begin at the lowest bit of a byte.
type lowBits struct {
	raw  []byte
	at   int // in bits
	over bool
}

// read returns a number of at most 32 bits, and 0 after the end.
func (r *lowBits) read(count int) uint32 {
	if r.at+count > 8*len(r.raw) {
		r.over = true
		return 0
	}
	var value uint64
	for got := 0; got < count; {
		part := min(count-got, 8-r.at%8)
		value |= uint64(r.raw[r.at/8]>>(r.at%8)&(1<<part-1)) << got
		got += part
		r.at += part
	}
	return uint32(value)
}

func (r *lowBits) flag() bool { return r.read(1) == 1 }

// skip passes over bits.
func (r *lowBits) skip(count int) {
	if r.over = r.over || count < 0 || r.at+count > 8*len(r.raw); !r.over {
		r.at += count
	}
}

// vorbisSetup parses a setup header, Vorbis I section 4.2.4.
type vorbisSetup struct {
	lowBits
	channels        int
	entries, values int
	books           int
	floors          int
	residues        int
	mappings        int
	long            []bool // the block size of each mode
	valid           bool
}

// parseVorbisSetup returns for each mode whether its blocks are long.
func parseVorbisSetup(raw []byte, channels int) ([]bool, error) {
	if len(raw) < vorbisMark || string(raw[:vorbisMark]) != "\x05vorbis" {
		return nil, errVorbisSetup
	}
	s := &vorbisSetup{lowBits: lowBits{raw: raw[vorbisMark:]}, channels: channels, valid: true}
	s.books = s.each(8, s.codebook)
	s.each(6, func() { s.require(s.read(16) == 0) }) // transforms to the time domain
	s.floors = s.each(6, s.floor)
	s.residues = s.each(6, s.residue)
	s.mappings = s.each(6, s.mapping)
	s.each(6, s.mode)
	s.require(s.flag()) // framing
	if !s.valid || s.over {
		return nil, errVorbisSetup
	}
	return s.long, nil
}

// require records a violation.
func (s *vorbisSetup) require(holds bool) { s.valid = s.valid && holds }

// each reads a number of the given size and then as many parts and one more, until a
// violation or the end.
func (s *vorbisSetup) each(size int, part func()) int {
	count := int(s.read(size)) + 1
	for range count {
		if !s.valid || s.over {
			break
		}
		part()
	}
	return count
}

// book reads the number of a codebook.
func (s *vorbisSetup) book() { s.require(int(s.read(8)) < s.books) }

// codebook reads a codebook, section 3.2.1.
func (s *vorbisSetup) codebook() {
	s.require(s.read(24) == 0x564342)
	dimensions, entries := int(s.read(16)), int(s.read(24))
	s.entries += entries
	s.require(dimensions > 0 && entries > 0 && s.entries <= maxVorbisEntries)
	if !s.valid {
		return
	}
	used := s.codewords(entries)
	lookup := s.read(4)
	if lookup == 0 {
		return
	}
	s.skip(64) // the least value and the step
	size := int(s.read(4)) + 1
	s.skip(1)
	count := entries * dimensions
	if lookup == 1 {
		count = vorbisRoot(entries, dimensions)
	}
	s.values += max(count, used*dimensions)
	s.require(lookup <= 2 && s.values <= maxVorbisValues)
	if s.valid {
		s.skip(count * size)
	}
}

// codewords reads the lengths of codewords and returns the number of those in use.
func (s *vorbisSetup) codewords(entries int) (used int) {
	if s.flag() { // ordered
		s.skip(5)
		for used < entries && s.valid && !s.over {
			used += int(s.read(bits.Len(uint(entries - used))))
			s.require(used <= entries)
		}
		return used
	}
	sparse := s.flag()
	for range entries {
		if s.over {
			return used
		}
		if !sparse || s.flag() {
			s.skip(5)
			used++
		}
	}
	return used
}

// vorbisRoot returns the greatest integer whose power is at most the number of entries.
func vorbisRoot(entries, dimensions int) int {
	root := max(1, int(math.Pow(float64(entries), 1/float64(dimensions))))
	fits := func(n int) bool {
		product := 1
		for i := 0; i < dimensions && n > 1; i++ {
			if product *= n; product > entries {
				return false
			}
		}
		return true
	}
	for !fits(root) {
		root--
	}
	for fits(root + 1) {
		root++
	}
	return root
}

// floor reads a floor of either type, sections 6.2.1 and 7.2.2.
func (s *vorbisSetup) floor() {
	switch s.read(16) {
	case 0:
		s.skip(8 + 16 + 16 + 6 + 8)
		s.each(4, s.book)
	case 1:
		s.floor1()
	default:
		s.valid = false
	}
}

func (s *vorbisSetup) floor1() {
	partitions := make([]int, s.read(5))
	classes := 0
	for i := range partitions {
		partitions[i] = int(s.read(4))
		classes = max(classes, partitions[i]+1)
	}
	sizes := make([]int, classes)
	for i := range sizes {
		sizes[i] = int(s.read(3)) + 1
		subclasses := int(s.read(2))
		if subclasses > 0 {
			s.book()
		}
		for range 1 << subclasses {
			s.require(int(s.read(8))-1 < s.books) // 0 is none
		}
	}
	s.skip(2)
	width := int(s.read(4))
	for _, class := range partitions {
		s.skip(width * sizes[class])
	}
}

// residue reads a residue, section 8.6.1.
func (s *vorbisSetup) residue() {
	s.require(s.read(16) <= 2)
	s.skip(24 + 24 + 24)
	cascades := make([]uint32, s.read(6)+1)
	s.book()
	for i := range cascades {
		cascades[i] = s.read(3)
		if s.flag() {
			cascades[i] |= s.read(5) << 3
		}
	}
	for _, cascade := range cascades {
		for range bits.OnesCount32(cascade) {
			s.book()
		}
	}
}

// mapping reads a mapping, section 4.2.4.
func (s *vorbisSetup) mapping() {
	s.require(s.read(16) == 0)
	submaps := 1
	if s.flag() {
		submaps += int(s.read(4))
	}
	if s.flag() {
		width := bits.Len(uint(s.channels - 1))
		s.each(8, func() {
			magnitude, angle := int(s.read(width)), int(s.read(width))
			s.require(magnitude != angle && max(magnitude, angle) < s.channels)
		})
	}
	s.require(s.read(2) == 0)
	if submaps > 1 {
		for range s.channels {
			s.require(int(s.read(4)) < submaps)
		}
	}
	for range submaps {
		s.skip(8)
		s.require(int(s.read(8)) < s.floors)
		s.require(int(s.read(8)) < s.residues)
	}
}

// mode reads a mode.
func (s *vorbisSetup) mode() {
	s.long = append(s.long, s.flag())
	s.require(s.read(32) == 0) // types of window and transform
	s.require(int(s.read(8)) < s.mappings)
}
