package patterns

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCopiesAreTheSame degrades a sound twice. With GRYM_COPIES it writes the background and
// the copies of the sounds in that folder, for models/train/clap/calibrate.py.
func TestCopiesAreTheSame(t *testing.T) {
	t.Parallel()
	clip := instance(seeded(81), siren)
	copies := degraded(clip)
	require.Len(t, copies, copiesOfExample)
	require.Equal(t, copies, degraded(clip))
	for i, one := range copies {
		require.Greater(t, len(one.samples), len(clip.samples))
		require.NotEqual(t, copies[(i+1)%len(copies)], one)
	}
	folder := os.Getenv("GRYM_COPIES")
	if folder == "" {
		return
	}
	write := func(name string, samples []float32) {
		var raw []byte
		for _, v := range samples {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		require.NoError(t, os.WriteFile(name, raw, 0o600))
	}
	write(filepath.Join(folder, "cohort.f32"), cohort().samples)
	files, err := filepath.Glob(filepath.Join(folder, "*.s16"))
	require.NoError(t, err)
	for _, name := range files {
		raw, err := os.ReadFile(name) //nolint:gosec // the folder is the developer's
		require.NoError(t, err)
		x := sound{samples: make([]float32, len(raw)/2), rate: cohortRate}
		for i := range x.samples {
			x.samples[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768 //nolint:gosec // two's complement
		}
		for i, one := range degraded(x) {
			write(fmt.Sprintf("%s.%d.f32", name, i), one.samples)
		}
	}
}
