package gama

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// rt is the Runtime of the test process.
var rt *onnx.Runtime

func TestMain(m *testing.M) { modeltest.Main(m, &rt) }

// modelsDir has the embedded models.
var modelsDir = filepath.Join("..", "..", "models")

// newService serves the embedded model, with conversations in a folder.
func newService(t testing.TB, store services.ContextStore, change ...func(*Config)) *Service {
	t.Helper()
	cfg := DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	s := New(cfg, modelstore.NewCatalog(os.DirFS(modelsDir), t.TempDir()), rt, onnx.SessionConfig{Threads: 1}, modeltest.FreeMemory{}, store)
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// run runs one task and returns its fault.
func (s *Service) run(t testing.TB, audio services.AudioSource, params tasks.AskParams, sink services.Sink) (*tasks.Answer, error) {
	t.Helper()
	raw, err := json.Marshal(params)
	require.NoError(t, err)
	task := services.Task{ID: "1", Service: Name, Name: tasks.Ask, Params: raw, Audio: audio, Caller: everybody}
	result, err := services.ExecuteTask(t.Context(), s, task, sink)
	answer, _ := result.Value.(*tasks.Answer)
	return answer, err
}

// answerTo is run for tasks that must succeed.
func (s *Service) answerTo(t testing.TB, audio services.AudioSource, params tasks.AskParams) *tasks.Answer {
	t.Helper()
	answer, err := s.run(t, audio, params, services.DiscardSink{})
	require.NoError(t, err)
	return answer
}

// goldenClip is another implementation's answer about a clip.
type goldenClip struct {
	File, What string
	Answers    []struct {
		Question, Text string
		IDs            []int
	}
}

func goldens(t testing.TB) (clips []goldenClip) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(modelsDir, "gama-tiny", "clips", "golden.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &clips))
	require.Len(t, clips, 10)
	return clips
}

func clipFile(name string) services.AudioSource {
	return diskAudio(filepath.Join(modelsDir, "gama-tiny", "clips", name))
}

// deltas collects streamed text and progress.
type deltas struct {
	spans []*tasks.AnswerSpan
	services.DiscardSink
	texts    []string
	progress []float64
}

func (d *deltas) Progress(fraction float64, _ string) { d.progress = append(d.progress, fraction) }

func (d *deltas) Partial(value any) {
	delta := value.(tasks.AnswerDelta) //nolint:forcetypeassert // a test
	d.texts, d.spans = append(d.texts, delta.Text), append(d.spans, delta.Piece)
}

// TestAnswersAreThoseOfAnotherLoop has the tokens of an independent loop over
// onnxruntime-node with its own features and tokenizer.
func TestAnswersAreThoseOfAnotherLoop(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	require.NoError(t, s.Initialize(t.Context()))
	m, done, err := s.pool.Acquire(t.Context(), "gama-tiny")
	require.NoError(t, err)
	defer done()
	for _, clip := range goldens(t) {
		for _, want := range clip.Answers {
			sink := &deltas{}
			got, err := s.run(t, clipFile(clip.File), tasks.AskParams{Question: want.Question, Stream: true}, sink)
			require.NoError(t, err)
			require.Equal(t, want.Text, got.Text, "%s: %s", clip.File, want.Question)
			require.Equal(t, want.Text, strings.Join(sink.texts, ""), "the pieces are the whole")
			require.Len(t, want.IDs, got.Usage.CompletionTokens)
			require.Equal(t, tasks.FinishStop, got.FinishReason)

			// The ids themselves, from the decoding below the service.
			a := s.newAsking(t.Context(), m, tasks.AskParams{Question: want.Question}, services.DiscardSink{})
			sound, err := a.encodeWhole(t.Context(), clipFile(clip.File))
			require.NoError(t, err)
			r, err := a.respond(t.Context(), sound, nil, nil, false)
			require.NoError(t, err)
			require.Equal(t, want.IDs[:len(want.IDs)-1], r.tokens, "%s: %s", clip.File, want.Question)
		}
	}
}

func TestLongSoundIsAnsweredPieceByPiece(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	tone := audiofile.Tone(16000, 25*time.Second)
	sink := &deltas{}
	answer, err := s.run(t, tone, tasks.AskParams{Question: "What can be heard in this clip?", Stream: true}, sink)
	require.NoError(t, err)
	require.Len(t, answer.Pieces, 3, "%+v", answer)
	require.InDelta(t, 25, answer.DurationSeconds, 1e-9)
	require.InDelta(t, 25, answer.Pieces[2].End, 1e-9)
	require.InDelta(t, answer.Pieces[0].End, answer.Pieces[1].Start, 1e-9)
	require.Equal(t, answer.Text, strings.Join(sink.texts, ""))
	require.Contains(t, answer.Text, "\n8.3-16.7 s: I hear a sine tone.")
	require.Equal(t, 3*16, answer.Usage.AudioTokens)
	last := sink.spans[len(sink.spans)-1]
	require.Equal(t, &tasks.AnswerSpan{Start: answer.Pieces[2].Start, End: answer.Pieces[2].End}, last)
	require.Equal(t, &tasks.AnswerSpan{End: answer.Pieces[0].End}, sink.spans[0])
	require.IsNonDecreasing(t, sink.progress)
	require.Greater(t, len(sink.progress), 12, "every token reports progress")

	window := 5.0
	answer = s.answerTo(t, tone, tasks.AskParams{Question: "What can be heard in this clip?", WindowSeconds: &window})
	require.Len(t, answer.Pieces, 5)
}

func TestAnswersEnd(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	ask := func(change func(*tasks.AskParams)) *tasks.Answer {
		params := tasks.AskParams{Question: "What can be heard in this clip?"}
		change(&params)
		return s.answerTo(t, clipFile("clip00.wav"), params)
	}
	two := 2
	short := ask(func(p *tasks.AskParams) { p.MaxTokens = &two })
	require.Equal(t, "I hear", short.Text)
	require.Equal(t, tasks.FinishLength, short.FinishReason)
	require.Equal(t, 2, short.Usage.CompletionTokens)

	stopped := ask(func(p *tasks.AskParams) { p.Stop = []string{"siren", ", then"} })
	require.Equal(t, "I hear a bell", stopped.Text)
	require.Equal(t, tasks.FinishStop, stopped.FinishReason)
}

// TestASeedMeansTheSameAnswer samples with a temperature at which answers differ.
func TestASeedMeansTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	hot, all := 2.0, 0
	texts := make(map[string]bool)
	for seed := range uint64(8) {
		params := tasks.AskParams{Question: "What can be heard in this clip?", Temperature: &hot, TopK: &all, Seed: &seed}
		first := s.answerTo(t, clipFile("clip00.wav"), params)
		require.Equal(t, seed, first.Seed)
		require.Equal(t, first.Text, s.answerTo(t, clipFile("clip00.wav"), params).Text)
		texts[first.Text] = true
	}
	require.Greater(t, len(texts), 1, "%v", texts)
}

