package patterns

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/patterns/index"
)

// vector is a point of a space; most have length 1.
type vector []float32

// MarshalText implements encoding.TextMarshaler: little-endian float32 values as base64.
func (v vector) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *vector) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	if len(raw)%4 != 0 {
		return errors.New("a vector must be a whole number of float32 values")
	}
	*v = make(vector, len(raw)/4)
	for i := range *v {
		(*v)[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// dot returns the inner product of vectors of one length.
func dot(a, b vector) float64 { return float64(index.Dot(a, b)) }

// unit returns a copy of a vector with length 1; one without length is returned as it is.
func unit(v vector) vector {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	out := slices.Clone(v)
	if squares > 0 {
		scale := float32(1 / math.Sqrt(squares))
		for i := range out {
			out[i] *= scale
		}
	}
	return out
}

// meanOf returns the mean of vectors, at least one.
func meanOf(list []vector) vector {
	sums := make([]float64, len(list[0]))
	for _, v := range list {
		for i, x := range v {
			sums[i] += float64(x)
		}
	}
	mean := make(vector, len(sums))
	for i, sum := range sums {
		mean[i] = float32(sum / float64(len(list)))
	}
	return mean
}

// moments returns mean and standard deviation of values; zero for none.
func moments(values []float64) (mean, deviation float64) {
	if len(values) == 0 {
		return 0, 0
	}
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(values)))
}

// quantile returns the value below which a part of the values lies; zero for none.
func quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := part * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}
