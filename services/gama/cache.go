package gama

import (
	"fmt"
	"sync/atomic"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Number of tensors per layer.
const (
	keyTensor   = "key"
	valueTensor = "value"
)

func pastName(layer int64, kind string) string {
	return fmt.Sprintf("past_key_values.%d.%s", layer, kind)
}
func presentName(layer int64, kind string) string { return fmt.Sprintf("present.%d.%s", layer, kind) }

// kvShape is the common shape of a cache's tensors.
type kvShape struct {
	layers, heads, dim int64
	kind               onnx.ElementType
}

// tensors returns the number of tensors: keys and values of each layer.
func (s kvShape) tensors() int { return int(2 * s.layers) }

// rowBytes returns the size of one position in one head of one tensor.
func (s kvShape) rowBytes() int64 { return s.dim * s.kind.Size() }

// tensorBytes returns the size of one tensor with the given number of positions.
func (s kvShape) tensorBytes(positions int64) int64 { return s.heads * positions * s.rowBytes() }

// bytes returns the size of all tensors with the given number of positions.
func (s kvShape) bytes(positions int64) services.Bytes {
	return services.Bytes(int64(s.tensors()) * s.tensorBytes(positions))
}

func (m *model) kvShape() kvShape {
	t := m.folder.Network.TextPart
	return kvShape{layers: t.Layers, heads: t.KVHeads, dim: t.HeadDim, kind: m.kvType}
}

// cache holds the decoder's keys and values during a run. It has two sets of memory:
// one holds the past and is read, the other is written by the next run. They are
// swapped after each run, so nothing is copied between tokens. The positions of a
// tensor are contiguous, [heads, n, dim], so each run uses views of a different shape
// on the same memory. Not safe for concurrent use.
type cache struct {
	kvShape
	capacity int64
	sets     [2][]block
	current  int
	// n is the number of positions in the current set; keys identify them.
	n    int64
	keys []int64
	past []*onnx.Tensor
	// names of the inputs and outputs in the order of the tensors.
	pasts, presents []string
}

// newCache returns an empty cache for the given number of positions. It must be closed.
func newCache(shape kvShape, capacity int64) (*cache, error) {
	c := &cache{kvShape: shape, capacity: capacity, keys: make([]int64, 0, capacity)}
	for set := range c.sets {
		for range shape.tensors() {
			memory, err := allocate(shape.tensorBytes(capacity))
			if err != nil {
				c.Close()
				return nil, err
			}
			c.sets[set] = append(c.sets[set], memory)
		}
	}
	for layer := range shape.layers {
		for _, kind := range []string{keyTensor, valueTensor} {
			c.pasts, c.presents = append(c.pasts, pastName(layer, kind)), append(c.presents, presentName(layer, kind))
		}
	}
	var err error
	if c.past, err = c.views(0, 0); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// views returns tensors with the given number of positions on one set.
func (c *cache) views(set int, positions int64) ([]*onnx.Tensor, error) {
	views := make([]*onnx.Tensor, 0, c.tensors())
	for _, memory := range c.sets[set] {
		view, err := onnx.NewRawTensor(c.kind, memory.bytes[:max(1, c.tensorBytes(positions))], 1, c.heads, positions, c.dim)
		if err != nil {
			closeList(views)
			return nil, services.Internal(err, "the input of the model could not be prepared")
		}
		views = append(views, view)
	}
	return views, nil
}

// next returns the tensors that a run over further positions writes.
func (c *cache) next(more int64) ([]*onnx.Tensor, error) {
	if c.n+more > c.capacity {
		return nil, services.Internal(fmt.Errorf("cache of %d positions asked for %d", c.capacity, c.n+more), "the answer grew too long")
	}
	return c.views(1-c.current, c.n+more)
}

// take makes the output of a run the current set.
func (c *cache) take(written []*onnx.Tensor, keys []int64) {
	closeList(c.past)
	c.past, c.current = written, 1-c.current
	c.n += int64(len(keys))
	c.keys = append(c.keys, keys...)
}

// Close releases the native side and the memory.
func (c *cache) Close() {
	closeList(c.past)
	freeAll(c.sets[0])
	freeAll(c.sets[1])
}

func closeList(tensors []*onnx.Tensor) {
	for _, t := range tensors {
		t.Close()
	}
}

// snapshot is an immutable copy of a cache with a reference count. Its memory is
// released with the last reference.
type snapshot struct {
	kvShape
	keys   []int64
	memory []block
	// more is the number of references in addition to the first.
	more atomic.Int32
}

// retain adds a reference. The caller must hold one.
func (s *snapshot) retain() *snapshot {
	if s != nil {
		s.more.Add(1)
	}
	return s
}

// release drops a reference. It does nothing on nil.
func (s *snapshot) release() {
	if s != nil && s.more.Add(-1) < 0 {
		freeAll(s.memory)
		s.memory = nil
	}
}

// size returns the size in bytes.
func (s *snapshot) size() services.Bytes {
	if s == nil {
		return 0
	}
	return s.bytes(int64(len(s.keys))) + services.Bytes(8*len(s.keys))
}

// snapshot copies the filled positions without the spare capacity.
func (c *cache) snapshot() (*snapshot, error) {
	s := &snapshot{kvShape: c.kvShape, keys: append([]int64(nil), c.keys...)}
	for _, memory := range c.sets[c.current] {
		saved, err := allocate(c.tensorBytes(c.n))
		if err != nil {
			s.release()
			return nil, err
		}
		copy(saved.bytes, memory.bytes[:c.tensorBytes(c.n)])
		s.memory = append(s.memory, saved)
	}
	return s, nil
}

// restore fills an empty cache with the positions that a snapshot has in common with
// keys, except for at least the last of keys, which must be computed.
func (c *cache) restore(s *snapshot, keys []int64) error {
	if s == nil || s.kvShape != c.kvShape {
		return nil
	}
	have, n := int64(len(s.keys)), int64(0)
	for n < min(have, int64(len(keys))-1, c.capacity) && s.keys[n] == keys[n] {
		n++
	}
	row := c.rowBytes()
	for i, memory := range c.sets[c.current] {
		for head := range c.heads {
			copy(memory.bytes[head*n*row:(head+1)*n*row], s.memory[i].bytes[head*have*row:])
		}
	}
	past, err := c.views(c.current, n)
	if err != nil {
		return err
	}
	closeList(c.past)
	c.past, c.n, c.keys = past, n, append(c.keys[:0], keys[:n]...)
	return nil
}