func TestAHangUpEndsBetweenTokens(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	task := services.Task{
		Service: Name, Name: tasks.Ask, Audio: clipFile("clip00.wav"),
		Params: json.RawMessage(`{"question":"What can be heard in this clip?"}`),
	}
	_, err := services.ExecuteTask(servicetest.HangUp(t.Context(), 2), s, task, services.DiscardSink{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestWrongQuestionsAreExplained(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	sound := clipFile("clip00.wav")
	for params, want := range map[string]string{
		`{}`:                               "question is missing",
		`{"question":"x","temperature":3}`: "temperature must be 0 to 2, got 3",
		`{"question":"x","top_p":0}`:       "top_p must be above 0",
		`{"question":"x","top_k":-1,"stop":[""]}`:            "stop must have texts",
		`{"question":"x","colour":"red"}`:                    "colour",
		`{"question":"x","context_id":"ctx_0"}`:              "file must be left out with context_id",
		`{"question":"x","truncation":"maybe"}`:              "truncation must be disabled or auto",
		`{"question":"` + strings.Repeat("why ", 600) + `"}`: "model gama-tiny takes 512",
	} {
		task := services.Task{Service: Name, Name: tasks.Ask, Audio: sound, Params: json.RawMessage(params)}
		_, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.ErrorContains(t, err, want, params)
		require.Equal(t, services.KindInvalid, services.KindOf(err), params)
	}
	_, err := s.Prepare(t.Context(), services.Task{Service: Name, Name: tasks.Ask, Params: json.RawMessage(`{"question":"x"}`)})
	require.ErrorContains(t, err, "file is missing")
	_, err = s.Prepare(t.Context(), services.Task{Service: Name, Name: "sing"})
	require.Equal(t, services.KindNotFound, services.KindOf(err))
	_, err = s.Prepare(t.Context(), services.Task{Service: Name, Name: tasks.Caption, Model: "wav2vec2-tiny", Audio: sound})
	require.ErrorContains(t, err, `is of type "wav2vec2"`)
	_, err = s.run(t, audiofile.Tone(16000, 20*time.Millisecond), tasks.AskParams{Question: "x"}, services.DiscardSink{})
	require.ErrorContains(t, err, "the minimum is 0.025 s")
}
