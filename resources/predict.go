package resources

import (
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services"
)

const (
	// remembered is how many of the latest runs a prediction is learnt from, and fade the
	// weight of a run compared with the next later one.
	remembered = 128
	fade       = 0.99
	// mostSizes is how many sizes of a task are considered.
	mostSizes = 8
	// near is the distance, in powers of e, at which a run counts less than half.
	near = 0.7
	// steep is how much the memory of runs may be expected to grow beyond the estimate
	// with a size, as an exponent, before runs show it; unsure is the same for the
	// estimate itself.
	steep, unsure = 0.5, 1.0
	// surely is how many standard deviations are added, residuals is the part of the
	// deviations of near runs that are covered, and spare is added to all.
	surely, residuals, spare = 2.0, 0.98, 0.05
	// leastNoise is the minimum spread of the memory of equal runs.
	leastNoise = 0.05
	// leastPart and mostPart bound what a prediction is of its estimate.
	leastPart, mostPart = 1.0 / 64, 8.0
)

// predictor predicts the memory of one task on one model. It learns the logarithm of
// the part of the estimate that runs use, as a linear function of the logarithms of
// their sizes: a Bayesian regression over the latest runs, in which those of similar
// size and later ones count more. A prediction covers the deviations of nearly all
// similar runs and the uncertainty of the regression. Before anything is learnt, and
// far from all that is known, it is the estimate.
type predictor struct {
	names []string
	runs  []learnt // the oldest first
}

// learnt is one run: its sizes and the part of its estimate that it used, as
// logarithms.
type learnt struct {
	at   []float64
	part float64
}

// place returns the logarithms of the sizes, in the order of the names.
func (p *predictor) place(estimate services.Bytes, sizes []services.Size) []float64 {
	at := make([]float64, 1, mostSizes+1)
	at[0] = math.Log1p(float64(estimate))
	for _, name := range p.names {
		value := 0.0
		if i := slices.IndexFunc(sizes, func(s services.Size) bool { return s.Name == name }); i >= 0 {
			value = min(max(sizes[i].Value, 0), mostBytes)
		}
		at = append(at, math.Log1p(value))
	}
	return at
}

// learn records a run. Runs with other sizes than the earlier ones, after an upgrade of a
// model's folder, begin anew.
func (p *predictor) learn(estimate services.Bytes, sizes []services.Size, used services.Bytes) {
	if estimate <= 0 || used <= 0 {
		return
	}
	names := make([]string, 0, mostSizes)
	for _, s := range sizes[:min(len(sizes), mostSizes)] {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, p.names) {
		p.names, p.runs = names, nil
	}
	if len(p.runs) == remembered {
		p.runs = slices.Delete(p.runs, 0, 1)
	}
	part := min(max(float64(used)/float64(estimate), leastPart), mostPart)
	p.runs = append(p.runs, learnt{at: p.place(estimate, sizes), part: math.Log(part)})
}

// reserve returns how many bytes to reserve for a run.
func (p *predictor) reserve(estimate services.Bytes, sizes []services.Size) services.Bytes {
	if p == nil || len(p.runs) == 0 || estimate <= 0 {
		return estimate
	}
	part := math.Exp(p.part(p.place(estimate, sizes)))
	return services.Bytes(min(max(part, leastPart), mostPart) * min(float64(estimate), mostBytes/mostPart))
}

// part returns the logarithm of the part to reserve.
func (p *predictor) part(at []float64) float64 {
	weights := p.weights(at)
	fit := newFit(p.runs, weights, at)
	noise := leastNoise
	for range 3 { // runs far from the others count less each time
		fit.solve(noise)
		noise = max(fit.spread(), leastNoise)
	}
	fit.solve(noise)
	predicted := fit.mean() + max(fit.residual(residuals), 0) + surely*fit.deviation() + spare
	// An estimate is meant to be enough: only runs that used more than theirs show that it
	// is not.
	most := 0.0
	for _, run := range p.runs {
		most = max(most, run.part+2*spare)
	}
	return min(predicted, most)
}

// weights returns how much each run counts for a prediction.
func (p *predictor) weights(at []float64) []float64 {
	weights := make([]float64, len(p.runs))
	for i, run := range p.runs {
		distance := 0.0
		for j := range at {
			distance += (run.at[j] - at[j]) * (run.at[j] - at[j])
		}
		weights[i] = math.Pow(fade, float64(len(p.runs)-1-i)) * math.Exp(-distance/(2*near*near))
	}
	return weights
}
