package onnx

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrNonFinite is wrapped if an output of a run contains NaN or an infinity.
var ErrNonFinite = errors.New("output is not finite")

// Element is the constraint of a Tensor's element types.
type Element interface {
	float32 | int64 | bool
}

// Tensor is a dense array with its shape. An input tensor shares the caller's slice
// with ONNX Runtime, so the slice must not change during a run. Close releases the
// native side and must be called once no run needs the values. Not safe for concurrent
// use.
type Tensor struct {
	value  ort.Value
	shape  []int64
	values any
	// kind is the element type of a tensor whose values are bytes.
	kind ElementType
}

// NewTensor returns a tensor that shares values, which are in row-major order.
func NewTensor[T Element](values []T, shape ...int64) (*Tensor, error) {
	value, err := ort.NewTensor(ort.NewShape(shape...), values)
	if err != nil {
		return nil, fmt.Errorf("tensor of shape %v over %d values: %w", shape, len(values), err)
	}
	return &Tensor{value: value, shape: shape, values: values}, nil
}

// NewRawTensor returns a tensor of any numeric type that shares data, its elements in
// row-major order and native byte order. It is meant for values that are passed from
// one run to the next without being read. data must not be empty, even if the shape has
// no elements.
func NewRawTensor(kind ElementType, data []byte, shape ...int64) (*Tensor, error) {
	value, err := ort.NewCustomDataTensor(ort.NewShape(shape...), data, ort.TensorElementDataType(kind))
	if err != nil {
		return nil, fmt.Errorf("tensor of shape %v over %d bytes: %w", shape, len(data), err)
	}
	return &Tensor{value: value, shape: shape, values: data, kind: kind}, nil
}

// NewScalar returns a tensor without dimensions.
func NewScalar[T Element](v T) (*Tensor, error) {
	value, err := ort.NewScalar(v)
	if err != nil {
		return nil, fmt.Errorf("scalar %v: %w", v, err)
	}
	return &Tensor{value: value, shape: []int64{}, values: []T{v}}, nil
}

// Values returns a tensor's elements in row-major order. It fails if they have another
// type.
func Values[T Element](t *Tensor) ([]T, error) {
	values, ok := t.values.([]T)
	if !ok {
		return nil, fmt.Errorf("tensor holds %T, not %T", t.values, values)
	}
	return values, nil
}

// Shape returns the shape of the tensor. The caller must not modify it.
func (t *Tensor) Shape() []int64 { return t.shape }

// Close releases the native side. The Go values remain valid. Calling it twice, or on
// nil, does nothing.
func (t *Tensor) Close() {
	if t == nil || t.value == nil {
		return
	}
	// Destroy fails only for a tensor that is already destroyed.
	_ = t.value.Destroy()
	t.value = nil
}

// fromValue takes ownership of an output allocated by ONNX Runtime. The binding has
// already copied its elements to Go memory.
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

// checkFinite returns an error for the first NaN or infinity of a float tensor.
func (t *Tensor) checkFinite(name string) error {
	values, err := Floats(t)
	if err != nil { // other types are always finite
		return nil //nolint:nilerr // as said
	}
	for i, v := range values {
		// The difference of a value with itself is zero only for finite values.
		if v-v != 0 {
			return fmt.Errorf("%w: %s[%d] is %v", ErrNonFinite, name, i, v)
		}
	}
	return nil
}
