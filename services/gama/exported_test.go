package gama

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// writeWAV writes samples at 16 kHz to a file.
func writeWAV(t testing.TB, samples []int16) services.AudioSource {
	t.Helper()
	var b bytes.Buffer
	size := uint32(2 * len(samples)) //nolint:gosec // small
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, size+36)
	b.WriteString("WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(16000), uint32(32000), uint16(2), uint16(16)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, size)
	_ = binary.Write(&b, binary.LittleEndian, samples)
	path := filepath.Join(t.TempDir(), "sound.wav")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return diskAudio(path)
}

// exported serves the folder that models/export/gama_golden.py wrote for a random model
// in the structure of GAMA's public checkpoint, once for each dtype.
func exported(t *testing.T) *Service {
	t.Helper()
	source, dir := filepath.Join("testdata", "exported"), t.TempDir()
	config, err := os.ReadFile(filepath.Join(source, "config.json"))
	require.NoError(t, err)
	for _, dtype := range []string{"fp32", "fp16", "q8"} {
		folder := filepath.Join(dir, dtype)
		require.NoError(t, os.CopyFS(folder, os.DirFS(source)))
		changed := strings.ReplaceAll(string(config), `": "fp32"`, `": "`+dtype+`"`)
		changed = strings.Replace(changed, `"audio_encoder": "`+dtype, `"audio_encoder": "fp32`, 1)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(changed), 0o600))
	}
	cfg := DefaultConfig()
	cfg.DefaultModel = "fp32"
	s := New(cfg, modelstore.NewCatalog(os.DirFS(t.TempDir()), dir), rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, newShelf())
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// TestAnExportedModelAnswersAsPyTorch compares with logits and tokens from torch with
// the same weights, features from torchaudio, and a prompt encoded by sentencepiece.
func TestAnExportedModelAnswersAsPyTorch(t *testing.T) {
	t.Parallel()
	s := exported(t)
	var golden struct {
		Question string
		Prompt   []int
		Answers  []struct {
			Sound  int
			Logits []float64
			Tokens []int
		}
	}
	data, err := os.ReadFile(filepath.Join("testdata", "exported", "golden.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	greedy, plain, all := 0.0, 1.0, 24
	params := tasks.AskParams{Question: golden.Question, Temperature: &greedy, RepetitionPenalty: &plain, MaxTokens: &all}
	for dtype, tolerance := range map[string]float64{"fp32": 1e-4, "fp16": 1e-2, "q8": 1e-1} {
		m, done, err := s.pool.Acquire(t.Context(), dtype)
		require.NoError(t, err)
		t.Cleanup(done) // before the service is shut down, which would wait
		for _, want := range golden.Answers {
			a := s.newAsking(t.Context(), m, params, services.DiscardSink{})
			sound, err := a.encodeWhole(t.Context(), writeWAV(t, wholeSound(want.Sound)))
			require.NoError(t, err)
			require.EqualValues(t, 96, sound.n, "32 of the Q-Former and 64 of the aggregator")
			sequence := m.sequence(sound, nil, golden.Question, "")
			require.Len(t, sequence.keys, 96+len(golden.Prompt))
			for i, id := range golden.Prompt {
				require.EqualValues(t, id, sequence.keys[96+i], "GAMA has the sound before the first token")
			}
			d, err := m.newDecoding(nil, sequence, int64(len(sequence.keys)))
			require.NoError(t, err)
			logits, err := d.prefill(t.Context(), sequence)
			require.NoError(t, err)
			largest := 0.0
			for _, v := range want.Logits {
				largest = max(largest, math.Abs(v))
			}
			for i, v := range want.Logits {
				require.InDelta(t, v, logits[i], tolerance*largest, "%s, sound %d, token %d", dtype, want.Sound, i)
			}
			d.Close()
			r, err := a.respond(t.Context(), sound, nil, nil, false)
			require.NoError(t, err)
			tokens := want.Tokens
			if end := slices.Index(tokens, 2); end >= 0 {
				tokens = tokens[:end]
			}
			if dtype == "fp32" {
				require.Equal(t, tokens, r.tokens, "sound %d", want.Sound)
			} else {
				require.Equal(t, tokens[:2], r.tokens[:2], "%s, sound %d", dtype, want.Sound)
			}
		}
	}
}

// TestGraphsAreFoundByTheirDtype has graphs that config.json selects, and the defaults.
// Half precision counts twice because it is widened in memory.
func TestGraphsAreFoundByTheirDtype(t *testing.T) {
	t.Parallel()
	s := exported(t)
	files, _, err := s.shelf.Find("fp32")
	require.NoError(t, err)
	f, err := readConfigs(files)
	require.NoError(t, err)
	of := func(dtype string) (string, services.Bytes) {
		require.NoError(t, json.Unmarshal([]byte(`"`+dtype+`"`), &f.Network.JS.DType))
		require.NoError(t, f.Network.JS.DType.check())
		graph, size, err := f.graph(files, decoderGraph)
		require.NoError(t, err)
		return graph.Name, size
	}
	name, whole := of("fp32")
	require.Equal(t, "fp32/onnx/decoder_model_merged.onnx", name)
	name, half := of("fp16")
	require.Equal(t, "fp32/onnx/decoder_model_merged_fp16.onnx", name)
	require.InEpsilon(t, float64(whole), float64(half), 0.05)
	name, bytes := of("q8")
	require.Equal(t, "fp32/onnx/decoder_model_merged_quantized.onnx", name)
	require.Less(t, bytes, whole/3)
	name, _ = of("auto")
	require.Equal(t, "fp32/onnx/decoder_model_merged.onnx", name)
	f.Network.JS.DType = dtypes{decoderGraph: "q4"}
	_, _, err = f.graph(files, decoderGraph)
	require.ErrorContains(t, err, "decoder_model_merged_q4.onnx")
	require.ErrorContains(t, dtypes{decoderGraph: "fp8"}.check(), `got "fp8"`)
}
