package patterns

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// forgetful is a service that deletes what the last task has made before the next one, so
// that tasks can be repeated.
type forgetful struct {
	*bench
}

// Prepare implements services.ModelService.
func (f forgetful) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	f.forget()
	task.Caller = caller
	work, err := f.Service.Prepare(ctx, task)
	if err != nil {
		return nil, err
	}
	return servicetest.Work{Needs: bytesOfWork, Do: func(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
		f.forget()
		return work.Run(ctx, sink)
	}}, nil
}

func (f forgetful) forget() {
	for _, name := range []string{"made", "imported"} {
		_ = f.DeletePattern(context.Background(), caller, name) // there may be none
	}
}

// TestConformance is not parallel because the suite checks for leaked goroutines.
func TestConformance(t *testing.T) {
	recordings := &shelf{all: make(map[string][]byte)}
	setup := newBenchOn(t, recordstest.NewMemory(), recordings)
	spans := setup.spans(seeded(1), doorbell, 2)
	runAs[tasks.Pattern](setup, tasks.Teach, tasks.TeachParams{Name: "imported", Examples: spans}, nil)
	lines := setup.export()
	params := func(value any) json.RawMessage {
		raw, err := json.Marshal(value)
		require.NoError(t, err)
		return raw
	}
	here := spans[0]
	here.End = 0.5
	servicetest.Run(t, servicetest.Suite{
		New: func(t *testing.T) services.ModelService {
			b := newBenchOn(t, recordstest.NewMemory(), recordings)
			_, err := services.ExecuteTask(t.Context(), b.Service, services.Task{
				Name: tasks.Teach, Caller: caller, Params: params(tasks.TeachParams{Name: "bell", Examples: spans}),
			}, services.DiscardSink{})
			require.NoError(t, err)
			b.Service.recorder = services.Recorder{}
			require.NoError(t, b.Shutdown(t.Context()))
			return forgetful{b}
		},
		Tasks: map[string]services.Task{
			tasks.Teach:  {Params: params(tasks.TeachParams{Name: "made", Examples: spans, CounterExamples: spans[:1]}), Name: tasks.Teach},
			tasks.Detect: {Params: params(tasks.DetectParams{}), Name: tasks.Detect, Audio: instance(seeded(2), doorbell).source()},
			tasks.Search: {Params: params(tasks.SearchParams{Pattern: "bell", Recordings: []string{spans[1].AudioID}}), Name: tasks.Search},
			tasks.Correct: {Params: params(tasks.CorrectParams{
				PatternID: "bell", Feedback: []tasks.Feedback{{StoredSpan: here, Verdict: tasks.VerdictRight}},
			}), Name: tasks.Correct},
			tasks.Reembed:        {Params: params(tasks.ReembedParams{Patterns: []string{"bell"}}), Name: tasks.Reembed},
			tasks.ImportPatterns: {Params: params(tasks.ImportParams{}), Name: tasks.ImportPatterns, Audio: fileOf(bytes.Clone(lines))},
		},
	})
}
