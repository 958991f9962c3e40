package patterns

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

func TestMain(m *testing.M) {
	otherSound = sync.OnceValue(cohort)
	goleak.VerifyTestMain(m)
}

var discard = slog.New(slog.DiscardHandler)

// teach teaches a pattern with five examples.
func (b *bench) teach(seed uint64, name string, kind int) *tasks.Pattern {
	b.t.Helper()
	return runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: name, Examples: b.spans(seeded(seed), kind, 5)}, nil)
}

func TestAPatternIsTaughtAndFound(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(1)
	bell, knocks := b.teach(1, "bell", doorbell), b.teach(2, "knock", knock)
	require.Empty(t, bell.Advice)
	require.Equal(t, 5, bell.SelfTest.Found)
	require.Less(t, knocks.Threshold.Background, knocks.Threshold.Value)
	require.Less(t, knocks.Threshold.Value, knocks.Threshold.ExamplesMean)
	recording, events := scene(r, doorbell, siren, knock, whistle, doorbell, knock, siren, doorbell, whistle, knock, doorbell)
	result := runAs[tasks.Detections](b, tasks.Detect, tasks.DetectParams{}, recording.source())
	require.InDelta(t, recording.seconds(), result.DurationSeconds, 1e-3)
	hits, wrong, all := found(result.Detections, "bell", events, doorbell)
	require.Equal(t, []int{4, 0, 4}, []int{hits, wrong, all})
	hits, wrong, all = found(result.Detections, "knock", events, knock)
	require.Equal(t, []int{3, 0, 3}, []int{hits, wrong, all})
	require.True(t, slices.IsSortedFunc(result.Detections, func(a, b tasks.Detection) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	}))
	for _, d := range result.Detections {
		require.GreaterOrEqual(t, d.Confidence, 0.5)
		require.Contains(t, []string{"ex_1", "ex_2", "ex_3", "ex_4", "ex_5"}, d.Example)
	}
	least := 0.99
	few := runAs[tasks.Detections](b, tasks.Detect, tasks.DetectParams{Patterns: []string{"bell"}, MinConfidence: &least}, recording.source())
	require.Less(t, len(few.Detections), 4)
}

// TestPiecesJoinWithoutASeam has sounds about each end of a piece, and finds each once where
// it is.
func TestPiecesJoinWithoutASeam(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(3)
	b.teach(4, "bell", doorbell)
	for _, times := range [][]float64{{29.4, 59.8}, {29.7, 60.3}, {30, 61}} {
		x := noise(r, white, 64*cohortRate, cohortRate)
		for i := range x {
			x[i] *= 0.01
		}
		one := instance(r, doorbell)
		for _, at := range times {
			for i, v := range one.samples {
				x[int(at*cohortRate)+i] += v
			}
		}
		whole := sound{samples: x, rate: cohortRate}
		result := runAs[tasks.Detections](b, tasks.Detect, tasks.DetectParams{}, whole.source())
		require.Len(t, result.Detections, 2, "at %v: %v", times, result.Detections)
		for i, at := range times {
			require.Greater(t, iou(result.Detections[i].Start, result.Detections[i].End, at, at+one.seconds()), 0.6)
		}
	}
}

func TestFewExamplesAreAdvisedAgainst(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(5)
	one := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "one", Examples: b.spans(r, doorbell, 1)}, nil)
	require.Nil(t, one.SelfTest)
	require.Equal(t, byCopies, one.Threshold.Method)
	require.Contains(t, one.Advice[0], "1 of the 5 examples")
	two := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "two", Examples: b.spans(r, doorbell, 2)}, nil)
	require.Nil(t, two.SelfTest)
	three := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "three", Examples: b.spans(r, doorbell, 3)}, nil)
	require.Equal(t, 3, three.SelfTest.Examples)
}

