package onnx

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNotONNX is wrapped if a file cannot be parsed as an ONNX model.
var ErrNotONNX = errors.New("not a readable ONNX model")

// Limits on the declarations of a model file.
const (
	maxTensors    = 4096
	maxNameBytes  = 4096
	maxDimensions = 64
	maxOps        = 1024
	// maxFields and maxNamesBytes apply to the whole file. A decoder of a hundred
	// layers has about 100,000 fields and a megabyte of names.
	maxFields     = 1 << 22
	maxNamesBytes = 64 << 20
)

// Signature describes the inputs and outputs of a graph.
type Signature struct {
	Inputs, Outputs []TensorInfo
	// Ops counts the graph's nodes by operator, such as "Conv". Nodes in the branches
	// of an If or the body of a Loop are not counted.
	Ops map[string]int
	// External lists the external files that hold weights, relative to the graph's
	// folder. See CheckExternal.
	External []string
}

// Attends reports whether the graph computes attention, whose memory grows with the
// square of the length.
func (s Signature) Attends() bool {
	return s.Ops["Softmax"]+s.Ops["Attention"]+s.Ops["MultiHeadAttention"] > 0
}

// TensorInfo describes one input or output of a graph.
type TensorInfo struct {
	Name string
	// Type of the elements.
	Type ElementType
	// Dims has -1 for a dimension that is not fixed. It is nil if the rank is unknown.
	Dims []int64
}

// String returns "name type[dims]", with a question mark for a dimension that is not
// fixed.
func (t TensorInfo) String() string {
	if t.Dims == nil {
		return fmt.Sprintf("%.200s %s of unknown rank", t.Name, t.Type)
	}
	dims := make([]string, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = "?"
		if d >= 0 {
			dims[i] = fmt.Sprint(d)
		}
	}
	return fmt.Sprintf("%.200s %s[%s]", t.Name, t.Type, strings.Join(dims, ","))
}

// ElementType of a tensor, numbered as in ONNX's TensorProto.DataType.
type ElementType int32

// The element types used by supported models.
const (
	Float32 ElementType = 1
	Int64   ElementType = 7
	Bool    ElementType = 9
	Float16 ElementType = 10
)

// String returns ONNX's name of the type in lower case.
func (e ElementType) String() string {
	names := []string{
		"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64",
		"uint32", "uint64",
	}
	if int(e) < len(names) && e >= 0 {
		return names[e]
	}
	return fmt.Sprintf("type %d", int32(e))
}

// Field numbers of onnx.proto on the path to the graph's inputs and outputs.
const (
	modelGraph       = 7
	graphNode        = 1
	nodeOp           = 4
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	tensorName       = 8
	valueName        = 1
	valueType        = 2
	typeTensor       = 1
	tensorTypeElem   = 1
	tensorTypeShape  = 2
	shapeDim         = 1
	dimValue         = 1
)

// Size returns the size of one element in bytes, or 0 for an unsupported type.
func (e ElementType) Size() int64 {
	switch e {
	case Float32:
		return 4
	case Int64:
		return 8
	case Bool:
		return 1
	case Float16:
		return 2
	}
	return 0
}

// Find returns the tensor with the given name.
func Find(list []TensorInfo, name string) (TensorInfo, bool) {
	for _, info := range list {
		if info.Name == name {
			return info, true
		}
	}
	return TensorInfo{}, false
}

// ReadSignature reads the inputs and outputs of a graph from an ONNX file, following
// onnx.proto, without reading the weights. The binding would have to load the model a
// second time. Initialisers that old exporters list among the inputs are omitted. The
// error wraps ErrNotONNX.
func ReadSignature(r io.ReaderAt, size int64) (Signature, error) {
	var sig Signature
	found := false
	initializers := make(map[string]bool)
	err := newMessage(r, size).each(func(field int, m *message) error {
		if field == modelFunction {
			return m.readFunction(&sig)
		}
		if field != modelGraph {
			return nil
		}
		found = true
		return m.each(func(field int, m *message) error {
			switch field {
			case graphNode:
				return m.readNode(&sig)
			case graphInitializer:
				return m.readInitializer(&sig, initializers)
			case graphSparse:
				return m.readSparse(&sig)
			case graphInput:
				return m.readTensorInfo(&sig.Inputs)
			case graphOutput:
				return m.readTensorInfo(&sig.Outputs)
			}
			return nil
		})
	})
	if err == nil && (!found || len(sig.Outputs) == 0) {
		err = errors.New("it contains no graph")
	}
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrNotONNX, err)
	}
	inputs := sig.Inputs[:0]
	for _, input := range sig.Inputs {
		if !initializers[input.Name] {
			inputs = append(inputs, input)
		}
	}
	sig.Inputs = inputs
	return sig, nil
}

func (m *message) readNode(sig *Signature) error {
	return m.each(func(field int, m *message) error {
		if field == nodeAttribute {
			return m.readAttribute(sig, 0)
		}
		if field != nodeOp {
			return nil
		}
		op, err := m.text()
		if sig.Ops == nil {
			sig.Ops = make(map[string]int)
		}
		if err == nil && len(sig.Ops) < maxOps {
			sig.Ops[op]++
		}
		return err
	})
}

func (m *message) readInitializer(sig *Signature, names map[string]bool) error {
	return m.each(func(field int, m *message) error {
		if field == tensorExternal {
			return m.readLocation(sig)
		}
		if field != tensorName {
			return nil
		}
		name, err := m.text()
		// Only names of inputs matter, and there are few. The limit keeps a hostile
		// file from using up memory.
		if err == nil && len(names) < 1<<20 {
			names[name] = true
		}
		return err
	})
}

func (m *message) readTensorInfo(list *[]TensorInfo) error {
	if len(*list) == maxTensors {
		return fmt.Errorf("it must have at most %d inputs or outputs, got more", maxTensors)
	}
	var info TensorInfo
	err := m.each(func(field int, m *message) (err error) {
		switch field {
		case valueName:
			info.Name, err = m.text()
		case valueType:
			err = m.each(func(field int, m *message) error {
				if field != typeTensor {
					return nil
				}
				return m.readTensorType(&info)
			})
		}
		return err
	})
	*list = append(*list, info)
	return err
}

func (m *message) readTensorType(info *TensorInfo) error {
	return m.each(func(field int, m *message) error {
		switch field {
		case tensorTypeElem:
			info.Type = ElementType(m.varint)
		case tensorTypeShape:
			info.Dims = []int64{}
			return m.each(func(field int, m *message) error {
				if field != shapeDim {
					return nil
				}
				if len(info.Dims) == maxDimensions {
					return fmt.Errorf("a tensor must have at most %d dimensions, got more", maxDimensions)
				}
				dim := int64(-1)
				err := m.each(func(field int, m *message) error {
					if field == dimValue {
						dim = int64(m.varint)
					}
					return nil
				})
				info.Dims = append(info.Dims, dim)
				return err
			})
		}
		return nil
	})
}
