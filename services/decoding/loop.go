package decoding

import (
	"context"
	"math"
	"slices"

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

// LogSum returns the logarithm of the sum of the exponentials.
func LogSum(logits []float32) float64 {
	highest := slices.Max(logits)
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - highest))
	}
	return float64(highest) + math.Log(sum)
}
