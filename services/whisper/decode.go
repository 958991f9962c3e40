package whisper

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Limits of the reference implementation, beyond which a text is decoded again at a higher
// temperature.
const (
	mostCompression = 2.4
	leastLogProb    = -1.0
	mostSilence     = 0.6
	// clearSilence is the probability of no speech above which a text that is only somewhat
	// improbable is none either: "Thank you." of a melody, for instance. The reference
	// implementation has no such limit.
	clearSilence    = 0.7
	doubtfulLogProb = -0.75
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
func (a answer) isSilence() bool {
	return a.noSpeech > mostSilence && a.average < leastLogProb || a.noSpeech > clearSilence && a.average < doubtfulLogProb
}

// isBad reports whether the window should be decoded again.
func (a answer) isBad() bool {
	return !a.isSilence() && (a.repeats() || a.average < leastLogProb)
}

// repeats reports whether the text compresses too well.
func (a answer) repeats() bool { return a.compression > mostCompression }

// decoder writes the texts of windows.
type decoder struct {
	model *model
	rules rules
	// random draws tokens above temperature 0.
	random *rand.Rand
	// temperature is the first one, beams the search at temperature 0.
	temperature float64
	beams       beams
	// written is called after each token.
	written func()
}

// window decodes a window after a prompt, at rising temperatures until the text is good. If
// none is, the most probable one of those that do not repeat themselves is the best.
func (d *decoder) window(ctx context.Context, part *decoderRun, prompt []int) (answer, error) {
	var all []answer
	for temperature := d.temperature; temperature < hottest+hotter/2; temperature += hotter {
		var a answer
		var err error
		if temperature == 0 && d.beams.width > 1 {
			a, err = d.search(ctx, part, prompt)
		} else {
			a, err = d.attempt(ctx, part, prompt, temperature)
		}
		if err != nil || !a.isBad() {
			return a, err
		}
		all = append(all, a)
	}
	return slices.MaxFunc(all, compareAnswers), nil
}

// compareAnswers returns above 0 if a is better than b: it does not repeat itself, or is more
// probable.
func compareAnswers(a, b answer) int {
	switch {
	case a.repeats() == b.repeats():
		return cmp.Compare(a.average, b.average)
	case a.repeats():
		return -1
	}
	return 1
}

// attempt decodes a window once.
func (d *decoder) attempt(ctx context.Context, part *decoderRun, prompt []int, temperature float64) (answer, error) {
	a := answer{temperature: temperature}
	logits, err := d.begin(ctx, part, prompt, &a)
	if err != nil {
		return a, err
	}
	var ids []int
	sum, logProb := 0.0, 0.0
	err = decoding.Loop{
		Most: d.most(prompt),
		Choose: func(logits []float32) (id int) {
			d.rules.apply(logits, ids)
			id, logProb = d.choose(logits, temperature)
			return id
		},
		Take: func(id int) bool {
			sum += logProb
			if id == d.rules.special.end {
				return false
			}
			ids, a.tokens = append(ids, id), append(a.tokens, token{id, logProb})
			d.written()
			return true
		},
		Step: func(ctx context.Context, id int) ([]float32, error) { return part.add(ctx, []int{id}) },
	}.Run(ctx, logits)
	if err != nil {
		return a, err
	}
	d.judge(&a, sum)
	return a, nil
}

// begin runs the prompt of a window, and returns the logits of the position after it.
func (d *decoder) begin(ctx context.Context, part *decoderRun, prompt []int, a *answer) ([]float32, error) {
	if err := part.reset(); err != nil {
		return nil, err
	}
	all, err := part.add(ctx, prompt)
	if err != nil {
		return nil, err
	}
	width := int(d.model.folder.Network.VocabSize)
	start := slices.Index(prompt, d.rules.special.start)
	a.noSpeech = d.noSpeech(all[start*width : (start+1)*width])
	return all[len(all)-width:], nil
}

// most returns the most tokens after a prompt: as in the reference implementation, half of
// the positions are for the text.
func (d *decoder) most(prompt []int) int {
	positions := int(d.model.folder.Network.TargetPosition)
	return min(positions/2, positions-len(prompt))
}

// judge computes what says whether a text is good; sum is the logarithm of its probability.
func (d *decoder) judge(a *answer, sum float64) {
	ids := make([]int, len(a.tokens))
	for i, t := range a.tokens {
		ids[i] = t.id
	}
	a.average = sum / float64(len(ids)+1)
	a.compression = tasks.CompressionRatio(d.model.text.Decode(d.spoken(ids)))
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
	return math.Exp(float64(logits[id]) - decoding.LogSum(logits))
}

// choose returns the next token with the logarithm of its probability at temperature 1: the
// most probable one, or one drawn by chance.
func (d *decoder) choose(logits []float32, temperature float64) (id int, logProb float64) {
	total := decoding.LogSum(logits)
	if temperature == 0 {
		id = decoding.Best(logits)
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
func (d *decoder) language(ctx context.Context, part *decoderRun) (string, float64, error) {
	if err := part.reset(); err != nil {
		return "", 0, err
	}
	logits, err := part.add(ctx, []int{d.rules.special.start})
	if err != nil {
		return "", 0, err
	}
	codes := d.model.folder.languages()
	known := make([]float32, len(codes))
	for i, code := range codes {
		known[i] = logits[d.rules.special.languages[code]]
	}
	best := decoding.Best(known)
	return codes[best], math.Exp(float64(known[best]) - decoding.LogSum(known)), nil
}
