package audiofile

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// span is a part of a file.
type span struct{ from, to int64 }

// mp4Track is the track that is decoded, ISO 14496-12.
type mp4Track struct {
	id     uint32
	sound  bool
	codec  string // four characters
	head   *streamHead
	reason error // why there is no head
	rate   uint32
	tables map[string]span // the boxes of its sample table
	edits  mp4Edit
}

// mp4Edit is the part of a track that is played.
type mp4Edit struct {
	listed   bool
	several  bool
	begin    int64  // in units of the track
	duration uint64 // in units of the movie; 0 if to the end
}

// mp4Movie is the index of a file.
type mp4Movie struct {
	f        file
	what     string // for a text
	headers  window
	boxes    int // visited
	depth    int // of the boxes that are being visited
	rate     uint32
	track    *mp4Track // the first one of sound
	defaults map[uint32][2]uint32
	first    int64 // offset of the first fragment; 0 if there is none
}

// newMP4Decoder opens an MP4, M4A or QuickTime file with Opus, FLAC, ALAC or PCM. The
// index may be at any place, and the sound in fragments.
func newMP4Decoder(f file, head []byte) (decoder, Format, error) {
	if err := judgeMP4(f); err != nil {
		return nil, Format{}, err
	}
	m := &mp4Movie{f: f, what: describe(head), headers: window{f: f, room: sniffBytes}, defaults: make(map[uint32][2]uint32)}
	err := m.walk(span{0, f.size}, m.top)
	if err != nil {
		return nil, Format{}, err
	}
	switch {
	case m.track == nil:
		return nil, Format{}, unsupported("is %s without a track of sound", m.what)
	case m.track.reason != nil:
		return nil, Format{}, m.track.reason
	case m.track.edits.several:
		return nil, Format{}, unsupported("is %s whose sound is a list of several parts", m.what)
	}
	return newStreamFile("mp4", func(notes *report) (streamPackets, error) {
		return newIndexedPackets(f, notes, m.track.head, newMP4Index(m))
	}, f.notes)
}

// maxBoxDepth is the maximum number of boxes that are within each other.
const maxBoxDepth = 10

// walk visits the boxes of a part of the file. The last one may be cut.
func (m *mp4Movie) walk(in span, visit func(kind string, body span) error) error {
	m.depth++
	defer func() { m.depth-- }()
	if m.depth > maxBoxDepth {
		return services.Invalidf(field, "has boxes within more than %d others", maxBoxDepth)
	}
	for at := in.from; at+8 <= in.to; {
		if m.boxes++; m.boxes > maxMediaParts {
			return services.Invalidf(field, "has more than %d boxes", maxMediaParts)
		}
		raw, err := m.headers.bytes(at, int(min(16, m.f.size-at)))
		if err != nil {
			return m.cut(err)
		}
		if !isChunkID(raw[4:8]) && raw[4] != 0xa9 { // of QuickTime
			return nil
		}
		size, body := int64(binary.BigEndian.Uint32(raw)), at+8
		switch {
		case size == 0:
			size = in.to - at
		case size == 1 && len(raw) == 16:
			size, body = int64(min(binary.BigEndian.Uint64(raw[8:]), math.MaxInt64>>1)), at+16
		}
		if size < body-at {
			return nil
		}
		end := min(at+size, in.to)
		if err := visit(string(raw[4:8]), span{body, end}); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// cut returns the fault for an index that ends too early.
func (m *mp4Movie) cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return services.Invalidf(field, "is cut short: it ends within its index; upload the whole file")
	}
	return err
}

// read returns the beginning of a box, at most the given number of bytes.
func (m *mp4Movie) read(in span, most int64) ([]byte, error) {
	raw, err := m.headers.bytes(in.from, int(max(0, min(most, in.to-in.from))))
	return raw, m.cut(err)
}

