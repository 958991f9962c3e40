package whisper

import "github.com/grym-synth/grym-synth/services/decoding"

// rules decide which tokens may follow, as the filters of the reference implementation do.
type rules struct {
	special specialTokens
	// suppress are never written, begin not at the beginning.
	suppress, begin []int64
	// latestFirst is the latest first timestamp, in steps.
	latestFirst int
	// timestamps is false for a text without any.
	timestamps bool
}

// apply changes the logits of the token that follows those written since the prompt.
func (r *rules) apply(logits []float32, written []int) {
	for _, id := range r.suppress {
		block(logits, int(id))
	}
	if len(written) == 0 {
		for _, id := range r.begin {
			block(logits, int(id))
		}
	}
	if !r.timestamps {
		blockRange(logits, r.special.firstTimestamp, len(logits))
		return
	}
	block(logits, r.special.noTimestamps)
	r.order(logits, written)
	if len(written) == 0 {
		// A text begins with a timestamp.
		blockRange(logits, 0, r.special.firstTimestamp)
		blockRange(logits, r.special.firstTimestamp+r.latestFirst+1, len(logits))
	}
	r.prefer(logits)
}

// order makes timestamps appear in pairs, except directly before the end, and never
// decrease.
func (r *rules) order(logits []float32, written []int) {
	first := r.special.firstTimestamp
	n := len(written)
	last := n >= 1 && written[n-1] >= first
	before := n < 2 || written[n-2] >= first
	if last {
		if before {
			blockRange(logits, first, len(logits)) // text follows a pair
		} else {
			blockRange(logits, 0, r.special.end) // a timestamp, or the end, follows one
		}
	}
	for i := n - 1; i >= 0; i-- {
		if written[i] < first {
			continue
		}
		least := written[i] + 1 // a segment has a length
		if last && !before {
			least = written[i]
		}
		blockRange(logits, first, least)
		return
	}
}

// prefer requires a timestamp where all of them together are more probable than any text.
func (r *rules) prefer(logits []float32) {
	first := r.special.firstTimestamp
	text := decoding.Highest(logits[:first])
	highest := decoding.Highest(logits[first:])
	if highest > decoding.Never && decoding.LogSum(logits[first:]) > float64(text) {
		blockRange(logits, 0, first)
	}
}

func block(logits []float32, id int) {
	if id >= 0 && id < len(logits) {
		logits[id] = decoding.Never
	}
}

func blockRange(logits []float32, from, to int) {
	for i := max(0, from); i < min(to, len(logits)); i++ {
		logits[i] = decoding.Never
	}
}
