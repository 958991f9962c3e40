package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
)

const (
	// blockRows is the number of vectors that are scored at a time.
	blockRows = 1024
	// widen and extra say how many candidates of the first pass are ranked exactly.
	widen, extra = 8, 192
)

// Label says where a vector comes from.
type Label struct {
	// Source is the recording.
	Source string
	// Start and End in seconds.
	Start, End float64
}

// Hit is a vector that was found.
type Hit struct {
	Label
	// Score is the exact inner product with the query.
	Score  float64
	Vector []float32
}

// row is what is stored of a vector beside its codes.
type row struct {
	scale      float32
	source     uint32
	start, end float32
}

// rowBytes is the size of a row in memory.
const rowBytes = 16

// Index holds vectors of one length. The vectors themselves are in a file; in memory is an
// eight-bit code of each. Safe for concurrent use.
type Index struct {
	dims, padded int
	file         *os.File

	mu      sync.RWMutex
	codes   [][]int8 // blocks of blockRows rows
	rows    []row
	sources []string
	number  map[string]uint32
	// removed has the sources whose vectors are not found any more, and live the number
	// of vectors that are.
	removed []bool
	counts  []int
	live    int
}

// New returns an empty index for vectors of the given length, with its file in a folder.
func New(dims int, dir string) (*Index, error) {
	if dims < 1 {
		return nil, fmt.Errorf("an index needs vectors of at least one value, got %d", dims)
	}
	file, err := os.CreateTemp(dir, "vectors-*")
	if err != nil {
		return nil, fmt.Errorf("create the file of an index: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil { // it is gone when the process ends
		return nil, errors.Join(err, file.Close())
	}
	return &Index{dims: dims, padded: (dims + step - 1) / step * step, file: file, number: make(map[string]uint32)}, nil
}

// Close releases the file. The index must not be used any more.
func (x *Index) Close() error { return x.file.Close() }

// Dimensions returns the length of the vectors.
func (x *Index) Dimensions() int { return x.dims }

// Len returns the number of vectors.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.live
}

// Bytes returns the memory that an index of the given number of vectors takes.
func Bytes(dims, vectors int) int64 {
	blocks := (int64(vectors) + blockRows - 1) / blockRows
	return blocks * blockRows * (int64((dims+step-1)/step*step) + rowBytes)
}

// Has reports whether the index has vectors of a source.
func (x *Index) Has(source string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n, known := x.number[source]
	return known && !x.removed[n]
}

