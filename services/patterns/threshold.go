package patterns

import (
	"math"

	"github.com/grym-synth/grym-synth/services/tasks"
)

const (
	// highest is the part of the background that scores below its high mark.
	highest = 0.999
	// leastMargin is the smallest distance between threshold and the mean of the examples
	// that the confidence is calibrated with.
	leastMargin = 0.02
)

// Ways in which a threshold can be derived.
const (
	byExamples    = "examples"
	byCopies      = "copies"
	byCounter     = "counter_examples"
	byCorrections = "corrections"
)

// lesson has the vectors that a pattern is learnt from.
type lesson struct {
	// shots are the examples, each with its degraded copies.
	shots [][]vector
	// counters are the counter-examples.
	counters []vector
	// background are windows of sound that is nothing in particular.
	background []vector
}

// prototype returns the mean of the examples and their copies except one example; -1
// leaves out none.
func (l lesson) prototype(except int) vector {
	var all []vector
	for i, shot := range l.shots {
		if i != except {
			all = append(all, shot...)
		}
	}
	return unit(meanOf(all))
}

// leftOut returns the scores of every example and copy by the mean of the other examples.
// The copies of a single example are compared with each other.
func (l lesson) leftOut() (scores []float64) {
	if len(l.shots) == 1 {
		shot := l.shots[0]
		for i, v := range shot {
			rest := append(append([]vector(nil), shot[:i]...), shot[i+1:]...)
			if len(rest) > 0 {
				scores = append(scores, dot(v, unit(meanOf(rest))))
			}
		}
		return scores
	}
	for i, shot := range l.shots {
		p := l.prototype(i)
		for _, v := range shot {
			scores = append(scores, dot(v, p))
		}
	}
	return scores
}

// threshold derives the threshold from the examples alone: halfway between the mean of the
// left-out examples and the high mark of the background. Counter-examples raise it.
func (l lesson) threshold() tasks.PatternThreshold {
	mean, deviation := moments(l.leftOut())
	p := l.prototype(-1)
	against := make([]float64, len(l.background))
	for i, v := range l.background {
		against[i] = dot(v, p)
	}
	t := tasks.PatternThreshold{
		Method: byExamples, ExamplesMean: round(mean), ExamplesDeviation: round(deviation), Copies: copiesOfExample,
		Background: round(quantile(against, highest)), BackgroundWindows: len(against),
	}
	if len(l.shots) == 1 {
		t.Method = byCopies
	}
	value := (mean + quantile(against, highest)) / 2
	nearest := math.Inf(-1)
	for _, v := range l.counters {
		nearest = max(nearest, dot(v, p))
	}
	if len(l.counters) > 0 {
		t.CounterExamples = new(round(nearest))
		if between := (mean + nearest) / 2; between > value {
			value, t.Method = between, byCounter
		}
	}
	t.Value = round(min(value, mean-leastMargin))
	return t
}

// selfTest leaves out one example after another, derives the pattern anew and reports how
// many of those left out it finds. It is nil under three examples.
func (l lesson) selfTest() *tasks.SelfTest {
	if len(l.shots) < 3 {
		return nil
	}
	test := &tasks.SelfTest{Examples: len(l.shots), CounterExamples: len(l.counters), BackgroundWindows: len(l.background) * len(l.shots)}
	for i, shot := range l.shots {
		rest := l
		rest.shots = append(append([][]vector(nil), l.shots[:i]...), l.shots[i+1:]...)
		t, p := rest.threshold().Value, rest.prototype(-1)
		if dot(shot[0], p) >= t {
			test.Found++
		}
		for _, v := range l.background {
			if dot(v, p) >= t {
				test.BackgroundFound++
			}
		}
	}
	t, p := l.threshold().Value, l.prototype(-1)
	for _, v := range l.counters {
		if dot(v, p) >= t {
			test.CounterExamplesFound++
		}
	}
	return test
}

// round rounds to what is shown.
func round(x float64) float64 { return math.Round(x*1e5) / 1e5 }

// sigmoid returns the logistic function.
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
