package gama

import (
	"fmt"
	"sync/atomic"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// The tensors of a layer.
const (
	keyTensor   = "key"
	valueTensor = "value"
)

func pastName(layer int64, kind string) string {
	return fmt.Sprintf("past_key_values.%d.%s", layer, kind)
}
func presentName(layer int64, kind string) string { return fmt.Sprintf("present.%d.%s", layer, kind) }

// kvShape is what the tensors of a cache have in common.
type kvShape struct {
	layers, heads, dim int64
	kind               onnx.ElementType
}

// tensors is how many a cache has: keys and values of each layer.
func (s kvShape) tensors() int { return int(2 * s.layers) }

// rowBytes is what one position takes in one head of one tensor.
func (s kvShape) rowBytes() int64 { return s.dim * s.kind.Size() }

// tensorBytes is what so many positions take in one tensor.
func (s kvShape) tensorBytes(positions int64) int64 { return s.heads * positions * s.rowBytes() }

// bytes is what so many positions take in all tensors.
func (s kvShape) bytes(positions int64) services.Bytes {
	return services.Bytes(int64(s.tensors()) * s.tensorBytes(positions))
}

func (m *model) kvShape() kvShape {
	t := m.folder.Network.TextPart
	return kvShape{layers: t.Layers, heads: t.KVHeads, dim: t.HeadDim, kind: m.kvType}
}

// cache is the decoder's keys and values while it works: two sets of memory, one
// that holds the past and is read, one that the next run writes. They change places
// after each run, so nothing is copied from token to token. A tensor's positions
// stand close together, [heads, n, dim], so each run sees views of another shape over
// the same memory. Not safe for concurrent use.
type cache struct {
	kvShape
	capacity int64
	sets     [2][]block
	current  int
	// n positions are in the current set; keys tell of what.
	n    int64
	keys []int64
	past []*onnx.Tensor
	// names of the inputs and outputs, in the order of the tensors.
	pasts, presents []string
}

// newCache makes room for so many positions, none of them filled. Close it.
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

// views gives tensors of so many positions over one set.
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

// next gives the tensors that a run over so many more positions writes.
func (c *cache) next(more int64) ([]*onnx.Tensor, error) {
	if c.n+more > c.capacity {
		return nil, services.Internal(fmt.Errorf("cache of %d positions asked for %d", c.capacity, c.n+more), "the answer grew too long")
	}
	return c.views(1-c.current, c.n+more)
}

// take makes what a run has written the past.
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

// snapshot is a cache at rest. It is never changed. Its memory goes when all who
// have it have released it.
type snapshot struct {
	kvShape
	keys   []int64
	memory []block
	// more is how many have it beside the first.
	more atomic.Int32
}

// retain is called by one more who has it, while another still does.
func (s *snapshot) retain() *snapshot {
	if s != nil {
		s.more.Add(1)
	}
	return s
}

// release is called once by each who had it. It does nothing on nil.
func (s *snapshot) release() {
	if s != nil && s.more.Add(-1) < 0 {
		freeAll(s.memory)
		s.memory = nil
	}
}

// size in bytes.
func (s *snapshot) size() services.Bytes {
	if s == nil {
		return 0
	}
	return s.bytes(int64(len(s.keys))) + services.Bytes(8*len(s.keys))
}

// snapshot copies what is there, without the spare room.
func (c *cache) snapshot() (*snapshot, error) {
	s := &snapshot{kvShape: c.kvShape, keys: append([]int64(nil), c.keys...)}
	for _, memory := range c.sets[c.current] {
		kept, err := allocate(c.tensorBytes(c.n))
		if err != nil {
			s.release()
			return nil, err
		}
		copy(kept.bytes, memory.bytes[:c.tensorBytes(c.n)])
		s.memory = append(s.memory, kept)
	}
	return s, nil
}

// restore fills an empty cache with the positions that a snapshot has in common
// with keys, but leaves at least the last of keys to be computed.
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
