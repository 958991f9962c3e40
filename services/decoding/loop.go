package decoding

import (
	"context"
	"math"

	"github.com/grym-synth/grym-synth/services"
)

// Never is the logit of a token that must not be chosen.
var Never = float32(math.Inf(-1))

// Loop writes a text token by token.
type Loop struct {
	// Most is the most tokens that are written.
	Most int
	// Choose returns the next token by the logits of one position, which it may modify.
	Choose func(logits []float32) int
	// Take is called with each token, and reports whether the text goes on.
	Take func(id int) bool
	// Step runs the decoder on a token, and returns the logits of the position after it,
	// valid until the next call.
	Step func(ctx context.Context, id int) ([]float32, error)
}

// Run writes until Take ends the text, Most tokens are written, or ctx ends. logits are those
// of the position after the prompt. Between two tokens other tasks may run.
func (l Loop) Run(ctx context.Context, logits []float32) error {
	for written := 0; written < l.Most; {
		id := l.Choose(logits)
		written++
		if !l.Take(id) || written == l.Most {
			return nil
		}
		if err := services.Yield(ctx); err != nil {
			return err
		}
		var err error
		if logits, err = l.Step(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Best returns the most likely token, of equals the first.
func Best(logits []float32) (id int) {
	for i, v := range logits {
		if v > logits[id] {
			id = i
		}
	}
	return id
}

// Highest returns the highest of the logits.
func Highest(logits []float32) float32 {
	highest := Never
	for _, v := range logits {
		if v > highest {
			highest = v
		}
	}
	return highest
}

// LogSum returns the logarithm of the sum of the exponentials, to a few parts in ten million
// of the sum. It is the work of every token over the whole vocabulary.
func LogSum(logits []float32) float64 {
	highest := Highest(logits)
	if highest == Never {
		return math.Inf(-1)
	}
	sum := 0.0
	for _, v := range logits {
		if v != Never {
			sum += exp(float64(v - highest))
		}
	}
	return float64(highest) + math.Log(sum)
}

// Coefficients of the polynomial that has the values of 2^f at the Chebyshev nodes of [0, 1].
const (
	pow0, pow1, pow2 = 0.99999989835, 0.693154489663, 0.240141818201
	pow3, pow4, pow5 = 0.055860337077, 0.008949590423, 0.001893754058
)

// exp returns e^x for x at most 0, several times faster than math.Exp: two to the whole part
// of the exponent by its bits, and to the rest by a polynomial.
func exp(x float64) float64 {
	t := x * math.Log2E
	if t < -1000 {
		return 0
	}
	whole := int64(t) - 1 // at least as low as t
	f := t - float64(whole)
	// f is in (0, 1], since t is truncated towards zero.
	return math.Float64frombits(uint64(whole+1023)<<52) * (pow0 + f*(pow1+f*(pow2+f*(pow3+f*(pow4+f*pow5)))))
}
