package audiofile

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// cafChunkBytes is the size of a chunk's type and size, and cafDescribed that of the
	// description of the sound.
	cafChunkBytes = 12
	cafDescribed  = 32
	// cafPacketBytes is the size of the header of the table of packets.
	cafPacketBytes = 24
)

// cafFile has the chunks of a Core Audio file.
type cafFile struct {
	f         file
	described [cafDescribed]byte
	found     bool
	data      span // the sound
	claimed   int64
	packets   span // the table of packets
	cookie    span // the description of the codec
}

// newCAFDecoder opens a Core Audio file of PCM or ALAC, as Apple's "Core Audio Format
// Specification" defines it.
func newCAFDecoder(f file) (decoder, Format, error) {
	if err := judgeCAF(f); err != nil {
		return nil, Format{}, err
	}
	c := &cafFile{f: f}
	if err := c.read(); err != nil {
		return nil, Format{}, err
	}
	be := binary.BigEndian
	raw := c.described[:]
	rate := math.Float64frombits(be.Uint64(raw))
	channels, bits := int(min(be.Uint32(raw[24:]), math.MaxUint16)), int(min(be.Uint32(raw[28:]), math.MaxUint16))
	switch {
	case !c.found:
		return nil, Format{}, services.Invalidf(field, "is a Core Audio file without a description of its sound; it is damaged or cut short")
	case c.data.from == 0:
		return nil, Format{}, services.Invalidf(field, "is a Core Audio file without sound; it is damaged or cut short")
	case !(rate >= 1 && rate <= math.MaxInt32) || channels == 0:
		return nil, Format{}, services.Invalidf(field, "is a Core Audio file with an impossible header: %d channels, %v Hz", channels, rate)
	}
	name, flags, bytes := string(raw[8:12]), be.Uint32(raw[12:]), be.Uint32(raw[16:])
	if name == "alac" {
		return c.alac()
	}
	chosen, ok := cafCodec(name, flags, bits)
	if !ok || uint64(bytes) != uint64(channels)*uint64(chosen.sampleBytes) {
		return nil, Format{}, unsupported("is a Core Audio (CAF) file of %d bits coded as %q", bits, name)
	}
	return f.samples("caf", pcmFormat(chosen, max(bits, 8), channels, int(math.Round(rate))), c.data.from, c.claimed)
}

// cafCodec returns the encoding of samples; ok is false if they are not PCM.
func cafCodec(name string, flags uint32, bits int) (codec, bool) {
	const float, little = 1, 2
	switch name {
	case "lpcm":
		return linearCodec(bits, flags&float != 0, flags&little != 0)
	case "alaw":
		return aLawCodec, true
	case "ulaw":
		return muLawCodec, true
	}
	return codec{}, false
}

// read finds the chunks.
func (c *cafFile) read() error {
	const editCount = 4 // before the sound
	at := int64(8)
	for n := 0; at+cafChunkBytes <= c.f.size; n++ {
		if n == maxChunks {
			return services.Invalidf(field, "has more than %d chunks", maxChunks)
		}
		var raw [cafChunkBytes + cafDescribed]byte
		got, err := peekAt(c.f.r, at, raw[:])
		if err != nil {
			return err
		}
		size, body := int64(binary.BigEndian.Uint64(raw[4:])), at+cafChunkBytes
		end := c.f.size
		if size >= 0 && size < c.f.size-body {
			end = body + size
		}
		switch string(raw[:4]) {
		case "desc":
			if c.found = got == len(raw) && size >= cafDescribed; c.found {
				copy(c.described[:], raw[cafChunkBytes:])
			}
		case "data":
			c.data, c.claimed = span{body + editCount, end}, max(0, size-editCount)
			if size < 0 {
				c.claimed = toTheEnd
			}
		case "pakt":
			c.packets = span{body, end}
		case "kuki":
			c.cookie = span{body, end}
		}
		if size < 0 || size > c.f.size-body {
			return nil
		}
		at = body + size
	}
	return nil
}

// alac opens a file of ALAC.
func (c *cafFile) alac() (decoder, Format, error) {
	cookie := make([]byte, min(c.cookie.to-c.cookie.from, 1<<10))
	if err := readAt(c.f.r, c.cookie.from, cookie); err != nil {
		return nil, Format{}, err
	}
	if old := innerBox(cookie, "alac"); len(old) > 4 { // within boxes of QuickTime
		cookie = old[4:]
	}
	head, err := parseALACConfig(cookie)
	if err != nil {
		return nil, Format{}, err
	}
	var raw [cafPacketBytes]byte
	if c.packets.to-c.packets.from < cafPacketBytes {
		return nil, Format{}, services.Invalidf(field, "is a Core Audio file without the sizes of its packets; it is damaged or cut short")
	}
	if err := readAt(c.f.r, c.packets.from, raw[:]); err != nil {
		return nil, Format{}, err
	}
	be := binary.BigEndian
	if be.Uint32(c.described[20:]) == 0 {
		return nil, Format{}, unsupported("is a Core Audio (CAF) file with packets of variable length")
	}
	index := cafIndex{
		at: c.data.from, end: c.data.to, left: int64(be.Uint64(raw[:])), size: int64(be.Uint32(c.described[16:])),
		place: c.packets.from + cafPacketBytes, stop: c.packets.to,
		lead: int64(be.Uint32(raw[16:]) & math.MaxInt32), tail: int64(be.Uint32(raw[20:]) & math.MaxInt32),
	}
	return newStreamFile("caf", func(notes *report) (streamPackets, error) {
		fresh := index
		fresh.table = window{f: c.f, room: tableBuffer}
		return newIndexedPackets(c.f, notes, head, &fresh)
	}, c.f.notes)
}

// cafIndex implements packetIndex.
type cafIndex struct {
	table       window
	place, stop int64 // in the table
	at, end     int64 // in the sound
	left        int64 // packets
	size        int64 // of each packet, or 0
	lead, tail  int64
}

// next implements packetIndex.
func (x *cafIndex) next() (at, size int64, err error) {
	if x.left <= 0 || x.at >= x.end {
		return 0, 0, io.EOF
	}
	x.left--
	if size = x.size; size == 0 {
		if size, err = x.number(); err != nil {
			return 0, 0, err
		}
	}
	at = x.at
	x.at += size
	return at, size, nil
}

// number reads a number of groups of seven bits, of which all but the last have their top
// bit set.
func (x *cafIndex) number() (int64, error) {
	value := int64(0)
	for range 5 {
		if x.place >= x.stop {
			return 0, io.ErrUnexpectedEOF
		}
		raw, err := x.table.bytes(x.place, 1)
		if err != nil {
			return 0, err
		}
		x.place++
		value = value<<7 | int64(raw[0]&0x7f)
		if raw[0]&0x80 == 0 {
			return value, nil
		}
	}
	return 0, errALAC
}

// trims implements packetIndex.
func (x *cafIndex) trims(int64) (lead, tail int64, err error) { return x.lead, x.tail, nil }
