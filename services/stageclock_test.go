package services

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// steps is a tracer and the one span that it begins; it has the steps' names and lengths.
type steps struct {
	noSpan
	names   []string
	lengths []time.Duration
}

func (s *steps) Begin(ctx context.Context, _ string, _ ...slog.Attr) (context.Context, Span) {
	return ctx, s
}

func (s *steps) Step(name string, began, ended time.Time) {
	s.names, s.lengths = append(s.names, name), append(s.lengths, ended.Sub(began))
}

func TestAStageIsTheSumOfItsParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var traced steps
		ctx, _ := BeginSpan(WithTracer(t.Context(), &traced), "attempt")
		clock := NewStageClock(ctx)
		require.Empty(t, clock.Times())
		for range 2 {
			time.Sleep(2 * time.Second)
			clock.Book(StageInfer)
			time.Sleep(time.Second)
			clock.Book(StageInput)
			time.Sleep(time.Hour)
			clock.Skip()
		}
		want := []StageTime{{Stage: StageInput, Duration: 2 * time.Second}, {Stage: StageInfer, Duration: 4 * time.Second}}
		require.Equal(t, want, clock.Times())
		require.Equal(t, []string{"infer", "input", "infer", "input"}, traced.names)
		require.Equal(t, []time.Duration{2 * time.Second, time.Second, 2 * time.Second, time.Second}, traced.lengths)
	})
}