// Add adds vectors with their labels.
func (x *Index) Add(labels []Label, vectors [][]float32) error {
	if len(labels) != len(vectors) {
		return fmt.Errorf("%d labels for %d vectors", len(labels), len(vectors))
	}
	for i, v := range vectors {
		if len(v) != x.dims {
			return fmt.Errorf("vector %d has %d values, the index has %d", i, len(v), x.dims)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.write(vectors); err != nil {
		return err
	}
	for i, v := range vectors {
		at := len(x.rows) % blockRows
		if at == 0 {
			x.codes = append(x.codes, make([]int8, blockRows*x.padded))
		}
		scale := encode(x.codes[len(x.codes)-1][at*x.padded:][:x.dims], v)
		n := x.sourceOf(labels[i].Source)
		x.counts[n]++
		x.rows = append(x.rows, row{scale, n, float32(labels[i].Start), float32(labels[i].End)})
	}
	x.live += len(vectors)
	return nil
}

// write appends the vectors to the file.
func (x *Index) write(vectors [][]float32) error {
	buffer := make([]byte, 0, min(len(vectors), blockRows)*4*x.dims)
	at := int64(len(x.rows)) * int64(4*x.dims)
	for i, v := range vectors {
		buffer = appendFloats(buffer, v)
		if len(buffer) == cap(buffer) || i == len(vectors)-1 {
			if _, err := x.file.WriteAt(buffer, at); err != nil {
				return fmt.Errorf("write the vectors of an index: %w", err)
			}
			at, buffer = at+int64(len(buffer)), buffer[:0]
		}
	}
	return nil
}

// sourceOf returns the number of a source. One that was removed gets another number, so
// that its earlier vectors stay removed. The caller holds mu.
func (x *Index) sourceOf(name string) uint32 {
	if n, known := x.number[name]; known && !x.removed[n] {
		return n
	}
	n := uint32(len(x.sources))
	x.sources, x.removed, x.counts = append(x.sources, name), append(x.removed, false), append(x.counts, 0)
	x.number[name] = n
	return n
}

// Remove removes the vectors of a source.
func (x *Index) Remove(source string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n, known := x.number[source]; known && !x.removed[n] {
		x.removed[n] = true
		x.live -= x.counts[n]
	}
}

// Vector returns the vector with a label; nil if there is none.
func (x *Index) Vector(label Label) ([]float32, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n, known := x.number[label.Source]
	if !known || x.removed[n] {
		return nil, nil
	}
	for i, r := range x.rows {
		if r.source != n || roundMillis(r.start) != label.Start || roundMillis(r.end) != label.End {
			continue
		}
		raw, v := make([]byte, 4*x.dims), make([]float32, x.dims)
		if _, err := x.file.ReadAt(raw, int64(i)*int64(len(raw))); err != nil {
			return nil, fmt.Errorf("read the vectors of an index: %w", err)
		}
		readFloats(v, raw)
		return v, nil
	}
	return nil, nil
}

// encode writes the eight-bit code of a vector and returns its scale.
func encode(code []int8, v []float32) (scale float32) {
	var largest float32
	for _, value := range v {
		largest = max(largest, value, -value)
	}
	if largest == 0 || largest != largest {
		return 0
	}
	factor := math.MaxInt8 / largest
	for i, value := range v {
		code[i] = int8(math.RoundToEven(float64(value * factor)))
	}
	return largest / math.MaxInt8
}

// candidate is a vector with its score of the first pass.
type candidate struct {
	row   int
	score float32
}

// Search returns the k vectors with the largest inner products with the query, the best
// first, of the sources that matches accepts; nil accepts all. With less than about a
// thousand vectors, and for those ranked by the second pass, scores are exact.
func (x *Index) Search(ctx context.Context, query []float32, k int, matches func(source string) bool) ([]Hit, error) {
	if len(query) != x.dims {
		return nil, fmt.Errorf("the query has %d values, the index has %d", len(query), x.dims)
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if k < 1 || x.live == 0 {
		return nil, ctx.Err()
	}
	accepted := make([]bool, len(x.sources))
	for i, name := range x.sources {
		accepted[i] = !x.removed[i] && (matches == nil || matches(name))
	}
	found, err := x.candidates(ctx, query, widen*k+extra, accepted)
	if err != nil {
		return nil, err
	}
	hits := make([]Hit, 0, len(found))
	raw := make([]byte, 4*x.dims)
	for _, c := range found {
		exact := make([]float32, x.dims)
		if _, err := x.file.ReadAt(raw, int64(c.row)*int64(len(raw))); err != nil {
			return nil, fmt.Errorf("read the vectors of an index: %w", err)
		}
		readFloats(exact, raw)
		r := x.rows[c.row]
		hits = append(hits, Hit{Label{x.sources[r.source], roundMillis(r.start), roundMillis(r.end)}, float64(Dot(exact, query)), exact})
	}
	slices.SortStableFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Start, b.Start))
	})
	return hits[:min(k, len(hits))], nil
}

// candidates returns the best of the first pass. Every core takes a part of the blocks.
func (x *Index) candidates(ctx context.Context, query []float32, most int, accepted []bool) ([]candidate, error) {
	code, scale := encodeQuery(query, x.padded)
	workers := min(runtime.GOMAXPROCS(0), len(x.codes))
	parts := make([]heap, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			parts[w] = heap{most: most}
			out := make([]int32, blockRows)
			for b := w; b < len(x.codes) && ctx.Err() == nil; b += workers {
				x.scan(b, code, scale, out, accepted, &parts[w])
			}
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	joined := heap{most: most}
	for _, part := range parts {
		for _, c := range part.list {
			joined.add(c)
		}
	}
	return joined.list, nil
}

// scan scores one block.
func (x *Index) scan(b int, code []int16, scale float32, out []int32, accepted []bool, best *heap) {
	first := b * blockRows
	rows := x.rows[first:min(len(x.rows), first+blockRows)]
	out = out[:len(rows)]
	scores(code, x.codes[b], out)
	for i, r := range rows {
		if score := float32(out[i]) * r.scale * scale; accepted[r.source] && best.takes(score) {
			best.add(candidate{first + i, score})
		}
	}
}

// encodeQuery returns a query as whole numbers, as large as sums allow, and their scale.
func encodeQuery(query []float32, padded int) (code []int16, scale float32) {
	code = make([]int16, padded)
	var largest float32
	for _, v := range query {
		largest = max(largest, v, -v)
	}
	if largest == 0 || largest != largest {
		return code, 0
	}
	limit := min(math.MaxInt16, math.MaxInt32/(padded*(math.MaxInt8+1)))
	factor := float32(limit) / largest
	for i, v := range query {
		code[i] = int16(math.RoundToEven(float64(v * factor)))
	}
	return code, largest / float32(limit)
}

// roundMillis returns seconds as they are shown.
func roundMillis(seconds float32) float64 { return math.Round(float64(seconds)*1000) / 1000 }
