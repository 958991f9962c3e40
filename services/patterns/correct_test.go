package patterns

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// alike returns a sound that resembles the siren: it only rises.
func alike(seed uint64) sound {
	one := instance(seeded(seed), siren)
	x := make([]float64, len(one.samples))
	addSine(x[:len(x)/2], 600, 1400, 1, cohortRate)
	addSine(x[len(x)/2:], 1400, 900, 1, cohortRate)
	return sound{samples: level(x, 0.1), rate: cohortRate}
}

// street returns a recording with sirens and sounds that resemble them, in turn.
func street(seed uint64, pairs int) (sound, []tasks.StoredSpan, []tasks.StoredSpan) {
	r := seeded(seed)
	x := make([]float32, cohortRate)
	var sirens, others []tasks.StoredSpan
	for i := range 2 * pairs {
		one := instance(r, siren)
		list := &sirens
		if i%2 == 1 {
			one, list = alike(r.Uint64()), &others
		}
		start := round(float64(len(x)) / cohortRate)
		*list = append(*list, tasks.StoredSpan{Start: start, End: round(start + one.seconds())})
		x = append(append(x, one.samples...), make([]float32, cohortRate)...)
	}
	for i, v := range noise(r, pink, len(x), cohortRate) {
		x[i] += 0.03 * v
	}
	return sound{samples: x, rate: cohortRate}, sirens, others
}

func feedbackOn(id string, spans []tasks.StoredSpan, verdict string) (list []tasks.Feedback) {
	for _, span := range spans {
		span.AudioID = id
		list = append(list, tasks.Feedback{StoredSpan: span, Verdict: verdict})
	}
	return list
}

// TestCorrectionsTeachWhatIsNotTheSound has a sound that resembles the pattern and is found
// with it, until corrections say that it is another one.
func TestCorrectionsTeachWhatIsNotTheSound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.teach(11, "siren", siren)
	first, sirens, others := street(12, 10)
	id := b.shelf.add(first)
	second, again, alikes := street(13, 10)
	count := func() (right, wrong int) {
		result := runAs[tasks.Detections](b, tasks.Detect, tasks.DetectParams{}, second.source())
		for _, d := range result.Detections {
			for _, span := range again {
				if iou(d.Start, d.End, span.Start, span.End) > 0.3 {
					right++
				}
			}
			for _, span := range alikes {
				if iou(d.Start, d.End, span.Start, span.End) > 0.3 {
					wrong++
				}
			}
		}
		return right, wrong
	}
	right, wrong := count()
	require.GreaterOrEqual(t, right, 7)
	require.LessOrEqual(t, wrong, 2, "segments in which the two sounds are confused")
	judged := append(feedbackOn(id, sirens, tasks.VerdictRight), feedbackOn(id, others, tasks.VerdictWrong)...)
	params := tasks.CorrectParams{PatternID: p.ID, Feedback: judged, DryRun: true}
	dry := runAs[tasks.Correction](b, tasks.Correct, params, nil)
	require.True(t, dry.DryRun)
	require.Greater(t, dry.Before.WrongFound, 5)
	require.Less(t, dry.After.WrongFound, 2)
	require.NotEmpty(t, dry.Changed)
	unchanged, err := b.Pattern(t.Context(), caller, p.ID)
	require.NoError(t, err)
	require.Equal(t, *p, withDates(unchanged, *p), "a dry run stores nothing")
	params.DryRun = false
	done := runAs[tasks.Correction](b, tasks.Correct, params, nil)
	require.Equal(t, dry.After, done.After, "what was announced came")
	require.Equal(t, tasks.CorrectionCounts{Right: 10, Wrong: 10}, done.Pattern.Corrections)
	require.Equal(t, byCorrections, done.Pattern.Threshold.Method)
	right, wrong = count()
	require.GreaterOrEqual(t, right, 9)
	require.Zero(t, wrong)
	once := runAs[tasks.Correction](b, tasks.Correct, params, nil)
	require.Equal(t, 20, once.Pattern.Corrections.Right+once.Pattern.Corrections.Wrong, "a correction of the same span replaces the first")
	require.NoError(t, b.DeletePattern(t.Context(), caller, p.ID))
	require.Empty(t, b.feedback.Select(100, func(feedback) bool { return true }))
}

// withDates returns a pattern with the dates of another.
func withDates(p, of tasks.Pattern) tasks.Pattern {
	p.Created, p.Updated = of.Created, of.Updated
	return p
}

func TestMovedEdgesAreRight(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.teach(11, "siren", siren)
	recording, sirens, _ := street(12, 2)
	id := b.shelf.add(recording)
	moved := tasks.Feedback{
		StoredSpan: tasks.StoredSpan{AudioID: id, Start: sirens[0].Start - 0.3, End: sirens[0].End + 0.2}, Verdict: tasks.VerdictMoved,
		NewStart: &sirens[0].Start, NewEnd: &sirens[0].End,
	}
	done := runAs[tasks.Correction](b, tasks.Correct, tasks.CorrectParams{PatternID: p.ID, Feedback: []tasks.Feedback{moved}}, nil)
	require.Equal(t, tasks.CorrectionCounts{Moved: 1}, done.Pattern.Corrections)
	require.Equal(t, 1, done.After.RightFound)
	require.Equal(t, tasks.HeadPrototype, done.Pattern.Head, "one correction is too little for another head")
}

// TestRegressionSeparates compares the minimiser with the stationary point of the loss.
func TestRegressionSeparates(t *testing.T) {
	t.Parallel()
	r := seeded(17)
	var all []observation
	for i := range 300 {
		v := make(vector, 20)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		v[3] += float32(2 * (i % 2))
		all = append(all, observation{unit(v), i%2 == 1, 0.2 + r.Float64()})
	}
	weights, bias := regression(all)
	x, gradient := make([]float64, 21), make([]float64, 21)
	for i, w := range weights {
		x[i] = float64(w) / cosineScale
	}
	x[20] = bias
	rows := make([][]float64, len(all))
	for i, one := range all {
		for _, v := range one.at {
			rows[i] = append(rows[i], cosineScale*float64(v))
		}
	}
	least := logLoss(all, rows, x, gradient)
	for i, g := range gradient {
		require.InDelta(t, 0, g, 2e-4, "the gradient vanishes in %d", i)
	}
	for range 50 { // no other point is lower
		other := make([]float64, 21)
		for i := range other {
			other[i] = x[i] + 0.05*r.NormFloat64()
		}
		require.Greater(t, logLoss(all, rows, other, gradient), least-1e-9)
	}
	right := 0
	for _, one := range all {
		if (dot(weights, one.at)+bias > 0) == one.is {
			right++
		}
	}
	require.Greater(t, right, 230)
}

func TestCorrectionsOfAnotherOwnerAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.teach(11, "siren", siren)
	_, err := services.ExecuteTask(t.Context(), b.Service, services.Task{
		Name: tasks.Correct, Caller: services.Caller{Key: "other"},
		Params: []byte(`{"pattern_id":"` + p.ID + `","feedback":[{"audio_id":"` + p.Examples[0].AudioID +
			`","start":0,"end":0.5,"verdict":"wrong"}]}`),
	}, services.DiscardSink{})
	require.Equal(t, services.KindNotFound, services.KindOf(err))
}
