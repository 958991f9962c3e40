package decoding

import (
	"sync/atomic"

	"github.com/grym-synth/grym-synth/services"
)

// Snapshot is an immutable copy of a cache of one row, with a reference count. Its memory is
// released with the last reference.
type Snapshot struct {
	Shape
	keys   []int64
	memory []Block
	// more is the number of references in addition to the first.
	more atomic.Int32
}

// Retain adds a reference. The caller must hold one.
func (s *Snapshot) Retain() *Snapshot {
	if s != nil {
		s.more.Add(1)
	}
	return s
}

// Release drops a reference. It does nothing on nil.
func (s *Snapshot) Release() {
	if s != nil && s.more.Add(-1) < 0 {
		freeAll(s.memory)
		s.memory = nil
	}
}

// Len returns the number of positions.
func (s *Snapshot) Len() int { return len(s.keys) }

// Size returns the size in bytes; 0 of nil.
func (s *Snapshot) Size() services.Bytes {
	if s == nil {
		return 0
	}
	return s.Bytes(int64(len(s.keys))) + services.Bytes(8*len(s.keys))
}

// Snapshot copies the filled positions of the first row without the spare capacity.
func (c *Cache) Snapshot() (*Snapshot, error) {
	s := &Snapshot{Shape: c.Shape, keys: append([]int64(nil), c.keys...)}
	for _, memory := range c.sets[c.current] {
		saved, err := Allocate(c.tensorBytes(c.n))
		if err != nil {
			s.Release()
			return nil, err
		}
		copy(saved.Bytes, memory.Bytes[:c.tensorBytes(c.n)])
		s.memory = append(s.memory, saved)
	}
	return s, nil
}

// Restore fills an empty cache with the positions that a snapshot has in common with keys,
// except for at least the last of keys, which must be computed.
func (c *Cache) Restore(s *Snapshot, keys []int64) error {
	if s == nil || s.Shape != c.Shape {
		return nil
	}
	have, n := int64(len(s.keys)), int64(0)
	for n < min(have, int64(len(keys))-1, c.capacity) && s.keys[n] == keys[n] {
		n++
	}
	size := c.positionBytes()
	for i, memory := range c.sets[c.current] {
		for head := range c.Heads {
			copy(memory.Bytes[head*n*size:(head+1)*n*size], s.memory[i].Bytes[head*have*size:])
		}
	}
	past, err := c.views(c.current, n)
	if err != nil {
		return err
	}
	CloseAll(c.past)
	c.past, c.n, c.keys = past, n, append(c.keys[:0], keys[:n]...)
	return nil
}