// TestCounterExamplesRaiseTheThreshold has a counter-example that is nearly the sound.
func TestCounterExamplesRaiseTheThreshold(t *testing.T) {
	t.Parallel()
	b, r := newBench(t), seeded(6)
	examples := b.spans(r, siren, 5)
	plain := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "plain", Examples: examples}, nil)
	similar := instance(r, siren)
	for i := range similar.samples[:len(similar.samples)/2] {
		similar.samples[i] *= 0.5
	}
	against := []tasks.StoredSpan{{AudioID: b.shelf.add(similar)}}
	raised := runAs[tasks.Pattern](b, tasks.Teach, tasks.TeachParams{Name: "raised", Examples: examples, CounterExamples: against}, nil)
	require.Greater(t, raised.Threshold.Value, plain.Threshold.Value)
	require.Equal(t, byCounter, raised.Threshold.Method)
	require.Greater(t, *raised.Threshold.CounterExamples, plain.Threshold.Value)
	require.Equal(t, "co_1", raised.CounterExamples[0].ID)
}

func TestPatternsBelongToTheirOwner(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bell := b.teach(1, "bell", doorbell)
	other := services.Caller{Key: "other"}
	for _, name := range []string{bell.ID, "bell"} {
		_, err := b.Pattern(t.Context(), other, name)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.Equal(t, services.KindNotFound, services.KindOf(b.DeletePattern(t.Context(), other, name)))
		_, err = b.Pattern(t.Context(), caller, name)
		require.NoError(t, err)
	}
	page, err := b.ListPatterns(t.Context(), other, "", 10, "")
	require.NoError(t, err)
	require.Empty(t, page.Data)
	page, err = b.ListPatterns(t.Context(), services.Caller{Key: "admin", All: true}, "", 10, "")
	require.NoError(t, err)
	require.Len(t, page.Data, 1)
	_, err = b.run(tasks.Teach, tasks.TeachParams{Name: "bell", Examples: b.spans(seeded(2), knock, 1)}, nil)
	require.ErrorContains(t, err, "name is that of your pattern "+bell.ID)
	var needed []string
	b.shelf.needs[0](func(owner, id, by string) { needed = append(needed, owner+" "+id[:4]+" "+by) })
	require.Contains(t, needed, "me "+bell.Examples[0].AudioID[:4]+" pattern "+bell.ID)
}

func TestAPatternIsChangedAndDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bell := b.teach(1, "bell", doorbell)
	changed, err := b.ChangePattern(t.Context(), caller, "bell", tasks.PatternChange{
		Name: new("front door"), Metadata: map[string]string{"room": "hall", "floor": "1"},
	})
	require.NoError(t, err)
	require.Equal(t, "front door", changed.Name)
	changed, err = b.ChangePattern(t.Context(), caller, bell.ID, tasks.PatternChange{Metadata: map[string]string{"floor": ""}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"room": "hall"}, changed.Metadata)
	_, err = b.ChangePattern(t.Context(), caller, bell.ID, tasks.PatternChange{Name: new(" x")})
	require.ErrorContains(t, err, "without surrounding spaces")
	objects, err := b.db.Store().Objects(t.Context())
	require.NoError(t, err)
	require.Len(t, objects, 1)
	require.NoError(t, b.DeletePattern(t.Context(), caller, bell.ID))
	require.Equal(t, services.KindNotFound, services.KindOf(b.DeletePattern(t.Context(), caller, bell.ID)))
	objects, err = b.db.Store().Objects(t.Context())
	require.NoError(t, err)
	require.Empty(t, objects, "its vectors are gone")
	_, err = b.run(tasks.Detect, tasks.DetectParams{}, instance(seeded(1), doorbell).source())
	require.ErrorContains(t, err, "you have none")
}

