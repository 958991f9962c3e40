package analysis

import (
	"encoding/json"
	"math"
	"strconv"
)

// Series are values at equal distances in time.
type Series struct {
	// Hop is the distance and Start the time of the first value, in seconds.
	Hop   float64 `json:"hop"`
	Start float64 `json:"start"`
	Unit  string  `json:"unit"`
	// Values are null where they are not defined.
	Values Values `json:"values"`
}

// Values are numbers, or rows of Width numbers. NaN is not defined.
type Values struct {
	Width int // 0 for single numbers
	All   []float32
}

// MarshalJSON implements json.Marshaler.
func (v Values) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+8*len(v.All))
	out = append(out, '[')
	for i, x := range v.All {
		if i > 0 {
			out = append(out, ',')
		}
		if v.Width > 0 && i%v.Width == 0 {
			out = append(out, '[')
		}
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			out = append(out, "null"...)
		} else {
			out = strconv.AppendFloat(out, float64(x), 'g', 6, 32)
		}
		if v.Width > 0 && i%v.Width == v.Width-1 {
			out = append(out, ']')
		}
	}
	return append(out, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Values) UnmarshalJSON(raw []byte) error {
	var rows [][]*float32
	if err := json.Unmarshal(raw, &rows); err == nil {
		*v = Values{}
		for _, row := range rows {
			v.Width = len(row)
			v.add(row)
		}
		return nil
	}
	var single []*float32
	if err := json.Unmarshal(raw, &single); err != nil {
		return err //nolint:wrapcheck // of the same package
	}
	*v = Values{}
	v.add(single)
	return nil
}

func (v *Values) add(row []*float32) {
	for _, x := range row {
		if x == nil {
			v.All = append(v.All, float32(math.NaN()))
			continue
		}
		v.All = append(v.All, *x)
	}
}
