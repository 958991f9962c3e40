package gama

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/decoding"
)

// message is an encoder of a protobuf message.
type message []byte

func (m *message) varint(field int, v uint64) {
	*m = binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3), v)
}

func (m *message) bytes(field int, v []byte) {
	*m = append(binary.AppendUvarint(binary.AppendUvarint(*m, uint64(field)<<3|2), uint64(len(v))), v...)
}

// graph writes an ONNX graph with the field numbers of onnx.proto.
type graph struct {
	body   message
	values int
	random *rand.Rand
}

// attr encodes an attribute of integers: one, or a list.
type attr struct {
	name string
	one  int
	list []int
}

// op adds a node and returns the name of its output.
func (g *graph) op(kind string, inputs []string, attrs ...attr) string {
	g.values++
	return g.opTo(kind, fmt.Sprintf("v%d", g.values), inputs, attrs...)
}

func (g *graph) opTo(kind, output string, inputs []string, attrs ...attr) string {
	var node message
	for _, in := range inputs {
		node.bytes(1, []byte(in))
	}
	node.bytes(2, []byte(output))
	node.bytes(4, []byte(kind))
	for _, a := range attrs {
		var one message
		one.bytes(1, []byte(a.name))
		if a.list == nil {
			one.varint(3, uint64(int64(a.one)))
			one.varint(20, 2)
		} else {
			for _, v := range a.list {
				one.varint(8, uint64(int64(v)))
			}
			one.varint(20, 7)
		}
		node.bytes(5, one)
	}
	g.body.bytes(1, node)
	return output
}

func (g *graph) initializer(kind int, raw []byte, dims ...int) string {
	g.values++
	name := fmt.Sprintf("w%d", g.values)
	var t message
	for _, d := range dims {
		t.varint(1, uint64(d))
	}
	t.varint(2, uint64(kind))
	t.bytes(8, []byte(name))
	t.bytes(9, raw)
	g.body.bytes(5, t)
	return name
}

func (g *graph) floats(values []float32, dims ...int) string {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return g.initializer(1, raw, dims...)
}

func (g *graph) ints(values ...int) string {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(int64(v)))
	}
	return g.initializer(7, raw, len(values))
}

func (g *graph) scalar(v int) string {
	return g.initializer(7, binary.LittleEndian.AppendUint64(nil, uint64(int64(v))))
}

// weight is a random matrix that preserves the scale of its input.
func (g *graph) weight(rows, columns int) string {
	values := make([]float32, rows*columns)
	scale := float32(math.Sqrt(3 / float64(rows)))
	for i := range values {
		values[i] = scale * (2*g.random.Float32() - 1)
	}
	return g.floats(values, rows, columns)
}

// declare adds an input (field 11) or output (12); a dimension of -1 is not fixed.
func (g *graph) declare(field int, name string, kind int, dims ...int) {
	var shape message
	for i, d := range dims {
		var dim message
		if d < 0 {
			dim.bytes(2, fmt.Appendf(nil, "%s_%d", name, i))
		} else {
			dim.varint(1, uint64(d))
		}
		shape.bytes(1, dim)
	}
	var tensor, kindOf, info message
	tensor.varint(1, uint64(kind))
	tensor.bytes(2, shape)
	kindOf.bytes(1, tensor)
	info.bytes(1, []byte(name))
	info.bytes(2, kindOf)
	g.body.bytes(field, info)
}

func (g *graph) write(t testing.TB, path string) {
	t.Helper()
	g.body.bytes(2, []byte("test"))
	var opset, model message
	opset.varint(2, 17)
	model.varint(1, 8)
	model.bytes(8, opset)
	model.bytes(7, g.body)
	require.NoError(t, os.WriteFile(path, model, 0o600))
}

// shape describes a model with random weights and the variant of its decoder's export.
type shape struct {
	layers, hidden, heads, ffn, vocab, context, sound int
	noPositions, cacheBranch, keepLogits, half        bool
}

const float, long, boolean, half = 1, 7, 9, 10

