package patterns

import (
	"cmp"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// regime is how the windows of a pattern are accepted.
type regime int

const (
	// fixed accepts from the threshold of the head.
	fixed regime = iota
	// calibratedByExamples compares windows with their surroundings.
	calibratedByExamples
	// calibratedByFeedback uses the regression on corrections too.
	calibratedByFeedback
)

// regimeOf returns how the windows of a pattern are accepted. A few corrections move the
// threshold of the head; many are used together with the surroundings.
func regimeOf(p pattern) regime {
	right, wrong := p.Corrected.Right+p.Corrected.Moved, p.Corrected.Wrong
	switch {
	case right+wrong >= leastCorrected && right >= leastOfEach && wrong >= leastOfEach && len(p.Head.Weights) > 0:
		return calibratedByFeedback
	case p.Head.Kind == tasks.HeadPrototype && math.Abs(p.Head.Threshold-p.Derived.Value) <= 1e-4:
		return calibratedByExamples
	}
	return fixed
}

// target is a pattern that is searched for.
type target struct {
	pattern  pattern
	shots    [][]vector
	counters []vector
	lengths  []int
	// confidence is the least of a detection, and accepted the score that has it by the head.
	confidence, accepted float64
	regime               regime
	scale                *scale
	// block has the windows that have not been decided on, which begin at a time in seconds
	// or after it.
	block []window
	from  float64
	peaks peaks
}

// newTarget returns a target with the vectors of its examples.
func newTarget(p pattern, e examples, confidence float64) *target {
	t := &target{
		pattern: p, shots: e.shots, counters: e.counters, lengths: windowsFor(p.Length), confidence: confidence,
		accepted: p.Head.least(confidence), regime: regimeOf(p),
	}
	if t.regime != fixed {
		if t.scale = scaleOf(p, e.shots); t.scale == nil {
			t.regime = fixed
		}
	}
	return t
}

// take adds the windows of a track. Those that begin after the piece's part belong to the
// next piece.
func (t *target) take(track track, at float64, last bool) {
	for i, v := range track.vectors {
		start := float64(i) * track.hop
		if start >= pieceSeconds && !last {
			return
		}
		w := window{start: at + start, end: at + start + track.length, at: v}
		if t.regime != fixed {
			w.score = dot(t.scale.prototype, v)
			t.block = append(t.block, w)
		} else if w.score = t.pattern.Head.score(v); w.score >= t.accepted {
			t.peaks.add(w)
		}
	}
}

// settle decides on windows that no later window can change: later ones begin at a time in
// seconds or after it.
func (t *target) settle(until float64) {
	if t.regime == fixed {
		t.peaks.settle(until)
		return
	}
	for until-t.from >= 1.5*blockSeconds { // else what follows may be too short for a block
		end := t.from + blockSeconds
		slices.SortStableFunc(t.block, func(a, b window) int { return cmp.Compare(a.start, b.start) })
		n, _ := slices.BinarySearchFunc(t.block, end, func(w window, end float64) int { return cmp.Compare(w.start, end) })
		t.decide(t.block[:n], blockSeconds)
		t.block, t.from = slices.Clone(t.block[n:]), end
	}
}

// finish decides on the rest of a recording of some seconds.
func (t *target) finish(seconds float64) {
	if t.regime == fixed {
		t.peaks.settle(math.Inf(1))
		return
	}
	t.decide(t.block, seconds-t.from)
	t.block = nil
}

// decide accepts windows of a block of some seconds.
func (t *target) decide(block []window, seconds float64) {
	if seconds < leastBlock {
		t.decideAlone(block)
		return
	}
	var c calibrated
	if t.regime == calibratedByFeedback {
		c = t.scale.calibrateBy(t.pattern.Head, block, seconds)
	} else {
		c = t.scale.calibrate(block, seconds)
	}
	floor := math.Inf(-1)
	if c.highest < t.pattern.Derived.Value { // the pattern is probably not there
		if t.regime == calibratedByExamples {
			t.decideAlone(block)
			return
		}
		floor = t.pattern.Derived.Value
	}
	least := c.accepted()
	var found []window
	for i, w := range c.windows {
		w.confidence = sigmoid(c.logits[i] - least)
		if w.confidence >= t.confidence && w.score >= floor && !t.isCounter(w) && !slices.ContainsFunc(t.lastFound(), w.collides) {
			w.at = slices.Clone(w.at) // the piece's other vectors are freed
			found = append(found, w)
		}
	}
	slices.SortFunc(found, func(a, b window) int { return cmp.Compare(a.start, b.start) })
	t.peaks.found = append(t.peaks.found, found...)
}

// decideAlone accepts windows by the threshold of the head.
func (t *target) decideAlone(block []window) {
	for _, w := range block {
		if w.score = t.pattern.Head.score(w.at); w.score >= t.accepted {
			t.peaks.add(w)
		}
	}
	t.peaks.settle(math.Inf(1))
}

// lastFound returns the detections that a window of the next block can collide with.
func (t *target) lastFound() []window {
	return t.peaks.found[max(0, len(t.peaks.found)-4):]
}

// isCounter reports whether a window is nearer to a counter-example than to the examples.
func (t *target) isCounter(w window) bool {
	return slices.ContainsFunc(t.counters, func(v vector) bool { return dot(v, w.at) > dot(t.scale.prototype, w.at) })
}

// confidenceOf returns the calibrated confidence of a detection.
func (t *target) confidenceOf(w window) float64 {
	if w.confidence > 0 {
		return w.confidence
	}
	return t.pattern.Head.confidence(w.score)
}
