package editing

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFiltersAgreeWithSciPy compares impulse responses with the responses that
// testdata/filters.py computes.
func TestFiltersAgreeWithSciPy(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/filters.json")
	require.NoError(t, err)
	var cases []struct {
		Operation json.RawMessage
		Rate      int
		Hz, DB    []float64
	}
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.Len(t, cases, 57)
	for _, one := range cases {
		impulse := make([]float32, one.Rate/4)
		impulse[0] = 1
		out, _ := edit(t, impulse, Format{SampleRateHz: one.Rate, Channels: 1}, whole, string(one.Operation))
		response := make([]float64, len(out))
		for i, v := range out {
			response[i] = float64(v)
		}
		for i, hz := range one.Hz {
			db := 20 * math.Log10(magnitude(response, hz, float64(one.Rate)))
			if one.DB[i] > -80 { // below, the rounding of samples counts
				require.InDelta(t, one.DB[i], db, 0.1, "%s at %g Hz of %d", one.Operation, hz, one.Rate)
			} else {
				require.Less(t, db, -79.0)
			}
		}
	}
}
