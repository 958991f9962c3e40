package analysis

import "math"

// chromaFilters map the bins of a spectrum to the twelve pitch classes from C, with the
// filters of Ellis, "Chroma feature analysis and synthesis" (2007), tuned to 440 Hz, as
// librosa's filters.chroma computes them.
type chromaFilters struct{ weights [chromaBins][]float64 }

func newChromaFilters() *chromaFilters {
	const centreOctave, octaveWidth = 5.0, 2.0
	classes := make([]float64, frameSamples)
	for k := 1; k < frameSamples; k++ {
		classes[k] = chromaBins * math.Log2(binHz(k)/(440.0/16))
	}
	classes[0] = classes[1] - 1.5*chromaBins
	c := new(chromaFilters)
	for class := range c.weights {
		c.weights[class] = make([]float64, spectrumBins)
	}
	for k := range spectrumBins {
		width := 1.0
		width = max(width, classes[k+1]-classes[k])
		column := [chromaBins]float64{}
		norm := 0.0
		for class := range column {
			distance := math.Mod(classes[k]-float64(class)+chromaBins/2+10*chromaBins, chromaBins) - chromaBins/2
			column[class] = math.Exp(-0.5 * math.Pow(2*distance/width, 2))
			norm += column[class] * column[class]
		}
		octave := math.Exp(-0.5 * math.Pow((classes[k]/chromaBins-centreOctave)/octaveWidth, 2))
		for class := range column {
			// The classes are counted from A; the result is from C.
			from := (class + 3) % chromaBins
			c.weights[class][k] = column[from] / math.Sqrt(norm) * octave
		}
	}
	return c
}

// compute fills chroma with the classes' energies relative to the largest; zeros for
// silence.
func (c *chromaFilters) compute(magnitude []float64, chroma *[chromaBins]float64) {
	largest := 0.0
	for class := range chroma {
		var sum float64
		for k, weight := range c.weights[class] {
			sum += weight * magnitude[k] * magnitude[k]
		}
		chroma[class] = sum
		largest = max(largest, sum)
	}
	if largest < math.SmallestNonzeroFloat32 {
		*chroma = [chromaBins]float64{}
		return
	}
	for class := range chroma {
		chroma[class] /= largest
	}
}

// Key is the key of a recording by the correlation of its mean chroma with the profiles of
// Krumhansl and Kessler (1982).
type Key struct {
	// Tonic is C, C#, D, ... B; Mode is major or minor.
	Tonic string `json:"tonic"`
	Mode  string `json:"mode"`
	// Correlation of the key's profile, -1 to 1. Confidence is its distance to that of the
	// next key, 0 to 1.
	Correlation float64 `json:"correlation"`
	Confidence  float64 `json:"confidence"`
}

var tonics = [chromaBins]string{"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"}

var keyProfiles = map[string][chromaBins]float64{
	"major": {6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88},
	"minor": {6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17},
}

// keyOf returns the key of a mean chroma, nil if there is none.
func keyOf(chroma [chromaBins]float64) *Key {
	best, second := Key{Correlation: -2}, -2.0
	for _, mode := range []string{"major", "minor"} {
		profile := keyProfiles[mode]
		for tonic := range tonics {
			var rotated [chromaBins]float64
			for i := range rotated {
				rotated[i] = chroma[(tonic+i)%chromaBins]
			}
			r := correlation(rotated[:], profile[:])
			if r > best.Correlation {
				second = best.Correlation
				best = Key{Tonic: tonics[tonic], Mode: mode, Correlation: r}
			} else if r > second {
				second = r
			}
		}
	}
	if best.Tonic == "" {
		return nil
	}
	best.Confidence = min(1, max(0, best.Correlation-second))
	return &best
}

// correlation returns Pearson's coefficient, NaN for a constant.
func correlation(a, b []float64) float64 {
	ma, mb := mean(a), mean(b)
	var ab, aa, bb float64
	for i := range a {
		ab += (a[i] - ma) * (b[i] - mb)
		aa += (a[i] - ma) * (a[i] - ma)
		bb += (b[i] - mb) * (b[i] - mb)
	}
	return ab / math.Sqrt(aa*bb)
}
