package gama

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// TestWhatIsLeftOutOfAQuestionIsReported has requests that exceed what the model
// supports.
func TestWhatIsLeftOutOfAQuestionIsReported(t *testing.T) {
	t.Parallel()
	s := newService(t, newShelf())
	long := services.Exchange{Question: string(make([]byte, 300)), Answer: "yes"}
	for name, c := range map[string]struct {
		params tasks.AskParams
		want   []string
	}{
		"nothing": {tasks.AskParams{Question: "What?", History: []services.Exchange{{Question: "a", Answer: "b"}}}, nil},
		"greedy": {
			tasks.AskParams{Question: "What?", Temperature: new(0.0), TopK: new(3), TopP: new(0.5), Seed: new(uint64(1))},
			[]string{"value_ignored top_k", "value_ignored top_p"},
		},
		"sampled":        {tasks.AskParams{Question: "What?", Temperature: new(1.0), TopK: new(3), TopP: new(0.5)}, nil},
		"instructions":   {tasks.AskParams{Question: "What?", System: "Be brief."}, []string{"system_ignored system"}},
		"a long window":  {tasks.AskParams{Question: "What?", WindowSeconds: new(100.0)}, []string{"value_ignored window_seconds"}},
		"a short window": {tasks.AskParams{Question: "What?", WindowSeconds: new(1.0)}, nil},
		"too many turns": {tasks.AskParams{
			Question: "What?", Truncation: truncateAuto,
			History: []services.Exchange{long, long, {Question: "a", Answer: "b"}},
		}, []string{"turns_dropped "}},
		"pieces and more": {tasks.AskParams{
			Question: "What?", WindowSeconds: new(1.0), Truncation: truncateAuto,
			History: []services.Exchange{long, long},
		}, []string{"turns_dropped "}},
	} {
		c.params.MaxTokens = new(2)
		raw, err := json.Marshal(c.params)
		require.NoError(t, err)
		task := services.Task{Name: tasks.Ask, Params: raw, Audio: audiofile.Tone(16000, 2*time.Second)}
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
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
	got, err := other.fit(&encoded{n: 16}, []turn{{}, {}}, tasks.AskParams{Question: "c"})
	require.NoError(t, err)
	require.Equal(t, 2, got.dropped)
	a := &asking{model: other}
	a.warnDropped(got.dropped, 2)
	require.Equal(t, "model x takes no earlier questions and answers", a.warnings[0].Message)
}