// TestFaultsNameFieldProblemAndLimit sends what is wrong in one way each.
func TestFaultsNameFieldProblemAndLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bell := b.teach(1, "bell", doorbell)
	id, quiet := bell.Examples[0].AudioID, b.shelf.add(sound{samples: make([]float32, cohortRate), rate: cohortRate})
	long := b.shelf.add(sound{samples: noise(seeded(1), pink, 11*cohortRate, cohortRate), rate: cohortRate})
	span := func(id string, start, end float64) []tasks.StoredSpan {
		return []tasks.StoredSpan{{AudioID: id, Start: start, End: end}}
	}
	fix := func(start, end float64, f tasks.Feedback) tasks.CorrectParams {
		f.StoredSpan = tasks.StoredSpan{AudioID: id, Start: start, End: end}
		return tasks.CorrectParams{PatternID: bell.ID, Feedback: []tasks.Feedback{f}}
	}
	teach := func(spans []tasks.StoredSpan) tasks.TeachParams { return tasks.TeachParams{Name: "x", Examples: spans} }
	find := func(patterns, recordings []string) tasks.DetectParams {
		return tasks.DetectParams{Patterns: patterns, Recordings: recordings}
	}
	elsewhere := tasks.SearchParams{Span: &tasks.StoredSpan{AudioID: "00"}}
	some := tasks.ReembedParams{Patterns: []string{"bell", "nothing"}}
	nobody := tasks.CorrectParams{PatternID: "nothing", Feedback: []tasks.Feedback{{}}}
	for want, c := range map[string]struct {
		task   string
		params any
	}{
		"examples[0].audio_id names no stored recording":       {tasks.Teach, teach(span("00", 0, 0))},
		"examples[0] must be 0.05 to 10 s long, got 0.020 s":   {tasks.Teach, teach(span(id, 0, 0.02))},
		"examples[0] begins at 9.000 s, but the recording has": {tasks.Teach, teach(span(id, 9, 0))},
		"examples[0] ends at 3.000 s, but the recording has":   {tasks.Teach, teach(span(id, 0, 3))},
		"examples[0] is silent":                                {tasks.Teach, teach(span(quiet, 0, 0))},
		"examples[0] must be at most 10 s long":                {tasks.Teach, teach(span(long, 0, 0))},
		"patterns[0] names no pattern, got \"nothing\"":        {tasks.Detect, find([]string{"nothing"}, []string{id})},
		"recordings[0] names no stored recording":              {tasks.Detect, find(nil, []string{"00"})},
		"file is missing":                                              {tasks.Detect, find(nil, nil)},
		"pattern_id names no pattern":                                  {tasks.Correct, nobody},
		"feedback[0] needs new_start and new_end":                      {tasks.Correct, fix(0, 0.5, tasks.Feedback{Verdict: "moved"})},
		"feedback[0] must be 0.05 to 10 s long, got 0.000 s":           {tasks.Correct, fix(0, 0, tasks.Feedback{Verdict: "right"})},
		"feedback[0] has new_start or new_end, which need the verdict": {tasks.Correct, fix(0, 0.5, tasks.Feedback{NewStart: new(0.1)})},
		"feedback[0] ends at 9.500 s, but the recording has":           {tasks.Correct, fix(9, 9.5, tasks.Feedback{Verdict: "right"})},
		"span or pattern or text must be given, and only one of them":  {tasks.Search, tasks.SearchParams{}},
		"pattern names no pattern":                                     {tasks.Search, tasks.SearchParams{Pattern: "nothing"}},
		"span.audio_id names no stored recording":                      {tasks.Search, elsewhere},
		"limit must be 1 to 200, got 201":                              {tasks.Search, tasks.SearchParams{Pattern: "bell", Limit: 201}},
		"patterns[1] names no pattern":                                 {tasks.Reembed, some},
		"file is missing; send the lines":                              {tasks.ImportPatterns, tasks.ImportParams{}},
	} {
		_, err := b.run(c.task, c.params, nil)
		require.ErrorContains(t, err, want)
		require.Contains(t, []services.Kind{services.KindInvalid, services.KindNotFound}, services.KindOf(err), want)
	}
}

// TestNamesAreUnique teaches several patterns of one name at the same time.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	examples := b.spans(seeded(61), doorbell, 1)
	var all sync.WaitGroup
	var made atomic.Int64
	for range 6 {
		all.Go(func() {
			if _, err := b.run(tasks.Teach, tasks.TeachParams{Name: "bell", Examples: examples}, nil); err == nil {
				made.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, made.Load())
	objects, err := b.store.Objects(t.Context())
	require.NoError(t, err)
	require.Len(t, objects, 1, "the others left nothing")
}
