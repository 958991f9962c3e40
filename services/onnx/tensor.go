package onnx

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrNonFinite is wrapped by a run whose output holds NaN or an infinity.
var ErrNonFinite = errors.New("output is not finite")

// Element is a type that a Tensor may hold.
type Element interface {
	float32 | int64 | bool
}

// Tensor is a dense array with its shape. A tensor for input shares the
// caller's slice with ONNX Runtime, so the slice must not change during a run.
// Close releases the native side, and must be called once the values are not
// needed by a run any more. Not safe for concurrent use.
type Tensor struct {
	value  ort.Value
	shape  []int64
	values any
	// kind of a tensor whose values are bytes.
	kind ElementType
}

// NewTensor wraps values, in row-major order, without copying them.
func NewTensor[T Element](values []T, shape ...int64) (*Tensor, error) {
	value, err := ort.NewTensor(ort.NewShape(shape...), values)
	if err != nil {
		return nil, fmt.Errorf("tensor of shape %v over %d values: %w", shape, len(values), err)
	}
	return &Tensor{value: value, shape: shape, values: values}, nil
}

// NewRawTensor wraps the bytes of elements of any numeric type, in row-major order
// and the machine's byte order, without copying them. It is for what is handed
// from one run to the next and never read here. data must not be empty, even where
// the shape has no elements.
func NewRawTensor(kind ElementType, data []byte, shape ...int64) (*Tensor, error) {
	value, err := ort.NewCustomDataTensor(ort.NewShape(shape...), data, ort.TensorElementDataType(kind))
	if err != nil {
		return nil, fmt.Errorf("tensor of shape %v over %d bytes: %w", shape, len(data), err)
	}
	return &Tensor{value: value, shape: shape, values: data, kind: kind}, nil
}

// NewScalar makes a tensor without dimensions.
func NewScalar[T Element](v T) (*Tensor, error) {
	value, err := ort.NewScalar(v)
	if err != nil {
		return nil, fmt.Errorf("scalar %v: %w", v, err)
	}
	return &Tensor{value: value, shape: []int64{}, values: []T{v}}, nil
}

// Values gives a tensor's elements in row-major order. It fails when they are of
// another type.
func Values[T Element](t *Tensor) ([]T, error) {
	values, ok := t.values.([]T)
	if !ok {
		return nil, fmt.Errorf("tensor holds %T, not %T", t.values, values)
	}
	return values, nil
}

// Shape of the tensor. The caller must not change it.
func (t *Tensor) Shape() []int64 { return t.shape }

// Close releases the native side. The Go values stay usable. Calling it twice,
// or on nil, does nothing.
func (t *Tensor) Close() {
	if t == nil || t.value == nil {
		return
	}
	// Destroy fails only for a tensor that was destroyed before.
	_ = t.value.Destroy()
	t.value = nil
}

// fromValue takes over an output that ONNX Runtime allocated; the binding has
// copied its elements into Go memory already.
func fromValue(value ort.Value) (*Tensor, error) {
	t := &Tensor{value: value, shape: value.GetShape()}
	switch v := value.(type) {
	case *ort.Tensor[float32]:
		t.values = v.GetData()
	case *ort.Tensor[int64]:
		t.values = v.GetData()
	case *ort.Tensor[bool]:
		t.values = v.GetData()
	default:
		t.Close()
		return nil, fmt.Errorf("output of type %T is not supported", value)
	}
	return t, nil
}

// checkFinite finds the first NaN or infinity of a float tensor.
func (t *Tensor) checkFinite(name string) error {
	values, err := Floats(t)
	if err != nil { // of another type, which is always finite
		return nil //nolint:nilerr // as said
	}
	for i, v := range values {
		// A difference with itself is zero for finite values alone.
		if v-v != 0 {
			return fmt.Errorf("%w: %s[%d] is %v", ErrNonFinite, name, i, v)
		}
	}
	return nil
}