// top visits a box at the top.
func (m *mp4Movie) top(kind string, body span) error {
	switch {
	case kind == "moov":
		return m.walk(body, m.movie)
	case kind == "moof" && m.first == 0:
		m.first = body.from - 8
	}
	return nil
}

// movie visits a box of the index.
func (m *mp4Movie) movie(kind string, body span) error {
	switch kind {
	case "mvhd":
		var err error
		m.rate, err = m.timescale(body)
		return err
	case "mvex":
		return m.walk(body, m.extends)
	case "trak":
		track := &mp4Track{tables: make(map[string]span), reason: services.Invalidf(field, "is an MP4 file with a track without a description")}
		if err := m.walk(body, func(kind string, body span) error { return m.trackBox(track, kind, body) }); err != nil {
			return err
		}
		if track.sound && m.track == nil {
			m.track = track
		}
	}
	return nil
}

// extends reads the defaults of fragments: the duration and the size of a sample.
func (m *mp4Movie) extends(kind string, body span) error {
	if kind != "trex" || len(m.defaults) >= maxMP4Tracks {
		return nil
	}
	raw, err := m.read(body, 24)
	if err != nil || len(raw) < 24 {
		return err
	}
	be := binary.BigEndian
	m.defaults[be.Uint32(raw[4:])] = [2]uint32{be.Uint32(raw[12:]), be.Uint32(raw[16:])}
	return nil
}

// timescale returns the units per second of a mvhd or mdhd box.
func (m *mp4Movie) timescale(body span) (uint32, error) {
	raw, err := m.read(body, 24)
	if err != nil || len(raw) < 24 {
		return 0, err
	}
	if raw[0] == 1 {
		return binary.BigEndian.Uint32(raw[20:]), nil
	}
	return binary.BigEndian.Uint32(raw[12:]), nil
}

// trackBox visits a box of a track.
func (m *mp4Movie) trackBox(t *mp4Track, kind string, body span) error {
	var err error
	switch kind {
	case "mdia", "minf", "stbl", "edts":
		return m.walk(body, func(kind string, body span) error { return m.trackBox(t, kind, body) })
	case "tkhd":
		raw, err := m.read(body, 24)
		if err != nil || len(raw) < 24 {
			return err
		}
		t.id = binary.BigEndian.Uint32(raw[12:])
		if raw[0] == 1 {
			t.id = binary.BigEndian.Uint32(raw[20:])
		}
	case "hdlr":
		raw, err := m.read(body, 12)
		if err != nil || len(raw) < 12 {
			return err
		}
		t.sound = t.sound || string(raw[8:12]) == "soun"
	case "mdhd":
		t.rate, err = m.timescale(body)
	case "elst":
		return m.editList(t, body)
	case "stsd":
		raw, err := m.read(body, maxTrackBytes)
		if err != nil {
			return err
		}
		if t.sound && len(raw) > 8 {
			t.describe(raw[8:], m.what)
		}
	case "stts", "stsc", "stsz", "stco", "co64":
		t.tables[kind] = body
	}
	return err
}

// editList reads which part of a track is played. Empty edits at the beginning, which
// delay it, are ignored.
func (m *mp4Movie) editList(t *mp4Track, body span) error {
	raw, err := m.read(body, maxTrackBytes)
	if err != nil || len(raw) < 8 {
		return err
	}
	be := binary.BigEndian
	size := 12
	if raw[0] == 1 {
		size = 20
	}
	count := be.Uint32(raw[4:])
	for raw = raw[8:]; count > 0 && len(raw) >= size; count, raw = count-1, raw[size:] {
		duration, begin := uint64(be.Uint32(raw)), int64(int32(be.Uint32(raw[4:])))
		if size == 20 {
			duration, begin = be.Uint64(raw), int64(be.Uint64(raw[8:]))
		}
		if begin < 0 && !t.edits.listed {
			continue
		}
		t.edits.several = t.edits.listed
		t.edits.listed, t.edits.begin, t.edits.duration = true, begin, duration
	}
	return nil
}
