package onnx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHalves converts notable binary16 values of IEEE 754, and every value in both
// directions.
func TestHalves(t *testing.T) {
	t.Parallel()
	for bits, value := range map[uint16]float64{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 0x1p-14, 0x0001: 0x1p-24, 0x03ff: 0x1p-14 - 0x1p-24,
		0x3555: 0.333251953125, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		require.Equal(t, float32(value), fromHalf(bits))
		require.Equal(t, bits, toHalf(float32(value)))
	}
	for bits := range 1 << 16 {
		v := fromHalf(uint16(bits))
		if v != v {
			require.NotZero(t, toHalf(v)&0x3ff)
			continue
		}
		require.Equal(t, uint16(bits), toHalf(v), "%#04x", bits)
	}
	for value, bits := range map[float64]uint16{
		1 + 0x1p-11: 0x3c00, 1 + 3*0x1p-11: 0x3c02, 1 + 0x1p-11 + 0x1p-20: 0x3c01, // ties to even
		65519: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, 0x1p-25: 0, 0x1.8p-25: 1, 1e-30: 0, 0x1p-14 - 0x1p-26: 0x0400,
	} {
		require.Equal(t, bits, toHalf(float32(value)), "%v", value)
	}
}
