package decoding

import (
	"context"
	"fmt"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// kinds of tensors per layer.
var kinds = [2]string{"key", "value"}

// Shape is the common shape of a cache's tensors, which are two for each layer of the
// decoder: its keys and its values.
type Shape struct {
	Layers, Heads, Dim int64
	Kind               onnx.ElementType
	// Side is the part of the tensors' names between the layer and the kind; empty for a
	// decoder that has only a past of its own.
	Side string
	// Rows is the most texts that are written side by side; 0 stands for one.
	Rows int64
}

// PastName returns the name of the graph's input with the keys or the values of a layer.
func (s Shape) PastName(layer int64, kind string) string {
	return "past_key_values." + s.name(layer, kind)
}

// PresentName returns the name of the output that has them after the run.
func (s Shape) PresentName(layer int64, kind string) string { return "present." + s.name(layer, kind) }

func (s Shape) name(layer int64, kind string) string {
	if s.Side == "" {
		return fmt.Sprintf("%d.%s", layer, kind)
	}
	return fmt.Sprintf("%d.%s.%s", layer, s.Side, kind)
}

// Names returns the names of the inputs and of the outputs, in the order of the tensors.
func (s Shape) Names() (pasts, presents []string) {
	for layer := range s.Layers {
		for _, kind := range kinds {
			pasts, presents = append(pasts, s.PastName(layer, kind)), append(presents, s.PresentName(layer, kind))
		}
	}
	return pasts, presents
}

// Bytes returns the size of all tensors of one row with the given number of positions.
func (s Shape) Bytes(positions int64) services.Bytes {
	return services.Bytes(int64(s.tensors()) * s.tensorBytes(positions))
}

// tensors returns the number of tensors: keys and values of each layer.
func (s Shape) tensors() int { return int(2 * s.Layers) }

// positionBytes returns the size of one position in one head of one tensor.
func (s Shape) positionBytes() int64 { return s.Dim * s.Kind.Size() }

// tensorBytes returns the size of one row of one tensor with the given number of positions.
func (s Shape) tensorBytes(positions int64) int64 { return s.Heads * positions * s.positionBytes() }

// Cache holds the keys and values of a decoder during a run. It has two sets of memory: one
// holds the past and is read, the other is written by the next run. They are swapped after
// each run, so nothing is copied between tokens. The positions of a tensor are contiguous,
// [rows, heads, n, dim], so each run uses views of a different shape on the same memory. Not
// safe for concurrent use.
type Cache struct {
	Shape
	capacity int64
	sets     [2][]Block
	current  int
	// rows is the number of texts, n that of the positions in the current set; keys
	// identify the positions of the first text.
	rows, n int64
	keys    []int64
	past    []*onnx.Tensor
	// pasts and presents are the names of the inputs and outputs in the order of the tensors.
	pasts, presents []string
}

// NewCache returns an empty cache of one row for the given number of positions. It must be
// closed.
func NewCache(shape Shape, capacity int64) (*Cache, error) {
	shape.Rows = max(1, shape.Rows)
	c := &Cache{Shape: shape, capacity: capacity, keys: make([]int64, 0, capacity), rows: 1}
	for set := range c.sets {
		for range shape.tensors() {
			memory, err := Allocate(shape.Rows * shape.tensorBytes(capacity))
			if err != nil {
				c.Close()
				return nil, err
			}
			c.sets[set] = append(c.sets[set], memory)
		}
	}
	c.pasts, c.presents = shape.Names()
	if err := c.Reset(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Len returns the number of positions of each row.
func (c *Cache) Len() int64 { return c.n }

// Width returns the number of rows.
func (c *Cache) Width() int64 { return c.rows }

// Reset empties the cache, which has one row then.
func (c *Cache) Reset() error {
	rows := c.rows
	c.rows = 1
	past, err := c.views(c.current, 0)
	if err != nil {
		c.rows = rows
		return err
	}
	CloseAll(c.past)
	c.past, c.n, c.keys = past, 0, c.keys[:0]
	return nil
}

// views returns tensors with the given number of positions on one set.
func (c *Cache) views(set int, positions int64) ([]*onnx.Tensor, error) {
	views := make([]*onnx.Tensor, 0, c.tensors())
	for _, memory := range c.sets[set] {
		used := memory.Bytes[:max(1, c.rows*c.tensorBytes(positions))]
		view, err := onnx.NewRawTensor(c.Kind, used, c.rows, c.Heads, positions, c.Dim)
		if err != nil {
			CloseAll(views)
			return nil, services.Internal(err, "the input of the model could not be prepared")
		}
		views = append(views, view)
	}
	return views, nil
}

// Run runs the decoder over further positions of every row, which keys identify. inputs and
// outputs are the other ones of the graph; those of the cache are added. Of the outputs those
// in checked are searched for values that are not finite.
func (c *Cache) Run(
	ctx context.Context, session *onnx.Session, keys []int64, inputs, outputs map[string]*onnx.Tensor, checked ...string,
) error {
	more := int64(len(keys))
	if c.n+more > c.capacity {
		return services.Internal(fmt.Errorf("cache of %d positions asked for %d", c.capacity, c.n+more), "the text grew too long")
	}
	written, err := c.views(1-c.current, c.n+more)
	if err != nil {
		return err
	}
	for i, name := range c.pasts {
		inputs[name] = c.past[i]
	}
	for i, name := range c.presents {
		outputs[name] = written[i]
	}
	if err := session.RunInto(ctx, inputs, outputs, checked...); err != nil {
		CloseAll(written)
		return err
	}
	CloseAll(c.past)
	c.past, c.current = written, 1-c.current
	c.n += more
	c.keys = append(c.keys, keys...)
	return nil
}

// Select makes each row a copy of the row that sources names; there are as many rows
// afterwards as there are sources.
func (c *Cache) Select(sources []int) error {
	rows := int64(len(sources))
	if rows < 1 || rows > c.Rows {
		return services.Internal(fmt.Errorf("cache of %d rows asked for %d", c.Rows, rows), "the search grew too wide")
	}
	same := rows == c.rows
	for i, source := range sources {
		if source < 0 || int64(source) >= c.rows {
			return services.Internal(fmt.Errorf("cache of %d rows asked for row %d", c.rows, source), "the search failed")
		}
		same = same && source == i
	}
	if same {
		return nil
	}
	size := c.tensorBytes(c.n)
	for i, from := range c.sets[c.current] {
		to := c.sets[1-c.current][i]
		for row, source := range sources {
			copy(to.Bytes[int64(row)*size:int64(row+1)*size], from.Bytes[int64(source)*size:])
		}
	}
	before := c.rows
	c.rows = rows
	past, err := c.views(1-c.current, c.n)
	if err != nil {
		c.rows = before
		return err
	}
	CloseAll(c.past)
	c.past, c.current = past, 1-c.current
	return nil
}

// Close releases the native side and the memory.
func (c *Cache) Close() {
	CloseAll(c.past)
	c.past = nil
	for set := range c.sets {
		freeAll(c.sets[set])
		c.sets[set] = nil
	}
}

// CloseAll closes tensors.
func CloseAll(tensors []*onnx.Tensor) {
	for _, t := range tensors {
		t.Close()
	}
}
