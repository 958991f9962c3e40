package resources

import (
	"cmp"
	"math"
	"slices"
)

// fit is a weighted linear regression around one point, so that its constant is the
// prediction there. The prior of the constant is that a run uses what was estimated,
// and that of the slopes that it uses the same part of the estimate everywhere.
type fit struct {
	rows    [][]float64 // 1 and the distances from the point
	values  []float64
	weights []float64
	// factor of the precision matrix by Cholesky, and the solution.
	factor   [][]float64
	solution []float64
	noise    float64
	off      []float64
}

// newFit returns the regression of the runs around a point.
func newFit(runs []learnt, weights, at []float64) *fit {
	f := &fit{weights: weights, off: make([]float64, len(runs))}
	for _, run := range runs {
		row := make([]float64, 1, len(at)+1)
		row[0] = 1
		for j := range at {
			row = append(row, run.at[j]-at[j])
		}
		f.rows, f.values = append(f.rows, row), append(f.values, run.part)
	}
	return f
}

// solve computes the solution for runs that deviate by the given noise. Runs that
// deviated by more than twice that from the previous solution count less, as of Huber.
func (f *fit) solve(noise float64) {
	n := len(f.rows[0])
	precision, right := make([][]float64, n), make([]float64, n)
	for j := range precision {
		precision[j] = make([]float64, n)
		prior := steep
		if j == 0 {
			prior = unsure
		}
		precision[j][j] = noise * noise / (prior * prior)
	}
	for i, row := range f.rows {
		weight := f.weights[i]
		if off := math.Abs(f.off[i]); f.solution != nil && off > 2*noise {
			weight *= 2 * noise / off
		}
		for j := range n {
			for k := range n {
				precision[j][k] += weight * row[j] * row[k]
			}
			right[j] += weight * row[j] * f.values[i]
		}
	}
	f.noise = noise
	f.factor = cholesky(precision)
	f.solution = backward(f.factor, forward(f.factor, right))
	for i, row := range f.rows {
		f.off[i] = f.values[i]
		for j, x := range row {
			f.off[i] -= x * f.solution[j]
		}
	}
}

// mean returns the prediction at the point.
func (f *fit) mean() float64 { return f.solution[0] }

// deviation returns the standard deviation of the prediction at the point.
func (f *fit) deviation() float64 {
	unit := make([]float64, len(f.solution))
	unit[0] = 1
	square := 0.0
	for _, x := range forward(f.factor, unit) {
		square += x * x
	}
	return f.noise * math.Sqrt(square)
}

// spread returns a robust estimate of the standard deviation of the runs.
func (f *fit) spread() float64 {
	off := make([]float64, len(f.off))
	for i, x := range f.off {
		off[i] = math.Abs(x)
	}
	const normal = 1.4826 // of the median of a normal distribution's absolute values
	return normal * quantile(off, f.weights, 0.5)
}

// residual returns the quantile of what runs used beyond the solution.
func (f *fit) residual(part float64) float64 { return quantile(f.off, f.weights, part) }

// quantile returns the smallest value that at least the given part of the weight does not
// exceed.
func quantile(values, weights []float64, part float64) float64 {
	order := make([]int, len(values))
	sum := 0.0
	for i := range order {
		order[i] = i
		sum += weights[i]
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(values[i], values[j]) })
	below := 0.0
	for _, i := range order {
		if below += weights[i]; below >= part*sum {
			return values[i]
		}
	}
	return values[order[len(order)-1]]
}

// cholesky returns the lower triangle of which the product with its transpose is the
// matrix, which is symmetric and positive definite.
func cholesky(a [][]float64) [][]float64 {
	l := make([][]float64, len(a))
	for i := range a {
		l[i] = make([]float64, i+1)
		for j := range i + 1 {
			sum := a[i][j]
			for k := range j {
				sum -= l[i][k] * l[j][k]
			}
			if i == j {
				l[i][i] = math.Sqrt(max(sum, 1e-12))
			} else {
				l[i][j] = sum / l[j][j]
			}
		}
	}
	return l
}

// forward solves l x = b.
func forward(l [][]float64, b []float64) []float64 {
	x := make([]float64, len(b))
	for i := range b {
		x[i] = b[i]
		for k := range i {
			x[i] -= l[i][k] * x[k]
		}
		x[i] /= l[i][i]
	}
	return x
}

// backward solves the transpose of l x = b.
func backward(l [][]float64, b []float64) []float64 {
	x := make([]float64, len(b))
	for i := len(b) - 1; i >= 0; i-- {
		x[i] = b[i]
		for k := i + 1; k < len(b); k++ {
			x[i] -= l[k][i] * x[k]
		}
		x[i] /= l[i][i]
	}
	return x
}
