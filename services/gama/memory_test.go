package gama

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/resources/memprobe"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestMemoryOfAnAnswerIsLeased measures the memory of an answer that fills the model's
// whole context, without the loaded model, and compares the estimate: it must be at
// least as large, and not larger by more than a factor. Most of the memory is the
// cache.
func TestMemoryOfAnAnswerIsLeased(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	probe := memprobe.Probe{}
	if probe.ResetPeak() != nil {
		t.Skip("the peak of the resident set is not known on this system")
	}
	s := serveShapes(t, map[string]shape{"plain": {layers: 8, hidden: 512, heads: 8, ffn: 1024, vocab: 1100, context: 1024, sound: 96}}, 1)
	tone := audiofile.Tone(16000, 10*time.Second)
	one, all, id := 1, 2000, newContext
	s.answerTo(t, tone, tasks.AskParams{Question: "What?", MaxTokens: &one}) // loads the model
	for _, question := range []string{strings.Repeat("what ", 600), strings.Repeat("what ", 850)} {
		params := tasks.AskParams{Question: question, ContextID: id, MaxTokens: &all}
		raw, err := json.Marshal(params)
		require.NoError(t, err)
		task := services.Task{ID: "1", Service: Name, Name: tasks.Ask, Params: raw, Caller: everybody}
		if id == newContext {
			task.Audio = tone
		}
		leased, err := servicetest.Bytes(t.Context(), s, task)
		require.NoError(t, err)
		debug.FreeOSMemory()
		before, err := probe.Resident()
		require.NoError(t, err)
		require.NoError(t, probe.ResetPeak())
		answer := s.answerTo(t, task.Audio, params)
		peak, err := probe.Peak()
		require.NoError(t, err)
		id = answer.ContextID
		require.Equal(t, 1024, answer.Usage.PromptTokens+answer.Usage.CompletionTokens, "the context is full")

		info, err := s.Context(t.Context(), everybody, id)
		require.NoError(t, err)
		cache := decoding.Shape{Layers: 8, Heads: 8, Dim: 64, Kind: onnx.Float32}.Bytes(1024)
		t.Logf("%d tokens of prompt: leased %s, took %s; one cache of full length is %s, kept are %s", answer.Usage.PromptTokens, leased,
			peak-before, cache, info.CachedBytes)
		require.GreaterOrEqual(t, leased, 3*cache, "two sets at work and one kept")
		require.GreaterOrEqual(t, leased, peak-before)
		require.LessOrEqual(t, leased, 3*(peak-before))
		require.LessOrEqual(t, info.CachedBytes, cache+services.MiB)
		require.NoError(t, s.DeleteContext(t.Context(), everybody, id))
		id = newContext
	}
}

// deletes deletes the conversation while it is being answered.
type deletes struct {
	services.DiscardSink
	remove func()
}

func (d *deletes) Progress(float64, string) {
	if d.remove != nil {
		d.remove()
		d.remove = nil
	}
}

func TestAConversationDeletedMeanwhileIsAnswered(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	first := s.answerTo(t, clipFile("clip00.wav"), tasks.AskParams{Question: first, ContextID: newContext})
	sink := &deletes{remove: func() { require.NoError(t, s.DeleteContext(t.Context(), everybody, first.ContextID)) }}
	answer, err := s.run(t, nil, tasks.AskParams{Question: all, ContextID: first.ContextID}, sink)
	require.NoError(t, err)
	require.Equal(t, "I hear a bell, then a siren.", answer.Text)
	require.Empty(t, s.conversations(t))
}
