package analysis

import "math"

// melBand is a triangle over the bins of a spectrum, from bin first.
type melBand struct {
	first   int
	weights []float64
}

// slaneyMel converts hertz to the mel scale of Slaney's Auditory Toolbox: linear up to
// 1 kHz, logarithmic above.
func slaneyMel(hz float64) float64 {
	if hz < 1000 {
		return 3 * hz / 200
	}
	return 15 + 27/math.Log(6.4)*math.Log(hz/1000)
}

// slaneyHz is the inverse of slaneyMel.
func slaneyHz(mel float64) float64 {
	if mel < 15 {
		return 200 * mel / 3
	}
	return 1000 * math.Exp(math.Log(6.4)/27*(mel-15))
}

// melFilters returns triangular filters from 0 Hz to half the rate, each of unit area in
// hertz, as librosa's filters.mel computes them.
func melFilters(rate, size, bands int) []melBand {
	edges := make([]float64, bands+2)
	top := slaneyMel(float64(rate) / 2)
	for i := range edges {
		edges[i] = slaneyHz(top * float64(i) / float64(bands+1))
	}
	filters := make([]melBand, bands)
	for m := range filters {
		left, centre, right := edges[m], edges[m+1], edges[m+2]
		filter := melBand{first: -1}
		for k := range size/2 + 1 {
			hz := float64(k) * float64(rate) / float64(size)
			weight := min((hz-left)/(centre-left), (right-hz)/(right-centre))
			if weight <= 0 {
				continue
			}
			if filter.first < 0 {
				filter.first = k
			}
			filter.weights = append(filter.weights, weight*2/(right-left))
		}
		filter.first = max(0, filter.first)
		filters[m] = filter
	}
	return filters
}

// cosines returns the first rows of the orthonormal discrete cosine transform of type II.
func cosines(rows, size int) [][]float64 {
	table := make([][]float64, rows)
	for k := range table {
		scale := math.Sqrt(2 / float64(size))
		if k == 0 {
			scale = math.Sqrt(1 / float64(size))
		}
		table[k] = make([]float64, size)
		for n := range size {
			table[k][n] = scale * math.Cos(math.Pi*float64(k)*(float64(n)+0.5)/float64(size))
		}
	}
	return table
}
