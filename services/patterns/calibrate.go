package patterns

import (
	"cmp"
	"math"
	"slices"
)

// What is accepted in a recording depends on the recording: in noise the scores of the
// pattern itself fall below a threshold that rejects similar sounds elsewhere. So the
// windows that score highest are compared with each other, with the examples and with the
// background, by a logistic regression over a few numbers of each, and those are accepted
// that maximise the expected F1. Where not even the best windows reach the pattern's own
// threshold, that threshold holds. The weights are those of models/train/clap/calibrate.py.

const (
	// blockSeconds is the sound whose windows are compared, leastBlock the length from which
	// there is enough of it.
	blockSeconds, leastBlock = 60, 20
	// fittedSeconds is the length of the recordings that the terms were fitted on, and mostPeaks
	// the number of windows that are considered in as much sound.
	fittedSeconds, mostPeaks = 44, 60
	// leastProbability and mostProbability bound the probability from which a window is accepted.
	leastProbability, mostProbability = 0.3, 0.5
	// leastCorrected is the number of corrections from which their regression is used, of
	// which leastOfEach must be right and wrong.
	leastCorrected, leastOfEach = 8, 2
	// mixture is the weight of the logit of the regression on corrections when windows are
	// ordered.
	mixture = 0.15
)

// nearness returns the logarithm of the inverse distance of a cosine to one. Differences of
// it are comparable between patterns.
func nearness(cosine float64) float64 { return -math.Log(math.Max(1-cosine, 1e-3)) }

// scale has what the scores of a pattern are compared with.
type scale struct {
	// examples and clean are the nearness of left-out examples with their copies, and of the
	// examples alone; background is that of the high mark of the background.
	examples, clean, background float64
	// prototype and original are the means of the examples with their copies, and of the
	// examples alone; shots are all of them.
	prototype, original vector
	shots               []vector
}

// scaleOf returns the scale of a pattern with the vectors of its examples.
func scaleOf(p pattern, shots [][]vector) *scale {
	if len(shots) == 0 || len(p.Head.Prototype) == 0 {
		return nil
	}
	var originals, left []vector
	var scores []float64
	l := lesson{shots: shots}
	for i, shot := range shots {
		if len(shot) == 0 {
			return nil
		}
		originals, left = append(originals, shot[0]), append(left, shot...)
		if len(shots) > 1 {
			scores = append(scores, dot(shot[0], l.prototype(i)))
		}
	}
	clean := p.Derived.ExamplesMean
	if len(scores) > 0 {
		clean, _ = moments(scores)
	}
	return &scale{
		examples: nearness(p.Derived.ExamplesMean), clean: nearness(clean), background: nearness(p.Derived.Background),
		prototype: p.Head.Prototype, original: unit(meanOf(originals)), shots: left,
	}
}

// closest returns the largest product of a vector with an example or a copy.
func (c *scale) closest(v vector) float64 {
	score := math.Inf(-1)
	for _, one := range c.shots {
		score = max(score, dot(one, v))
	}
	return score
}

// surroundings describe the scores of a block of sound.
type surroundings struct {
	// highest is the mean of the two best scores and top its nearness; ten is the mean nearness
	// of the ten best in fittedSeconds.
	highest, top, ten float64
	// median and deviation are those of the scores of the others.
	median, deviation float64
}

// surround returns the surroundings of scores, the largest first, in a block of some
// seconds.
func surround(scores []float64, seconds float64) surroundings {
	at := func(n float64) int { return min(len(scores), max(1, int(math.Round(n*seconds/fittedSeconds)))) }
	mean := func(list []float64) (sum float64) {
		for _, v := range list {
			sum += nearness(v)
		}
		return sum / float64(len(list))
	}
	highest, _ := moments(scores[:min(2, len(scores))])
	low := scores[min(at(10), len(scores)-1):at(40)]
	if len(low) == 0 {
		low = scores[len(scores)-1:]
	}
	median := quantile(low, 0.5)
	away := make([]float64, len(low))
	for i, v := range low {
		away[i] = math.Abs(v - median)
	}
	return surroundings{
		highest: highest, top: nearness(highest), ten: mean(scores[:at(10)]), median: median, deviation: 1.5*quantile(away, 0.5) + 0.02,
	}
}

// gap returns how much the third value after the i-th is smaller, or the last.
func gap(values []float64, i int) float64 { return values[i] - values[min(i+3, len(values)-1)] }

// calibrated are windows with the probability of each to be the pattern.
type calibrated struct {
	windows []window
	logits  []float64
	// highest is the mean of the two best scores.
	highest float64
}

// term is the weight of a number and the range that it has been fitted in, outside of which
// it says nothing more.
type term struct{ weight, low, high float64 }

// byExamplesTerms are those of scores by a prototype. Nearness is relative to that of the examples.
var byExamplesTerms = []term{
	{-2.3157, 1, 1},       // one
	{2.9916, -3.2, 1.7},   // the window's nearness
	{-2.826, -2.7, 1.1},   // the best windows'
	{-1.0017, -2.6, -0.6}, // the background's
	{0.0564, -0.2, 1.1},   // the examples' without copies
	{0.189, -3, 11},       // how far the score stands out
	{0.2791, -3.1, -0.9},  // the usual nearness
	{1.5157, 0, 2.3},      // the distance to the third after it
	{-4.4605, -1.2, 0},    // the ten best against the best
	{-0.4026, -3.6, 1.8},  // to the examples without copies
	{1.8113, -3.1, 2.9},   // to the closest example
}

