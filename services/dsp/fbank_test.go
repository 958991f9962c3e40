package dsp_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
)

func referenceFile(t *testing.T, parts ...string) string {
	t.Helper()
	dir := os.Getenv("GRYM_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{dir}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no reference file %s; name their folder in GRYM_TESTDATA", path)
	}
	return path
}

func readMono(t *testing.T, path string) []float32 {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	reader, err := audiofile.Open(file, info.Size(), audiofile.DefaultLimits())
	require.NoError(t, err)
	samples := make([]float32, reader.Format().Frames)
	n, err := reader.ReadFrames(samples)
	require.NoError(t, err)
	require.Len(t, samples, n)
	return samples
}

// TestFilterBankIsKaldis compares with the output of Kaldi's own program.
func TestFilterBankIsKaldis(t *testing.T) {
	t.Parallel()
	samples := readMono(t, referenceFile(t, "testdata", "kaldi_ref", "test.wav"))
	for i := range samples {
		samples[i] *= 32768
	}
	for name, bins := range map[string]int{"test.txt": 23, "test-40.txt": 40} {
		data, err := os.ReadFile(referenceFile(t, "testdata", "kaldi_ref", name))
		require.NoError(t, err)
		var want []float64
		_, matrix, _ := strings.Cut(string(data), "[") // the name comes before
		for _, field := range strings.Fields(matrix) {
			if v, err := strconv.ParseFloat(field, 64); err == nil {
				want = append(want, v)
			}
		}
		bank, err := dsp.NewFilterBank(dsp.FilterBankConfig{SampleRateHz: 16000, Bins: bins})
		require.NoError(t, err)
		got := bank.Compute(samples)
		require.Len(t, got, len(want), name)
		require.Len(t, got, 118*bins)
		sum := 0.0
		for i := range want {
			require.InDelta(t, want[i], got[i], 0.05, "%s value %d", name, i)
			sum += math.Abs(want[i] - float64(got[i]))
		}
		require.Less(t, sum/float64(len(want)), 1e-3, name)
	}
}

// TestFilterBankOfSpeech compares with the values in transformers' test of its AST
// feature extractor, and with rows computed independently from the definition.
func TestFilterBankOfSpeech(t *testing.T) {
	t.Parallel()
	samples := readMono(t, referenceFile(t, "testdata", "audio", "1272-128104-0000.wav"))
	bank, err := dsp.NewFilterBank(dsp.FilterBankConfig{SampleRateHz: 16000, Bins: 128, Window: dsp.WindowHanning})
	require.NoError(t, err)
	raw := bank.Compute(samples)
	require.Len(t, raw, 584*128)
	for i, want := range []float64{
		-0.9894, -1.2776, -0.9066, -1.2776, -0.9349, -1.2609, -1.0386, -1.2776, -1.1561, -1.2776,
		-1.2052, -1.2723, -1.2190, -1.2132, -1.2776, -1.1133, -1.1953, -1.1343, -1.1584, -1.2203,
		-1.1770, -1.2474, -1.2381, -1.1936, -0.9270, -0.8317, -0.8049, -0.7706, -0.7565, -0.7869,
	} {
		require.InDelta(t, want, (float64(raw[i])+4.2677393)/(2*4.5689974), 1e-4, "bin %d", i)
	}
	var golden struct {
		Raw []float64 `json:"raw_fbank_frame100"`
	}
	data, err := os.ReadFile(referenceFile(t, "golden", "fbank_1272-128104-0000.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	for i, want := range golden.Raw {
		require.InDelta(t, want, raw[100*128+i], 1e-4, "frame 100, bin %d", i)
	}
}

func TestFilterBankOfATone(t *testing.T) {
	t.Parallel()
	tone := make([]float32, 16000)
	for i := range tone {
		tone[i] = float32(0.5 * math.Sin(2*math.Pi*440*float64(i)/16000))
	}
	bank, err := dsp.NewFilterBank(dsp.FilterBankConfig{SampleRateHz: 16000, Bins: 128, Window: dsp.WindowHanning})
	require.NoError(t, err)
	got := bank.Compute(tone)
	require.Len(t, got, 98*128)
	require.InDelta(t, 3.90880739, got[23], 1e-4)
	for i, v := range got[:128] {
		require.LessOrEqual(t, v, got[23], "bin %d", i)
	}
	require.Equal(t, 98, bank.Frames(16000))
	require.Zero(t, bank.Frames(399))
	require.Equal(t, 1, bank.Frames(400))
	require.Equal(t, 400, bank.Samples(1))
	require.Empty(t, bank.Compute(tone[:399]))
	require.InDelta(t, -15.942385, bank.Compute(make([]float32, 400))[0], 1e-5, "silence is at the floor")
}

func TestFilterBankRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	for _, cfg := range []dsp.FilterBankConfig{
		{},
		{SampleRateHz: 16000},
		{SampleRateHz: 16000, Bins: 80, Window: "round"},
		{SampleRateHz: 16000, Bins: 80, LengthMS: -1},
	} {
		_, err := dsp.NewFilterBank(cfg)
		require.Error(t, err)
	}
}
