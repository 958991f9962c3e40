package index

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

const (
	// magic begins a segment.
	magic = "GRYMVEC1"
	// maxHead bounds the description of a segment, maxDimensions and maxVectors what it
	// may describe.
	maxHead       = 64 << 20
	maxDimensions = 1 << 14
	maxVectors    = 1 << 24
)

// table is the checksum's table.
var table = crc32.MakeTable(crc32.Castagnoli)

// Segment is a number of vectors with their labels, as it is stored.
type Segment struct {
	Dimensions int
	Labels     []Label
	Vectors    [][]float32
}

// head describes a segment.
type head struct {
	Dimensions int      `json:"dimensions"`
	Sources    []string `json:"sources"`
	// Numbers are indexes of Sources, by vector.
	Numbers []int     `json:"numbers"`
	Starts  []float64 `json:"starts"`
	Ends    []float64 `json:"ends"`
}

// WriteTo implements io.WriterTo: the magic, the length of the description, the
// description as JSON, the vectors, and a checksum of all.
func (s Segment) WriteTo(w io.Writer) (int64, error) {
	about := head{Dimensions: s.Dimensions}
	numbers := make(map[string]int)
	for _, l := range s.Labels {
		if _, known := numbers[l.Source]; !known {
			numbers[l.Source] = len(about.Sources)
			about.Sources = append(about.Sources, l.Source)
		}
		about.Numbers = append(about.Numbers, numbers[l.Source])
		about.Starts, about.Ends = append(about.Starts, l.Start), append(about.Ends, l.End)
	}
	text, err := json.Marshal(about)
	if err != nil {
		return 0, fmt.Errorf("describe a segment: %w", err)
	}
	sum := crc32.New(table)
	out := &counting{w: io.MultiWriter(w, sum)}
	buffer := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(text)))
	if _, err := out.Write(append(buffer, text...)); err != nil {
		return out.n, err
	}
	for _, v := range s.Vectors {
		if len(v) != s.Dimensions {
			return out.n, fmt.Errorf("a vector has %d values, its segment has %d", len(v), s.Dimensions)
		}
		if _, err := out.Write(appendFloats(buffer[:0], v)); err != nil {
			return out.n, err
		}
	}
	out.w = w
	_, err = out.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return out.n, err
}

type counting struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// ReadSegment reads a segment and checks it.
func ReadSegment(r io.Reader) (Segment, error) {
	sum := crc32.New(table)
	in := io.TeeReader(bufio.NewReaderSize(r, 1<<16), sum)
	about, err := readHead(in)
	if err != nil {
		return Segment{}, fmt.Errorf("read a segment: %w", err)
	}
	s := Segment{Dimensions: about.Dimensions}
	raw := make([]byte, 4*about.Dimensions)
	for i, n := range about.Numbers {
		if n < 0 || n >= len(about.Sources) {
			return Segment{}, fmt.Errorf("read a segment: vector %d has the unknown source %d", i, n)
		}
		if _, err := io.ReadFull(in, raw); err != nil {
			return Segment{}, fmt.Errorf("read vector %d of a segment: %w", i, err)
		}
		v := make([]float32, about.Dimensions)
		readFloats(v, raw)
		s.Labels = append(s.Labels, Label{about.Sources[n], about.Starts[i], about.Ends[i]})
		s.Vectors = append(s.Vectors, v)
	}
	want := sum.Sum32()
	if _, err := io.ReadFull(in, raw[:4]); err != nil {
		return Segment{}, fmt.Errorf("read the checksum of a segment: %w", err)
	}
	if got := binary.LittleEndian.Uint32(raw); got != want {
		return Segment{}, fmt.Errorf("read a segment: the checksum is %08x, it should be %08x", got, want)
	}
	return s, nil
}

func readHead(in io.Reader) (about head, err error) {
	fixed := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(in, fixed); err != nil {
		return about, err
	}
	length := binary.LittleEndian.Uint32(fixed[len(magic):])
	if string(fixed[:len(magic)]) != magic || length > maxHead {
		return about, errors.New("it is not one")
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(length)))
	if err != nil || len(text) < int(length) {
		return about, errors.Join(err, io.ErrUnexpectedEOF)
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return about, err
	}
	n := len(about.Numbers)
	if about.Dimensions < 1 || about.Dimensions > maxDimensions || n > maxVectors || len(about.Starts) != n || len(about.Ends) != n {
		return about, fmt.Errorf("its description is inconsistent: %d vectors of %d values", n, about.Dimensions)
	}
	return about, nil
}

func appendFloats(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func readFloats(v []float32, raw []byte) {
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}
