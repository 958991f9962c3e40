package patterns

import (
	"cmp"
	"slices"
)

const (
	// mostOverlap is the part of the shorter of two detections of a pattern that may be in
	// both.
	mostOverlap = 0.25
	// mostPending bounds the accepted windows that wait for the end of their group.
	mostPending = 20_000
)

// window is an accepted window of a recording.
type window struct {
	start, end, score float64
	at                vector
	// confidence is set for a window that was accepted by comparison with its surroundings.
	confidence float64
}

// collides reports whether too much of two windows is in both.
func (w window) collides(other window) bool {
	shared := min(w.end, other.end) - max(w.start, other.start)
	return shared > mostOverlap*min(w.end-w.start, other.end-other.start)
}

// peaks selects the best windows of one pattern in a recording: none overlaps a better one.
// Windows are added piece by piece, so memory does not grow with the recording.
type peaks struct {
	pending []window
	// found are the final detections.
	found []window
}

// add adds an accepted window.
func (p *peaks) add(w window) { p.pending = append(p.pending, w) }

// settle decides on the windows that no later window can overlap: later ones begin at a
// time in seconds or after it.
func (p *peaks) settle(until float64) {
	slices.SortFunc(p.pending, func(a, b window) int { return cmp.Compare(a.start, b.start) })
	from, end := 0, 0.0
	for i, w := range p.pending {
		if i > from && w.start >= end {
			p.choose(p.pending[from:i])
			from = i
		}
		if i == from {
			end = w.end
		}
		end = max(end, w.end)
	}
	rest := p.pending[from:]
	if len(rest) > 0 && (end <= until || len(rest) > mostPending) {
		p.choose(rest)
		rest = nil
	}
	p.pending = slices.Clone(rest)
}

// choose adds the best windows of a group to those found.
func (p *peaks) choose(group []window) {
	ordered := slices.Clone(group)
	slices.SortStableFunc(ordered, func(a, b window) int { return cmp.Compare(b.score, a.score) })
	first := len(p.found)
	for _, w := range ordered {
		if !slices.ContainsFunc(p.found[first:], w.collides) {
			w.at = slices.Clone(w.at) // the piece's other vectors are freed
			p.found = append(p.found, w)
		}
	}
	slices.SortFunc(p.found[first:], func(a, b window) int { return cmp.Compare(a.start, b.start) })
}