// decoder writes a Llama decoder.
func (s shape) decoder(t testing.TB, path string) {
	t.Helper()
	g := &graph{random: rand.New(rand.NewPCG(1, 2))}
	dim := s.hidden / s.heads
	cacheKind := float
	if s.half {
		cacheKind = half
	}
	g.declare(11, inputsEmbeds, float, 1, -1, s.hidden)
	g.declare(11, attentionMask, long, 1, -1)
	if s.cacheBranch {
		g.declare(11, useCache, boolean, 1)
	}
	if s.keepLogits {
		g.declare(11, logitsToKeep, long)
	}
	size := func(of string, axis int) string {
		return g.op("Gather", []string{g.op("Shape", []string{of}), g.scalar(axis)})
	}
	total, more := size(attentionMask, 1), size(inputsEmbeds, 1)
	one := g.scalar(1)
	queries := g.op("Range", []string{g.op("Sub", []string{total, more}), total, one})
	keys := g.op("Range", []string{g.scalar(0), total, one})
	allowed := g.op("LessOrEqual", []string{g.op("Unsqueeze", []string{keys, g.ints(0)}), g.op("Unsqueeze", []string{queries, g.ints(1)})})
	mask := g.op("Where", []string{allowed, g.floats([]float32{0}), g.floats([]float32{-1e9})})
	positions := g.op("Unsqueeze", []string{queries, g.ints(0)})
	if !s.noPositions {
		g.declare(11, positionIDs, long, 1, -1)
		positions = positionIDs
	}
	cos, sin := make([]float32, s.context*dim), make([]float32, s.context*dim)
	for p := range s.context {
		for i := range dim {
			angle := float64(p) * math.Pow(10000, -2*float64(i%(dim/2))/float64(dim))
			cos[p*dim+i], sin[p*dim+i] = float32(math.Cos(angle)), float32(math.Sin(angle))
		}
	}
	turn := func(table []float32) string {
		return g.op("Unsqueeze", []string{g.op("Gather", []string{g.floats(table, s.context, dim), positions}), g.ints(1)})
	}
	c, sn := turn(cos), turn(sin)
	l := llama{graph: g, shape: s, dim: dim, cos: c, sin: sn, mask: mask, cacheKind: cacheKind}
	x := inputsEmbeds
	for i := range s.layers {
		x = l.layer(x, i)
	}
	x = l.norm(x)
	if s.keepLogits {
		from := g.op("Unsqueeze", []string{g.op("Neg", []string{logitsToKeep}), g.ints(0)})
		x = g.op("Slice", []string{x, from, g.ints(math.MaxInt64), g.ints(1)})
	}
	g.opTo("MatMul", logitsOutput, []string{x, g.weight(s.hidden, s.vocab)})
	g.declare(12, logitsOutput, float, 1, -1, s.vocab)
	g.write(t, path)
}

type llama struct {
	*graph
	shape
	dim, cacheKind int
	cos, sin, mask string
}

func (l llama) norm(x string) string {
	mean := l.op("ReduceMean", []string{l.op("Mul", []string{x, x})}, attr{name: "axes", list: []int{-1}})
	return l.op("Div", []string{x, l.op("Sqrt", []string{l.op("Add", []string{mean, l.floats([]float32{1e-5})})})})
}

// split returns [1, heads, n, dim].
func (l llama) split(x string) string {
	return l.op("Transpose", []string{l.op("Reshape", []string{x, l.ints(1, -1, l.heads, l.dim)})},
		attr{name: "perm", list: []int{0, 2, 1, 3}})
}

func (l llama) rotate(x string) string {
	slice := func(from, to int) string {
		return l.op("Slice", []string{x, l.ints(from), l.ints(to), l.ints(3)})
	}
	turned := l.op("Concat", []string{l.op("Neg", []string{slice(l.dim/2, l.dim)}), slice(0, l.dim/2)}, attr{name: "axis", one: 3})
	return l.op("Add", []string{l.op("Mul", []string{x, l.cos}), l.op("Mul", []string{turned, l.sin})})
}

// cached concatenates the past and the new values, in the cache's type.
func (l llama) cached(x string, layer int, kind string) string {
	past, present := decoding.Shape{}.PastName(int64(layer), kind), decoding.Shape{}.PresentName(int64(layer), kind)
	l.declare(11, past, l.cacheKind, 1, l.heads, -1, l.dim)
	l.declare(12, present, l.cacheKind, 1, l.heads, -1, l.dim)
	if !l.half {
		return l.opTo("Concat", present, []string{past, x}, attr{name: "axis", one: 2})
	}
	l.opTo("Concat", present, []string{past, l.op("Cast", []string{x}, attr{name: "to", one: half})}, attr{name: "axis", one: 2})
	return l.op("Cast", []string{present}, attr{name: "to", one: float})
}

