package whisper

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Limits of the reference implementation, beyond which a text is decoded again at a higher
// temperature.
const (
	mostCompression = 2.4
	leastLogProb    = -1.0
	mostSilence     = 0.6
	// hottest is the last temperature; hotter is the step between two.
	hottest = 1.0
	hotter  = 0.2
)

// token is a written token with the logarithm of its probability.
type token struct {
	id      int
	logProb float64
}

// answer is the text of one window.
type answer struct {
	tokens []token
	// noSpeech is the probability that nothing is spoken.
	noSpeech    float64
	temperature float64
	compression float64
	// average is the mean logarithm of the probability of a token, with the end.
	average float64
}

// isSilence reports whether the window has no speech.
func (a answer) isSilence() bool { return a.noSpeech > mostSilence && a.average < leastLogProb }

// isBad reports whether the window should be decoded again.
func (a answer) isBad() bool {
	return !a.isSilence() && (a.compression > mostCompression || a.average < leastLogProb)
}

// decoder writes the texts of windows.
type decoder struct {
	model *model
	rules rules
	// random draws tokens above temperature 0.
	random *rand.Rand
	// temperature is the first one.
	temperature float64
	// written is called after each token.
	written func()
}

// window decodes a window after a prompt, at rising temperatures until the text is good.
func (d *decoder) window(ctx context.Context, part *decoding, prompt []int) (answer, error) {
	for temperature := d.temperature; ; temperature += hotter {
		a, err := d.attempt(ctx, part, prompt, temperature)
		if err != nil {
			return a, err
		}
		if !a.isBad() || temperature+hotter > hottest+hotter/2 {
			return a, nil
		}
	}
}

// attempt decodes a window once.
func (d *decoder) attempt(ctx context.Context, part *decoding, prompt []int, temperature float64) (answer, error) {
	a := answer{temperature: temperature}
	if err := part.reset(); err != nil {
		return a, err
	}
	width := int(d.model.folder.Network.VocabSize)
	all, err := part.run(ctx, prompt)
	if err != nil {
		return a, err
	}
	start := slices.Index(prompt, d.rules.special.start)
	a.noSpeech = d.noSpeech(all[start*width : (start+1)*width])
	logits := all[len(all)-width:]
	sum := 0.0
	var ids []int
	// As in the reference implementation, half of the positions are for the text.
	most := min(int(d.model.folder.Network.TargetPosition)/2, int(d.model.folder.Network.TargetPosition)-len(prompt))
	for len(ids) < most {
		d.rules.apply(logits, ids)
		next, logProb := d.choose(logits, temperature)
		sum += logProb
		if next == d.rules.special.end {
			break
		}
		ids = append(ids, next)
		a.tokens = append(a.tokens, token{next, logProb})
		d.written()
		if err := services.Yield(ctx); err != nil {
			return a, err
		}
		if len(ids) == most {
			break
		}
		if logits, err = part.run(ctx, []int{next}); err != nil {
			return a, err
		}
	}
	a.average = sum / float64(len(ids)+1)
	a.compression = tasks.CompressionRatio(d.model.text.Decode(d.spoken(ids)))
	return a, nil
}

// spoken returns the tokens that are text.
func (d *decoder) spoken(ids []int) []int {
	return slices.DeleteFunc(slices.Clone(ids), func(id int) bool { return id >= d.rules.special.end })
}

// noSpeech returns the probability of the token that stands for silence.
func (d *decoder) noSpeech(logits []float32) float64 {
	id := d.rules.special.noSpeech
	if id < 0 || id >= len(logits) {
		return 0
	}
	return math.Exp(float64(logits[id]) - logSum(logits))
}

// choose returns the next token with the logarithm of its probability at temperature 1: the
// most probable one, or one drawn by chance.
func (d *decoder) choose(logits []float32, temperature float64) (id int, logProb float64) {
	total := logSum(logits)
	if temperature == 0 {
		for i, v := range logits {
			if v > logits[id] {
				id = i
			}
		}
		return id, float64(logits[id]) - total
	}
	highest, sum := slices.Max(logits), 0.0
	weight := func(v float32) float64 { return math.Exp(float64(v-highest) / temperature) }
	for _, v := range logits {
		sum += weight(v)
	}
	at := d.random.Float64() * sum
	for i, v := range logits {
		if w := weight(v); w > 0 {
			id = i
			if at -= w; at < 0 {
				break
			}
		}
	}
	return id, float64(logits[id]) - total
}

// language returns the most probable language of a window and its probability.
func (d *decoder) language(ctx context.Context, part *decoding) (string, float64, error) {
	if err := part.reset(); err != nil {
		return "", 0, err
	}
	logits, err := part.run(ctx, []int{d.rules.special.start})
	if err != nil {
		return "", 0, err
	}
	codes := d.model.folder.languages()
	known := make([]float32, len(codes))
	for i, code := range codes {
		known[i] = logits[d.rules.special.languages[code]]
	}
	best := 0
	for i, v := range known {
		if v > known[best] {
			best = i
		}
	}
	return codes[best], math.Exp(float64(known[best]) - logSum(known)), nil
}
