package modeltest

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of ONNX's messages that FailsBeyond writes.
const (
	modelGraph                                   = 7
	graphNode, graphInitializer                  = 1, 5
	nodeInput, nodeOutput, nodeOp, nodeAttribute = 1, 2, 4, 5
	tensorType, tensorName, tensorRaw            = 2, 8, 9
	attributeName, attributeInt, attributeType   = 1, 3, 20

	typeFloat, typeInt64, attributeIsInt = 1, 7, 2
)

// FailsBeyond returns a function that changes the graph of wav2vec2-tiny so that its
// output is NaN for inputs of more than so many samples, and unchanged for others. A
// canary of such a model succeeds, and tasks with long inputs fail.
func FailsBeyond(t testing.TB, samples int) func([]byte) []byte {
	t.Helper()
	return func(model []byte) []byte {
		return edit(t, model, modelGraph, func(graph []byte) []byte {
			graph = edit(t, graph, graphNode, func(node []byte) []byte {
				return edit(t, node, nodeOutput, func(name []byte) []byte {
					if string(name) == "logits" {
						return []byte("sound logits")
					}
					return name
				})
			})
			// sqrt(samples - length) * 0 is 0 or NaN.
			graph = appendField(graph, graphNode, node("Shape", "shape", nil, "input_values"))
			graph = appendField(graph, graphNode, node("Gather", "length", nil, "shape", "second"))
			graph = appendField(graph, graphNode, node("Cast", "length as float", attribute("to", typeFloat), "length"))
			graph = appendField(graph, graphNode, node("Sub", "rest", nil, "limit", "length as float"))
			graph = appendField(graph, graphNode, node("Sqrt", "root", nil, "rest"))
			graph = appendField(graph, graphNode, node("Mul", "fault", nil, "root", "nothing"))
			graph = appendField(graph, graphNode, node("Add", "logits", nil, "sound logits", "fault"))
			graph = appendField(graph, graphInitializer, scalar("second", typeInt64, binary.LittleEndian.AppendUint64(nil, 1)))
			graph = appendField(graph, graphInitializer, scalar("limit", typeFloat, float(float32(samples))))
			return appendField(graph, graphInitializer, scalar("nothing", typeFloat, float(0)))
		})
	}
}

// edit replaces the content of every field of a message with the number.
func edit(t testing.TB, message []byte, number protowire.Number, change func([]byte) []byte) []byte {
	t.Helper()
	out := make([]byte, 0, len(message)+1024)
	for len(message) > 0 {
		found, kind, n := protowire.ConsumeTag(message)
		require.Positive(t, n)
		size := protowire.ConsumeFieldValue(found, kind, message[n:])
		require.GreaterOrEqual(t, size, 0)
		if found == number && kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(message[n:])
			out = appendField(out, number, change(content))
		} else {
			out = append(out, message[:n+size]...)
		}
		message = message[n+size:]
	}
	return out
}

// appendField appends a field with bytes.
func appendField(message []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), content)
}

// appendInt appends a field with an integer.
func appendInt(message []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(message, number, protowire.VarintType), value)
}

// node returns a node of a graph with one output.
func node(op, output string, attribute []byte, inputs ...string) (n []byte) {
	for _, input := range inputs {
		n = appendField(n, nodeInput, []byte(input))
	}
	n = appendField(n, nodeOutput, []byte(output))
	n = appendField(n, nodeOp, []byte(op))
	if attribute != nil {
		n = appendField(n, nodeAttribute, attribute)
	}
	return n
}

// attribute returns an attribute with an integer.
func attribute(name string, value uint64) []byte {
	a := appendField(nil, attributeName, []byte(name))
	return appendInt(appendInt(a, attributeInt, value), attributeType, attributeIsInt)
}

// scalar returns a tensor without dimensions.
func scalar(name string, dataType uint64, raw []byte) []byte {
	return appendField(appendField(appendInt(nil, tensorType, dataType), tensorName, []byte(name)), tensorRaw, raw)
}

func float(value float32) []byte {
	return binary.LittleEndian.AppendUint32(nil, math.Float32bits(value))
}
