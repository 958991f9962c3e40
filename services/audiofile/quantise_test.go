package audiofile

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestQuantiseRounds compares with math.Round, also beside the halves.
func TestQuantiseRounds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, bits := range []int{16, 24, 32} {
		scale := math.Ldexp(1, bits-1)
		for i := range 100_000 {
			x := float32(random.Float64()*2.2 - 1.1)
			if i%2 == 0 {
				half := float32((math.Floor(random.Float64()*20) - 10 + 0.5) / scale)
				x = []float32{half, math.Nextafter32(half, 2), math.Nextafter32(half, -2)}[i%3]
			}
			want := int32(math.Round(min(max(float64(x)*scale, -scale), scale-1)))
			require.Equal(t, want, quantise(x, bits), "%v of %d bits", x, bits)
		}
	}
}