// byFeedbackTerms are those of scores and the regression on corrections.
var byFeedbackTerms = []term{
	{-2.1288, 1, 1},       // one
	{1.7375, -3.2, 1.7},   // the window's nearness
	{-1.9485, -2.7, 1.1},  // the best windows'
	{-0.2836, -2.6, -0.6}, // the background's
	{0.0816, -3, 11},      // how far the score stands out
	{0.9804, -12, 8},      // the logit of the corrections
	{-0.1807, -3, 12},     // how far the mixture stands out
	{-0.104, 0, 3},        // its distance to the third after it
	{0.7099, -3, 3},       // the best mixtures
	{-2.0213, -1.2, 0},    // the ten best against the best
	{1.4338, -3.1, 2.9},   // to the closest example
	{-0.6488, -3.6, 1.8},  // to the examples without copies
	{0.2083, -0.2, 1.1},   // the examples' without copies
	{-0.3109, -3.1, -0.9}, // the usual nearness
}

// best returns the best windows of a block of some seconds, the best first, without those
// that overlap a better one.
func best(block []window, seconds float64) []window {
	most := max(mostPeaks/6, int(mostPeaks*seconds/fittedSeconds))
	ordered := slices.Clone(block)
	slices.SortStableFunc(ordered, func(a, b window) int { return cmp.Compare(b.score, a.score) })
	chosen := make([]window, 0, most)
	for _, w := range ordered {
		if len(chosen) == most {
			break
		}
		if !slices.ContainsFunc(chosen, w.collides) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// calibrate returns the best windows of a block of some seconds and how probable each is.
func (c *scale) calibrate(block []window, seconds float64) calibrated {
	chosen := best(block, seconds)
	scores, nearby := make([]float64, len(chosen)), make([]float64, len(chosen))
	for i, w := range chosen {
		scores[i], nearby[i] = w.score, nearness(w.score)
	}
	out := calibrated{windows: chosen, logits: make([]float64, len(chosen))}
	if len(chosen) == 0 {
		return out
	}
	s := surround(scores, seconds)
	out.highest = s.highest
	for i, w := range chosen {
		out.logits[i] = logitOf(byExamplesTerms, 1, nearby[i]-c.examples, s.top-c.examples, c.background-c.examples, c.clean-c.examples,
			(w.score-s.median)/s.deviation, nearness(s.median)-c.examples, gap(nearby, i), s.ten-s.top,
			nearness(dot(c.original, w.at))-c.clean, nearness(c.closest(w.at))-c.examples)
	}
	return out
}

// calibrateBy is calibrate with the regression on corrections.
func (c *scale) calibrateBy(h head, block []window, seconds float64) calibrated {
	plain := best(block, seconds)
	if len(plain) == 0 {
		return calibrated{}
	}
	scores := make([]float64, len(plain))
	for i, w := range plain {
		scores[i] = w.score
	}
	s := surround(scores, seconds)
	mixed := slices.Clone(block)
	for i, w := range mixed {
		mixed[i].score = nearness(w.score) - c.examples + mixture*h.logit(w.at)
	}
	chosen := best(mixed, seconds)
	values := make([]float64, len(chosen))
	for i, w := range chosen {
		values[i] = w.score
	}
	by := surroundMixed(values, seconds)
	out := calibrated{windows: chosen, logits: make([]float64, len(chosen)), highest: s.highest}
	for i, w := range chosen {
		score := dot(c.prototype, w.at)
		out.logits[i] = logitOf(byFeedbackTerms, 1, nearness(score)-c.examples, s.top-c.examples, c.background-c.examples,
			(score-s.median)/s.deviation, h.logit(w.at), (values[i]-by.median)/by.deviation, gap(values, i), by.top, s.ten-s.top,
			nearness(c.closest(w.at))-c.examples, nearness(dot(c.original, w.at))-c.examples, c.clean-c.examples, nearness(s.median)-c.examples)
		out.windows[i].score = score
	}
	return out
}

// surroundMixed returns the surroundings of values that are no cosines: top is their mean.
func surroundMixed(values []float64, seconds float64) surroundings {
	s := surround(values, seconds)
	s.top, _ = moments(values[:min(2, len(values))])
	s.deviation += 0.18
	return s
}

// logitOf returns the sum of terms for values.
func logitOf(terms []term, values ...float64) (sum float64) {
	for i, one := range terms {
		sum += one.weight * min(one.high, max(one.low, values[i]))
	}
	return sum
}

// accepted returns the logit from which windows are accepted: half of the largest expected
// F1, within bounds, is the best probability for it.
func (c calibrated) accepted() float64 {
	p := make([]float64, len(c.logits))
	total, found, most := 0.0, 0.0, 0.0
	for i, x := range c.logits {
		p[i] = sigmoid(x)
		total += p[i]
	}
	slices.SortFunc(p, func(a, b float64) int { return cmp.Compare(b, a) })
	for i, one := range p {
		found += one
		most = max(most, 2*found/(float64(i+1)+total))
	}
	least := min(mostProbability, max(leastProbability, most/2))
	return math.Log(least / (1 - least))
}
