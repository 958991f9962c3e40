package gama

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// TestWhatIsLeftOutOfAQuestionIsReported asks for more than the model takes.
func TestWhatIsLeftOutOfAQuestionIsReported(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	long := services.Exchange{Question: string(make([]byte, 300)), Answer: "yes"}
	for name, c := range map[string]struct {
		params services.AskParams
		want   []string
	}{
		"nothing":         {services.AskParams{Question: "What?", History: []services.Exchange{{Question: "a", Answer: "b"}}}, nil},
		"greedy":          {services.AskParams{Question: "What?", Temperature: new(0.0), TopK: new(3), TopP: new(0.5), Seed: new(uint64(1))}, []string{"value_ignored top_k", "value_ignored top_p"}},
		"sampled":         {services.AskParams{Question: "What?", Temperature: new(1.0), TopK: new(3), TopP: new(0.5)}, nil},
		"a long window":   {services.AskParams{Question: "What?", WindowSeconds: new(100.0)}, []string{"value_ignored window_seconds"}},
		"a short window":  {services.AskParams{Question: "What?", WindowSeconds: new(1.0)}, nil},
		"too many turns":  {services.AskParams{Question: "What?", Truncation: truncateAuto, History: []services.Exchange{long, long, {Question: "a", Answer: "b"}}}, []string{"turns_dropped "}},
		"pieces and more": {services.AskParams{Question: "What?", WindowSeconds: new(1.0), Truncation: truncateAuto, History: []services.Exchange{long, long}}, []string{"turns_dropped "}},
	} {
		c.params.MaxTokens = new(2)
		raw, err := json.Marshal(c.params)
		require.NoError(t, err)
		task := services.Task{Name: services.TaskAsk, Params: raw, Audio: audiofile.Tone(16000, 2*time.Second)}
		result, err := s.ExecuteTask(t.Context(), task, services.DiscardSink{})
		require.NoError(t, err, name)
		var got []string
		for _, w := range result.Warnings {
			got = append(got, string(w.Code)+" "+w.Field)
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestAModelWithoutHistoryReportsEveryTurn(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	m, done, err := s.pool.Acquire(t.Context(), "gama-tiny")
	require.NoError(t, err)
	defer done()
	f := *m.folder
	f.Network.History = historyNone
	other := &model{folder: &f, name: "x"}
	got, err := other.fit(&heard{n: 16}, []turn{{}, {}}, services.AskParams{Question: "c"})
	require.NoError(t, err)
	require.Equal(t, 2, got.dropped)
	a := &asking{model: other}
	a.warnDropped(got.dropped, 2)
	require.Equal(t, "model x takes no earlier questions and answers", a.warnings[0].Message)
}
