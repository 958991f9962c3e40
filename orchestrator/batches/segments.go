package batches

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// objectPrefix begins the names of the objects of batches.
const objectPrefix = "batch-"

// audioID is the id of a recording; zero for none.
type audioID [32]byte

// parseAudioID reads an id; "" is none.
func parseAudioID(text string) (id audioID, err error) {
	if text == "" {
		return id, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, services.Invalidf("audio_id", "must be the id of a stored recording, 64 hexadecimal digits, got %.80q", text)
	}
	return audioID(raw), nil
}

// String returns the id as text, "" for none.
func (a audioID) String() string {
	if a == (audioID{}) {
		return ""
	}
	return hex.EncodeToString(a[:])
}

// reader reads the items of a batch, a segment at a time. Not safe for concurrent use.
type reader struct {
	store records.Store
	batch Batch
	// segment is the one in memory, -1 for none; first is its first item.
	segment, first int
	lines          [][]byte
}

func (m *Manager) newReader(b Batch) *reader { return &reader{store: m.store, batch: b, segment: -1} }

func (r *reader) close() { r.segment, r.lines = -1, nil }

// item returns an item with what all items of the batch have in common.
func (r *reader) item(ctx context.Context, item int) (Item, error) {
	if r.segment < 0 || item < r.first || item >= r.first+len(r.lines) {
		if err := r.load(ctx, item); err != nil {
			return Item{}, err
		}
	}
	var one Item
	if err := json.Unmarshal(r.lines[item-r.first], &one); err != nil {
		return one, services.Internal(err, "item %d of batch %s cannot be read", item, r.batch.ID)
	}
	return one.with(r.batch.Shared)
}

// load reads the segment of an item.
func (r *reader) load(ctx context.Context, item int) error {
	first := 0
	for i, one := range r.batch.Inputs {
		if item >= first+one.Items {
			first += one.Items
			continue
		}
		raw, err := readObject(ctx, r.store, one.Object)
		if err != nil {
			return err
		}
		lines := bytes.Split(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n"))
		if len(lines) != one.Items {
			return services.Internal(nil, "segment %s has %d lines instead of %d", one.Object, len(lines), one.Items)
		}
		r.segment, r.first, r.lines = i, first, lines
		return nil
	}
	return services.Internal(nil, "batch %s has no item %d", r.batch.ID, item)
}

func readObject(ctx context.Context, store records.Store, name string) ([]byte, error) {
	object, err := store.Object(ctx, name)
	if err != nil {
		return nil, lost(name, err)
	}
	defer object.Close()
	raw, err := io.ReadAll(object)
	return raw, lost(name, err)
}

// lost returns the fault for an object that should exist.
func lost(name string, err error) error {
	if errors.Is(err, records.ErrMissing) {
		return services.Internal(err, "the object %s is lost", name)
	}
	return err
}

// unreadable returns the fault for a segment that ends within a line, or the store's for one
// that cannot be read now.
func unreadable(segment Segment, err error) error {
	if services.KindOf(err) == services.KindUnavailable {
		return fmt.Errorf("read segment %s: %w", segment.Object, err)
	}
	return services.Internal(err, "segment %s cannot be read", segment.Object)
}

// place is where the line of an outcome lies.
type place struct {
	segment uint32
	bytes   uint32
	at      int64
}

// locate returns the places of the last outcome of each item; one without has zero bytes.
func (m *Manager) locate(ctx context.Context, b Batch) ([]place, error) {
	places := make([]place, b.Items)
	for i, one := range b.Outputs {
		err := m.scan(ctx, one, func(head []byte, at, size int64) error {
			var item int
			if _, err := fmt.Sscanf(string(head[:min(len(head), 32)]), `{"item":%d,`, &item); err != nil || item < 0 || item >= b.Items {
				return services.Internal(err, "a line of segment %s cannot be read", one.Object)
			}
			places[item] = place{uint32(i), uint32(size), at} //nolint:gosec // results are smaller
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return places, nil
}

// scan calls visit with the beginning of each line of a segment, its offset and its size.
func (m *Manager) scan(ctx context.Context, segment Segment, visit func(head []byte, at, size int64) error) error {
	object, err := m.store.Object(ctx, segment.Object)
	if err != nil {
		return lost(segment.Object, err)
	}
	defer object.Close()
	buffered := bufio.NewReaderSize(object, 64<<10)
	for at := int64(0); ; {
		head, err := buffered.ReadSlice('\n')
		size := int64(len(head))
		if errors.Is(err, bufio.ErrBufferFull) {
			head = slices.Clone(head[:64])
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			var more []byte
			more, err = buffered.ReadSlice('\n')
			size += int64(len(more))
		}
		if errors.Is(err, io.EOF) && size == 0 {
			return nil
		}
		if err != nil {
			return unreadable(segment, err)
		}
		if err := visit(head, at, size); err != nil {
			return err
		}
		at += size
	}
}

// picker reads lines of segments at known places. Not safe for concurrent use.
type picker struct {
	store    records.Store
	segments []Segment
	open     map[uint32]*opened
	order    []uint32 // of opening
}

// opened is a segment that is read; at is where its buffer stands.
type opened struct {
	object records.Object
	buffer *bufio.Reader
	at     int64
}

// maxOpened bounds the segments that are open at once.
const maxOpened = 4

func (m *Manager) newPicker(b Batch) *picker {
	return &picker{store: m.store, segments: b.Outputs, open: make(map[uint32]*opened)}
}

// line returns the outcome at a place.
func (p *picker) line(ctx context.Context, at place) (Outcome, error) {
	var out Outcome
	one, err := p.segment(ctx, at.segment)
	if err != nil {
		return out, err
	}
	if one.at != at.at {
		if _, err := one.object.Seek(at.at, io.SeekStart); err != nil {
			return out, err
		}
		one.buffer.Reset(one.object)
		one.at = at.at
	}
	raw := make([]byte, at.bytes)
	if _, err := io.ReadFull(one.buffer, raw); err != nil {
		return out, unreadable(p.segments[at.segment], err)
	}
	one.at += int64(at.bytes)
	err = json.Unmarshal(raw, &out)
	return out, err
}

// segment opens a segment, and closes the one that was opened first if there are too many.
func (p *picker) segment(ctx context.Context, number uint32) (*opened, error) {
	if one := p.open[number]; one != nil {
		return one, nil
	}
	if len(p.order) == maxOpened {
		_ = p.open[p.order[0]].object.Close() // it was only read
		delete(p.open, p.order[0])
		p.order = p.order[1:]
	}
	name := p.segments[number].Object
	object, err := p.store.Object(ctx, name)
	if err != nil {
		return nil, lost(name, err)
	}
	one := &opened{object: object, buffer: bufio.NewReaderSize(object, 64<<10)}
	p.open[number], p.order = one, append(p.order, number)
	return one, nil
}

func (p *picker) close() {
	for _, one := range p.open {
		_ = one.object.Close() // it was only read
	}
}
