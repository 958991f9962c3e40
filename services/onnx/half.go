package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// NewFloatTensor returns a tensor for an input of type float32, which shares values, or
// float16, which copies them. Values out of the range of float16 become infinite.
func NewFloatTensor(kind ElementType, values []float32, shape ...int64) (*Tensor, error) {
	if kind != Float16 {
		return NewTensor(values, shape...)
	}
	data := make([]byte, 2*len(values))
	for i, v := range values {
		binary.NativeEndian.PutUint16(data[2*i:], toHalf(v))
	}
	return NewRawTensor(Float16, data, shape...)
}

// Floats returns the elements of a float32 or float16 tensor in row-major order.
func Floats(t *Tensor) ([]float32, error) {
	if values, ok := t.values.([]float32); ok {
		return values, nil
	}
	data, ok := t.values.([]byte)
	if !ok || t.kind != Float16 {
		return nil, fmt.Errorf("tensor holds %T of %s, not floats", t.values, t.kind)
	}
	values := make([]float32, len(data)/2)
	for i := range values {
		values[i] = fromHalf(binary.NativeEndian.Uint16(data[2*i:]))
	}
	return values, nil
}

// Layout of IEEE 754 binary16: a sign bit, five exponent bits with bias 15, and ten
// fraction bits.
const (
	halfFraction = 10
	halfBias     = 15
	halfMost     = 31 // exponent of infinity and NaN
	floatBias    = 127
	// floatFraction is the number of fraction bits of binary32.
	floatFraction = 23
)

// fromHalf converts binary16 to float32, which is exact.
func fromHalf(h uint16) float32 {
	sign := float32(1)
	if h>>15 != 0 {
		sign = -1
	}
	exponent, fraction := int(h>>halfFraction&halfMost), int(h&(1<<halfFraction-1))
	switch exponent {
	case 0: // zero and subnormal
		return sign * float32(math.Ldexp(float64(fraction), 1-halfBias-halfFraction))
	case halfMost:
		if fraction != 0 {
			return float32(math.NaN())
		}
		return sign * float32(math.Inf(1))
	}
	return sign * float32(math.Ldexp(float64(fraction+1<<halfFraction), exponent-halfBias-halfFraction))
}

// toHalf converts to binary16, rounding to nearest, ties to even.
func toHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign := uint16(bits >> 31 << 15)
	exponent := int(bits>>floatFraction&0xff) - floatBias + halfBias
	fraction := bits & (1<<floatFraction - 1)
	switch {
	case v != v:
		return sign | halfMost<<halfFraction | 1
	case exponent >= halfMost:
		return sign | halfMost<<halfFraction
	case exponent < -halfFraction:
		return sign
	}
	shift := uint(floatFraction - halfFraction)
	whole := uint32(max(exponent, 0))<<floatFraction | fraction
	if exponent <= 0 { // subnormal: the leading one becomes explicit
		whole = fraction | 1<<floatFraction
		shift += uint(1 - exponent)
	}
	half := whole >> shift
	rest, tie := whole&(1<<shift-1), uint32(1)<<(shift-1)
	if rest > tie || rest == tie && half&1 == 1 {
		half++ // a carry into the exponent is correct
	}
	return sign | uint16(half)
}
