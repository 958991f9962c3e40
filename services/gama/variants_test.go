package gama

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// serveShapes serves folders with random weights, which remain in the folder keep.
func serveShapes(t testing.TB, shapes map[string]shape, threads int, keep ...string) *Service {
	t.Helper()
	dir := t.TempDir()
	if len(keep) > 0 && keep[0] != "" {
		dir = keep[0]
	}
	for name, s := range shapes {
		s.write(t, filepath.Join(dir, name))
	}
	cfg := DefaultConfig()
	cfg.DefaultModel = "plain"
	catalog := modelstore.NewCatalog(os.DirFS(t.TempDir()), dir)
	s := New(cfg, catalog, rt, onnx.SessionConfig{Threads: threads}, modeltest.FreeMemory{}, newShelf())
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// TestDecodersOfEveryExportAgree exports one set of weights in every form of the
// decoder; the answers must be equal.
func TestDecodersOfEveryExportAgree(t *testing.T) {
	t.Parallel()
	plain := shape{layers: 2, hidden: 64, heads: 4, ffn: 96, vocab: 1100, context: 256, sound: 6}
	shapes := map[string]shape{"plain": plain}
	add := func(name string, change func(*shape)) {
		s := plain
		change(&s)
		shapes[name] = s
	}
	add("no-positions", func(s *shape) { s.noPositions = true })
	add("cache-branch", func(s *shape) { s.cacheBranch = true })
	add("keep-logits", func(s *shape) { s.keepLogits = true })
	add("half", func(s *shape) { s.half = true })
	add("all", func(s *shape) { s.noPositions, s.cacheBranch, s.keepLogits = true, true, true })
	s := serveShapes(t, shapes, 1)
	tone := audiofile.Tone(16000, time.Second)
	answers := make(map[string][]int)
	for name := range shapes {
		m, done, err := s.pool.Acquire(t.Context(), name)
		require.NoError(t, err)
		t.Cleanup(done)
		a := s.newAsking(t.Context(), m, tasks.AskParams{Question: "What?"}, services.DiscardSink{})
		sound, err := a.encodeWhole(t.Context(), tone)
		require.NoError(t, err)
		r, err := a.respond(t.Context(), sound, nil, nil, true)
		require.NoError(t, err)
		require.Len(t, r.tokens, 24)
		answers[name] = r.tokens

		// With a cache of part of the prompt, the answer is the same.
		again, err := a.respond(t.Context(), sound, r.saved, nil, false)
		require.NoError(t, err)
		require.Equal(t, r.tokens, again.tokens, name)
		require.Positive(t, a.answer.Usage.CachedTokens, name)
		r.saved.Release()
	}
	for name, tokens := range answers {
		if name == "half" {
			// Rounding in the cache may flip a near tie; the beginning must be the
			// same.
			require.Equal(t, answers["plain"][:4], tokens[:4])
			continue
		}
		require.Equal(t, answers["plain"], tokens, name)
	}
}

func TestAFolderThatDoesNotFitIsExplained(t *testing.T) {
	t.Parallel()
	s := serveShapes(t, map[string]shape{"plain": {layers: 1, hidden: 32, heads: 2, ffn: 32, vocab: 1100, context: 64, sound: 4}}, 1)
	files, _, err := s.shelf.Find("plain")
	require.NoError(t, err)
	f, err := readFolder(files)
	require.NoError(t, err)
	f.Network.TextPart.Layers, f.Network.TextPart.HeadDim = 2, 8
	graph, _, err := files.Graph("decoder_model_merged.onnx")
	require.NoError(t, err)
	_, err = rt.OpenSession(graph, f.decoderContract(), onnx.SessionConfig{Threads: 1})
	require.ErrorIs(t, err, onnx.ErrContract)
	require.ErrorContains(t, err, "input past_key_values.1.key float32[?,2,?,8] is missing")
	require.ErrorContains(t, err, "past_key_values.0.key float32[1,2,?,16]")
}

// BenchmarkLayer has one layer of GAMA's decoder in its real size, 96 rows of sound and
// a clip of ten seconds. It measures the time of a first question's first token, of a
// follow-up's, and of each further token. GRYM_LAYER_DIR keeps the folder for
// models/parity/gama_speed.mjs.
func BenchmarkLayer(b *testing.B) {
	real := shape{layers: 1, hidden: 4096, heads: 32, ffn: 11008, vocab: 32000, context: 4096, sound: 96}
	s := serveShapes(b, map[string]shape{"plain": real}, 1, os.Getenv("GRYM_LAYER_DIR"))
	tone := audiofile.Tone(16000, 10*time.Second)
	one, many := 1, 24
	ask := func(id string, tokens *int) (string, time.Duration) {
		var source services.AudioSource
		if id == newContext {
			source = tone
		}
		began := time.Now()
		answer := s.answerTo(b, source, tasks.AskParams{Question: "What can be heard in this clip?", ContextID: id, MaxTokens: tokens})
		return answer.ContextID, time.Since(began)
	}
	id, _ := ask(newContext, &one) // loads the model
	require.NoError(b, s.DeleteContext(b.Context(), everybody, id))
	var firsts, follows, tokens time.Duration
	for b.Loop() {
		id, first := ask(newContext, &one)
		_, follow := ask(id, &one)
		_, longer := ask(id, &many)
		firsts, follows, tokens = firsts+first, follows+follow, tokens+(longer-follow)/time.Duration(many-one)
		require.NoError(b, s.DeleteContext(b.Context(), everybody, id))
	}
	n := float64(b.N)
	b.ReportMetric(firsts.Seconds()/n*1000, "first-ms")
	b.ReportMetric(follows.Seconds()/n*1000, "follow-ms")
	b.ReportMetric(tokens.Seconds()/n*1000, "token-ms")
	b.ReportMetric(follows.Seconds()/firsts.Seconds(), "follow/first")
}
