package patterns

import (
	"cmp"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// head scores vectors: by the prototype or by a logistic regression.
type head struct {
	Kind      string `json:"kind"`
	Prototype vector `json:"prototype"`
	// Weights and Bias are those of the regression on examples and corrections, if there are
	// corrections, also for a head that scores by the prototype.
	Weights vector  `json:"weights,omitempty"`
	Bias    float64 `json:"bias,omitempty"`
	// Threshold is the score from which a vector is accepted, and Slope how fast the
	// confidence rises about it.
	Threshold float64 `json:"threshold"`
	Slope     float64 `json:"slope"`
}

// score returns the raw score of a vector.
func (h head) score(v vector) float64 {
	if h.Kind == tasks.HeadLogistic {
		return h.logit(v)
	}
	return dot(h.Prototype, v)
}

// logit returns what the regression on corrections makes of a vector.
func (h head) logit(v vector) float64 { return dot(h.Weights, v) + h.Bias }

// confidence returns the calibrated value of a score: 0.5 at the threshold.
func (h head) confidence(score float64) float64 { return sigmoid(h.Slope * (score - h.Threshold)) }

// least returns the score with a confidence.
func (h head) least(confidence float64) float64 {
	return h.Threshold + math.Log(confidence/(1-confidence))/h.Slope
}

// byPrototype returns the head of examples alone. The mean score of left-out examples has a
// confidence of 0.9.
func byPrototype(l lesson, t tasks.PatternThreshold) head {
	return head{
		Kind: tasks.HeadPrototype, Prototype: l.prototype(-1), Threshold: t.Value,
		Slope: math.Log(9) / max(leastMargin, t.ExamplesMean-t.Value),
	}
}

// verdict is a corrected span: the vectors of windows about it, and whether it is the
// pattern.
type verdict struct {
	about []vector
	is    bool
}

// best returns the largest score about a span.
func (v verdict) best(h head) float64 {
	score := math.Inf(-1)
	for _, one := range v.about {
		score = max(score, h.score(one))
	}
	return score
}

const (
	// weightOfVerdict is that of all windows of one correction together, weightOfOther that
	// of a window that is probably not the pattern. An example or a copy of one weighs 1.
	weightOfVerdict, weightOfOther = 4, 0.1
	// nearestOthers is the number of windows of the background that are used, those that
	// score highest.
	nearestOthers = 400
)

// byRegression returns the head fitted to examples, corrections and other sound.
func byRegression(l lesson, base head, verdicts []verdict, weak []vector) head {
	var all []observation
	for _, shot := range l.shots {
		for _, v := range shot {
			all = append(all, observation{v, true, 1})
		}
	}
	for _, v := range l.counters {
		all = append(all, observation{v, false, weightOfVerdict})
	}
	for _, one := range verdicts {
		for _, v := range one.about {
			all = append(all, observation{v, one.is, weightOfVerdict / float64(len(one.about))})
		}
	}
	others := slices.Clone(l.background)
	slices.SortStableFunc(others, func(a, b vector) int { return cmp.Compare(dot(b, base.Prototype), dot(a, base.Prototype)) })
	for _, v := range slices.Concat(others[:min(len(others), nearestOthers)], weak) {
		all = append(all, observation{v, false, weightOfOther})
	}
	h := head{Kind: tasks.HeadLogistic, Prototype: base.Prototype, Slope: 1}
	h.Weights, h.Bias = regression(all)
	h.Threshold = cut(h, verdicts, 0)
	return h
}

// cut returns the threshold with which a head agrees best with the corrections, the nearest
// to the given one. Without accepted and rejected ones it is the given one.
func cut(h head, verdicts []verdict, given float64) float64 {
	scores := make([]float64, len(verdicts))
	right := 0
	for i, v := range verdicts {
		scores[i] = v.best(h)
		if v.is {
			right++
		}
	}
	if right == 0 || right == len(verdicts) {
		return given
	}
	sorted := slices.Sorted(slices.Values(scores))
	candidates := []float64{given}
	for i := 1; i < len(sorted); i++ {
		candidates = append(candidates, (sorted[i-1]+sorted[i])/2)
	}
	return slices.MaxFunc(candidates, func(a, b float64) int {
		h.Threshold = a
		one := agreement(h, verdicts)
		h.Threshold = b
		return cmp.Or(cmp.Compare(one, agreement(h, verdicts)), cmp.Compare(math.Abs(b-given), math.Abs(a-given)))
	})
}

// agreement returns the F1 of a head's verdicts on corrected spans.
func agreement(h head, verdicts []verdict) float64 {
	j := judge(h, verdicts)
	return 2 * float64(j.RightFound) / max(1, float64(2*j.RightFound+j.WrongFound+j.RightMissed))
}

// judge counts a head's verdicts on corrected spans.
func judge(h head, verdicts []verdict) tasks.Judgement {
	j := tasks.Judgement{Head: h.Kind, Threshold: round(h.Threshold)}
	for _, v := range verdicts {
		switch found := v.best(h) >= h.Threshold; {
		case v.is && found:
			j.RightFound++
		case v.is:
			j.RightMissed++
		case found:
			j.WrongFound++
		default:
			j.WrongMissed++
		}
	}
	return j
}

// folds is the number of parts in which corrections are left out in turn.
const folds = 5

// learn returns the head that agrees best with corrections that it has not seen: that of
// the examples, the same with another threshold, or a regression. Simpler heads win ties.
func learn(l lesson, base head, verdicts []verdict, weak []vector) head {
	moved := func(seen []verdict) head {
		h := base
		h.Threshold = cut(h, seen, base.Threshold)
		return h
	}
	fitted := func(seen []verdict) head { return byRegression(l, base, seen, weak) }
	if len(verdicts) < 2 {
		return base
	}
	var plain, shifted, fit tally
	for fold := range min(folds, len(verdicts)) {
		var seen, unseen []verdict
		for i, v := range verdicts {
			if i%folds == fold {
				unseen = append(unseen, v)
			} else {
				seen = append(seen, v)
			}
		}
		plain.add(judge(base, unseen))
		shifted.add(judge(moved(seen), unseen))
		fit.add(judge(fitted(seen), unseen))
	}
	whole := fitted(verdicts)
	switch {
	case fit.f1() > max(plain.f1(), shifted.f1()):
		return whole
	case shifted.f1() > plain.f1():
		base = moved(verdicts)
	}
	base.Weights, base.Bias = whole.Weights, whole.Bias
	return base
}

// tally adds verdicts of several parts.
type tally struct{ found, wrong, missed int }

func (t *tally) add(j tasks.Judgement) {
	t.found, t.wrong, t.missed = t.found+j.RightFound, t.wrong+j.WrongFound, t.missed+j.RightMissed
}

func (t *tally) f1() float64 {
	return 2 * float64(t.found) / max(1, float64(2*t.found+t.wrong+t.missed))
}
