package onnx

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// field encodes one field of a protocol buffer: a message, a string or a number.
func field[T string | int](number int, content T) string {
	var b []byte
	switch v := any(content).(type) {
	case string:
		b = protowire.AppendTag(b, protowire.Number(number), protowire.BytesType)
		b = protowire.AppendString(b, v)
	case int:
		b = protowire.AppendTag(b, protowire.Number(number), protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(v))
	}
	return string(b)
}

// tensorAt is a float tensor of one element stored in an external file.
func tensorAt(location string) string {
	entry := func(key, value string) string {
		return field(tensorExternal, field(entryKey, key)+field(entryValue, value))
	}
	return field(1, 1) + field(2, int(Float32)) + field(tensorName, "w") + entry("offset", "0") + entry("location", location) +
		entry("length", "4") + field(14, 1)
}

// addition is a model that adds a one-element tensor to its input.
func addition(initializer, more string) string {
	value := func(name string) string {
		dim := field(tensorTypeShape, field(shapeDim, field(dimValue, 1)))
		return field(valueName, name) + field(valueType, field(typeTensor, field(tensorTypeElem, int(Float32))+dim))
	}
	node := field(1, "x") + field(1, "w") + field(2, "y") + field(nodeOp, "Add")
	graph := field(graphNode, node) + field(2, "g") + initializer + field(graphInput, value("x")) + field(graphOutput, value("y")) + more
	return field(1, 8) + field(8, field(2, 17)) + field(modelGraph, graph)
}

var sum = Contract{
	Inputs:  []TensorSpec{{Name: "x", Type: Float32, Rank: 1}},
	Outputs: []TensorSpec{{Name: "y", Type: Float32, Rank: 1}},
}

// TestWeightsInOtherFilesAreThoseOfTheFolder loads weights with ONNX Runtime from
// allowed locations, and checks that it is not called for other locations.
func TestWeightsInOtherFilesAreThoseOfTheFolder(t *testing.T) {
	t.Parallel()
	for location, says := range map[string]string{
		"weights": "", "deep/weights": "",
		"../weights": `it names the file "../weights" for its weights`, "deep/../../weights": "it names the file",
		"/etc/hostname": "it names the file", "pipe": "it is a named pipe", "deep": "it is a folder", "missing": "no such file",
		"link": "it is a link that leaves the folder",
	} {
		dir := filepath.Join(t.TempDir(), "model")
		at := func(name string) string { return filepath.Join(dir, name) }
		require.NoError(t, os.MkdirAll(at("deep"), 0o750))
		weight := binary.LittleEndian.AppendUint32(nil, math.Float32bits(40))
		for _, name := range []string{"weights", "deep/weights", "../weights"} {
			require.NoError(t, os.WriteFile(at(name), weight, 0o600))
		}
		require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
		require.NoError(t, os.Symlink("../weights", at("link")))
		data := addition(field(graphInitializer, tensorAt(location)), "")
		require.NoError(t, os.WriteFile(at("model.onnx"), []byte(data), 0o600))
		_, err := engine.OpenSession(Graph{Name: "sum", Data: []byte(data)}, sum, SessionConfig{})
		require.ErrorIs(t, err, ErrExternal, "a graph in memory would read the working folder")
		session, err := engine.OpenSession(Graph{Name: "sum", Path: at("model.onnx")}, sum, SessionConfig{})
		if says != "" {
			require.ErrorContains(t, err, says, location)
			continue
		}
		require.NoError(t, err, location)
		x, err := NewTensor([]float32{2}, 1)
		require.NoError(t, err)
		outputs, err := session.Run(t.Context(), map[string]*Tensor{"x": x})
		require.NoError(t, err)
		values, err := Values[float32](outputs["y"])
		require.NoError(t, err)
		require.Equal(t, []float32{42}, values)
		outputs["y"].Close()
		x.Close()
		require.NoError(t, session.Close())
	}
}

// TestExternalWeightsAreFoundEverywhere puts an external tensor into every place of a
// model that can hold one.
func TestExternalWeightsAreFoundEverywhere(t *testing.T) {
	t.Parallel()
	tensor := tensorAt("elsewhere")
	attribute := func(content string) string { return field(graphNode, field(nodeAttribute, content)) }
	nested := field(graphInitializer, tensor)
	for range maxDepth {
		nested = attribute(field(attributeGraph, nested))
	}
	for name, more := range map[string]string{
		"initializer": field(graphInitializer, tensor), "sparse initializer": field(graphSparse, field(sparseIndices, tensor)),
		"constant": attribute(field(attributeTensor, tensor)), "constants": attribute(field(attributeTensors, tensor)),
		"sparse constant":  attribute(field(attributeSparse, field(sparseValues, tensor))),
		"sparse constants": attribute(field(attributeSparses, field(sparseValues, tensor))),
		"branch":           attribute(field(attributeGraph, field(graphInitializer, tensor))),
		"branches":         attribute(field(attributeGraphs, field(graphSparse, field(sparseValues, tensor)))),
		"nested":           nested,
	} {
		data := addition("", more)
		signature, err := ReadSignature(strings.NewReader(data), int64(len(data)))
		require.NoError(t, err, name)
		require.Equal(t, []string{"elsewhere"}, signature.External, name)
	}
	data := addition("", "") + field(modelFunction, field(functionNode, field(nodeAttribute, field(attributeTensor, tensor))))
	signature, err := ReadSignature(strings.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Equal(t, []string{"elsewhere"}, signature.External)
	data = addition("", attribute(field(attributeGraph, nested)))
	_, err = ReadSignature(strings.NewReader(data), int64(len(data)))
	require.ErrorIs(t, err, ErrNotONNX)
	require.ErrorContains(t, err, "more than 32 deep")
}

func TestAGraphThatIsNoFileIsNotOpened(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := engine.OpenSession(Graph{Name: "pipe", Path: pipe}, sum, SessionConfig{})
	require.ErrorIs(t, err, regular.ErrKind)
}
