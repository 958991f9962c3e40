package audioldm

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// ranker is an Executor for the service's own tasks, and for vectors of sounds and texts
// made up by the test.
type ranker struct {
	service *Service
	// vectors are those of the sounds in the order in which they are asked for; that of
	// the prompt is (1, 0).
	vectors [][]float32
	err     error
	asked   []services.Task
	lengths []float64
}

func (r *ranker) execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	r.asked = append(r.asked, task)
	if task.Service == Name {
		return services.ExecuteTask(ctx, r.service, task, sink)
	}
	if r.err != nil {
		return services.TaskResult{}, r.err
	}
	vector := []float32{1, 0}
	if task.Audio != nil {
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		reader, err := audiofile.Open(file, task.Audio.Size(), audiofile.DefaultLimits())
		if err != nil {
			return services.TaskResult{}, err
		}
		r.lengths = append(r.lengths, reader.Format().Duration().Seconds())
		vector = r.vectors[len(r.lengths)-1]
	}
	return services.TaskResult{Model: "ranker", Value: &tasks.Embedding{Vector: vector}}, nil
}

// contents returns what is in the files of the sounds, and removes them.
func contents(t *testing.T, result services.TaskResult) (list []string) {
	t.Helper()
	for _, one := range result.Audio.All() {
		data, err := os.ReadFile(one.Path)
		require.NoError(t, err)
		list = append(list, string(data))
	}
	require.NoError(t, result.Audio.Remove())
	return list
}

const threeSounds = `{"prompt":"rain","seed":3,"num_inference_steps":1,"audio_length_in_s":0.3,"num_waveforms_per_prompt":3`

// TestSoundsAreRankedByTheirPrompt compares ranked sounds with those of the seed, in each
// container.
func TestSoundsAreRankedByTheirPrompt(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	for _, format := range []string{"", `,"response_format":"pcm","bit_depth":"24"`, `,"response_format":"flac"`,
		`,"response_format":"pcm","bit_depth":"float","sample_rate":8000`} {
		s.execute = nil
		plain, err := services.ExecuteTask(t.Context(), s, task(threeSounds+format+`,"rank":false}`), services.DiscardSink{})
		require.NoError(t, err)
		require.Empty(t, plain.Warnings)
		inOrder := contents(t, plain)

		r := &ranker{service: s, vectors: [][]float32{{0.2, 0}, {0.9, 0}, {0.5, 0}}}
		s.execute = r.execute
		work, err := s.Prepare(t.Context(), task(threeSounds+format+"}"))
		require.NoError(t, err)
		require.Implements(t, (*services.Coordinator)(nil), work)
		var sink steps
		result, err := work.Run(t.Context(), &sink)
		require.NoError(t, err)
		require.IsNonDecreasing(t, sink.progress)
		require.Empty(t, result.Warnings)
		got := result.Value.(*tasks.Generation)
		require.Equal(t, []int{1, 2, 0}, got.Order)
		require.InDeltaSlice(t, []float64{0.9, 0.5, 0.2}, got.Scores, 1e-6)
		require.Equal(t, "ranker", got.RankedBy)
		require.InDeltaSlice(t, []float64{0.3, 0.3, 0.3}, r.lengths, 0.001)
		require.Equal(t, []string{inOrder[1], inOrder[2], inOrder[0]}, contents(t, result))
		require.Len(t, r.asked, 5)
		require.Equal(t, "clap-tiny", r.asked[1].Model)
	}
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestWithoutARankerSoundsStayInOrder has a ranker that fails, none, and settings that turn
// it off.
func TestWithoutARankerSoundsStayInOrder(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	r := &ranker{service: s, err: services.Invalidf("model", "does not exist")}
	for name, c := range map[string]struct {
		execute services.Executor
		model   string
		params  string
		says    string
	}{
		"fails":       {r.execute, "gone", "}", "the sounds are not ranked by how well they fit the prompt: model does not exist"},
		"no executor": {nil, "clap-tiny", "}", "the server has no ranker"},
		"turned off":  {r.execute, "", "}", "the server has no ranker"},
		"not wanted":  {r.execute, "clap-tiny", `,"rank":false}`, ""},
	} {
		s.execute, s.cfg.Ranker = c.execute, c.model
		result, err := services.ExecuteTask(t.Context(), s, task(threeSounds+c.params), services.DiscardSink{})
		require.NoError(t, err, name)
		require.Len(t, contents(t, result), 3)
		got := result.Value.(*tasks.Generation)
		require.Empty(t, got.Scores)
		require.Empty(t, got.RankedBy)
		if c.says == "" {
			require.Empty(t, result.Warnings, name)
			continue
		}
		require.Len(t, result.Warnings, 1, name)
		require.Contains(t, result.Warnings[0].Message, c.says)
		require.Equal(t, services.WarnValueIgnored, result.Warnings[0].Code)
	}
	one, err := s.Prepare(t.Context(), task(`{"prompt":"rain"}`))
	require.NoError(t, err)
	require.NotImplements(t, (*services.Coordinator)(nil), one, "one sound has no order")
}

// TestAHangUpDuringTheRankingLeavesNoFile cancels when the sounds are there.
func TestAHangUpDuringTheRankingLeavesNoFile(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	ctx, hangUp := context.WithCancel(t.Context())
	r := &ranker{service: s}
	s.execute = func(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
		if task.Name == tasks.Embed {
			hangUp()
			return services.TaskResult{}, ctx.Err()
		}
		return r.execute(ctx, task, sink)
	}
	_, err := services.ExecuteTask(ctx, s, task(threeSounds+"}"), services.DiscardSink{})
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheSeedIsDrawnOnce(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	r := &ranker{service: s, vectors: [][]float32{{0.1, 0}, {0.2, 0}}}
	s.execute = r.execute
	work, err := s.Prepare(t.Context(), task(`{"prompt":"rain","num_inference_steps":1,"audio_length_in_s":0.2,"num_waveforms_per_prompt":2}`))
	require.NoError(t, err)
	result, err := work.Run(t.Context(), services.DiscardSink{})
	require.NoError(t, err)
	require.NoError(t, result.Audio.Remove())
	var params tasks.GenerateParams
	require.NoError(t, json.Unmarshal(r.asked[0].Params, &params))
	require.Equal(t, work.(*ranked).plan.seed, *params.Seed)
	require.Equal(t, *params.Seed, result.Value.(*tasks.Generation).Seed)
}