func (l llama) layer(x string, i int) string {
	n := l.norm(x)
	project := func() string { return l.split(l.op("MatMul", []string{n, l.weight(l.hidden, l.hidden)})) }
	q, k, v := l.rotate(project()), l.rotate(project()), project()
	k, v = l.cached(k, i, "key"), l.cached(v, i, "value")
	scores := l.op("MatMul", []string{q, l.op("Transpose", []string{k}, attr{name: "perm", list: []int{0, 1, 3, 2}})})
	scores = l.op("Mul", []string{scores, l.floats([]float32{float32(1 / math.Sqrt(float64(l.dim)))})})
	weights := l.op("Softmax", []string{l.op("Add", []string{scores, l.mask})}, attr{name: "axis", one: -1})
	out := l.op("Transpose", []string{l.op("MatMul", []string{weights, v})}, attr{name: "perm", list: []int{0, 2, 1, 3}})
	out = l.op("Reshape", []string{out, l.ints(1, -1, l.hidden)})
	x = l.op("Add", []string{x, l.op("MatMul", []string{out, l.weight(l.hidden, l.hidden)})})
	n = l.norm(x)
	gate := l.op("MatMul", []string{n, l.weight(l.hidden, l.ffn)})
	gate = l.op("Mul", []string{gate, l.op("Sigmoid", []string{gate})})
	up := l.op("Mul", []string{gate, l.op("MatMul", []string{n, l.weight(l.hidden, l.ffn)})})
	return l.op("Add", []string{x, l.op("MatMul", []string{up, l.weight(l.ffn, l.hidden)})})
}

// write creates a folder of the shape with gama-tiny's tokenizer.
func (s shape) write(t testing.TB, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "onnx"), 0o750))
	s.decoder(t, filepath.Join(dir, "onnx", "decoder_model_merged.onnx"))

	g := &graph{random: rand.New(rand.NewPCG(3, 4))}
	g.declare(11, inputIDs, long, 1, -1)
	g.opTo("Gather", inputsEmbeds, []string{g.weight(s.vocab, s.hidden), inputIDs})
	g.declare(12, inputsEmbeds, float, 1, -1, s.hidden)
	g.write(t, filepath.Join(dir, "onnx", "embed_tokens.onnx"))

	// One row of the sound's mean for each position, distinguished by its weights.
	g = &graph{random: rand.New(rand.NewPCG(5, 6))}
	g.declare(11, inputFeatures, float, 1, -1, 128)
	mean := g.op("ReduceMean", []string{inputFeatures}, attr{name: "axes", list: []int{1}})
	rows := g.op("Add", []string{g.op("MatMul", []string{mean, g.weight(128, s.hidden)}), g.weight(s.sound, s.hidden)})
	g.opTo("Reshape", audioFeatures, []string{rows, g.ints(1, s.sound, s.hidden)})
	g.declare(12, audioFeatures, float, 1, s.sound, s.hidden)
	g.write(t, filepath.Join(dir, "onnx", "audio_encoder.onnx"))

	config := fmt.Sprintf(`{"model_type":"gama","audio_insert":"prefix","num_audio_tokens":%d,"prompt_template":"{question}\n",
		"bos_token_id":1,"eos_token_id":2,
		"text_config":{"vocab_size":%d,"hidden_size":%d,"num_hidden_layers":%d,"num_attention_heads":%d,"intermediate_size":%d,
		"max_position_embeddings":%d}}`,
		s.sound, s.vocab, s.hidden, s.layers, s.heads, s.ffn, s.context)
	tokens, err := os.ReadFile(filepath.Join(modelsDir, "gama-tiny", "tokenizer.json"))
	require.NoError(t, err)
	for name, content := range map[string]string{
		"config.json": config, "tokenizer.json": string(tokens),
		"generation_config.json": `{"do_sample":false,"max_new_tokens":24,"suppress_tokens":[2]}`,
		"preprocessor_config.json": `{"sampling_rate":16000,"num_mel_bins":128,"subtract_clip_mean":true,
			"mean":-5.081,"std":4.4849,"max_length":1024,"pad_to_max_length":true}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
}
