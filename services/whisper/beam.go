package whisper

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Widths of the search: the default of openai-whisper's command line, and the most, since the
// memory of a window grows with it.
const (
	defaultWidth = 5
	mostWidth    = 16
)

// beams are the settings of a search. The zero value is none: the most probable token is
// taken.
type beams struct {
	width int
	// most is the number of ended texts at which the search stops.
	most int
	// penalty is the exponent of the length by which the logarithm of a text's probability is
	// divided, as in Google's translation system; nil divides by the length itself.
	penalty *float64
}

// beamsOf returns the settings that parameters ask for.
func beamsOf(p tasks.TranscribeParams) beams {
	if p.Decoding == tasks.DecodingGreedy || p.Decoding == "" && p.BeamWidth <= 1 {
		return beams{}
	}
	b := beams{width: cmp.Or(p.BeamWidth, defaultWidth), penalty: p.LengthPenalty}
	b.most = max(1, int(math.RoundToEven(float64(b.width)*cmp.Or(p.Patience, 1))))
	return b
}

// rows returns the number of texts that the decoder writes side by side.
func (b beams) rows() int64 { return int64(max(1, b.width)) }

// hypothesis is a text of a search, without its end.
type hypothesis struct {
	tokens []token
	// sum is the logarithm of its probability, with the end if it has one.
	sum float64
	// source is the row that it continues, ended reports whether it has ended.
	source int
	ended  bool
}

func (h hypothesis) ids() []int { return piece{tokens: h.tokens}.ids() }

// score is what texts of different lengths are compared by.
func (b beams) score(h hypothesis) float64 {
	length := float64(max(1, len(h.tokens)))
	if b.penalty != nil {
		length = math.Pow((5+length)/6, *b.penalty)
	}
	return h.sum / length
}

// search decodes a window with the beam search of openai-whisper: of the continuations of all
// texts the width most probable ones are continued, until enough texts have ended.
func (d *decoder) search(ctx context.Context, part *decoderRun, prompt []int) (answer, error) {
	a := answer{}
	logits, err := d.begin(ctx, part, prompt, &a)
	if err != nil {
		return a, err
	}
	live, ended := []hypothesis{{}}, []hypothesis(nil)
	for written, most := 1, d.most(prompt); ; written++ {
		var done []hypothesis
		live, done = d.extend(live, logits)
		ended = append(ended, done[:min(len(done), d.beams.most-len(ended))]...)
		if len(ended) >= d.beams.most || len(live) == 0 || written == most {
			break
		}
		d.written()
		if err := services.Yield(ctx); err != nil {
			return a, err
		}
		sources, tokens := make([]int, len(live)), make([]int, len(live))
		for i, h := range live {
			sources[i], tokens[i] = h.source, h.tokens[len(h.tokens)-1].id
		}
		if logits, err = part.fork(ctx, sources, tokens); err != nil {
			return a, err
		}
	}
	// Texts that have not ended take part if there are too few others.
	ended = append(ended, live[:min(len(live), max(0, d.beams.width-len(ended)))]...)
	best := ended[0]
	for _, h := range ended[1:] {
		if d.beams.score(h) > d.beams.score(best) {
			best = h
		}
	}
	a.tokens = best.tokens
	d.judge(&a, best.sum)
	return a, nil
}

// extend returns the most probable continuations of texts by one token, at most width of
// them, and those with an end among them, the most probable first. logits has a row for each
// text.
func (d *decoder) extend(live []hypothesis, logits []float32) (next, ended []hypothesis) {
	size := len(logits) / len(live)
	var list []hypothesis
	for row, h := range live {
		own := logits[row*size : (row+1)*size]
		d.rules.apply(own, h.ids())
		total := decoding.LogSum(own)
		for _, id := range likeliest(own, d.beams.width+1) {
			logProb := float64(own[id]) - total
			one := hypothesis{sum: h.sum + logProb, source: row, ended: id == d.rules.special.end, tokens: h.tokens}
			if !one.ended {
				one.tokens = append(slices.Clip(h.tokens), token{id, logProb})
			}
			list = append(list, one)
		}
	}
	slices.SortStableFunc(list, func(a, b hypothesis) int { return cmp.Compare(b.sum, a.sum) })
	for _, one := range list {
		if one.ended {
			ended = append(ended, one)
			continue
		}
		if next = append(next, one); len(next) == d.beams.width {
			break
		}
	}
	return next, ended
}

// likeliest returns the ids of the count highest logits above decoding.Never, the highest
// first.
func likeliest(logits []float32, count int) []int {
	ids := make([]int, 0, count+1)
	for id, v := range logits {
		if v == decoding.Never || len(ids) == count && v <= logits[ids[count-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(ids, v, func(known int, v float32) int {
			if logits[known] >= v {
				return -1
			}
			return 1
		})
		if ids = slices.Insert(ids, at, id); len(ids) > count {
			ids = ids[:count]
		}
	}
	return ids
}
