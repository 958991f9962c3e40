package patterns

import (
	"math"
	"slices"
)

const (
	// cosineScale spreads the cosines over the range in which a logistic function is steep.
	cosineScale = 8
	// ridge is the weight of the squared weights.
	ridge = 1e-2
	// memory is the number of steps that the minimiser remembers, iterations their limit.
	memory, iterations = 8, 200
)

// observation is a vector with what it is and how much it counts.
type observation struct {
	at     vector
	is     bool
	weight float64
}

// regression returns the weights and the bias of a regularised logistic regression.
func regression(all []observation) (weights vector, bias float64) {
	dims := len(all[0].at)
	rows := make([][]float64, len(all))
	for i, one := range all {
		rows[i] = make([]float64, dims)
		for j, v := range one.at {
			rows[i][j] = cosineScale * float64(v)
		}
	}
	f := func(x, gradient []float64) float64 { return logLoss(all, rows, x, gradient) }
	x := minimise(f, make([]float64, dims+1))
	weights = make(vector, dims)
	for i := range weights {
		weights[i] = float32(x[i] * cosineScale)
	}
	return weights, x[dims]
}

// logLoss returns the mean loss of weights and bias x on observations, whose vectors are in
// rows times cosineScale, and writes its gradient.
//
//go:norace
func logLoss(all []observation, rows [][]float64, x, gradient []float64) float64 {
	dims := len(x) - 1
	clear(gradient)
	var loss, total float64
	for n, one := range all {
		row := rows[n][:dims]
		z := x[dims] + inner(row, x)
		p, target := sigmoid(z), 0.0
		if one.is {
			target = 1
			loss += one.weight * math.Log1p(math.Exp(-max(z, -500)))
		} else {
			loss += one.weight * math.Log1p(math.Exp(min(z, 500)))
		}
		d := one.weight * (p - target)
		for i, v := range row {
			gradient[i] += d * v
		}
		gradient[dims] += d
		total += one.weight
	}
	loss /= total
	for i := range gradient {
		gradient[i] /= total
	}
	for i := range dims {
		loss += ridge * x[i] * x[i]
		gradient[i] += 2 * ridge * x[i]
	}
	return loss
}

// minimise returns the minimum of a smooth convex function by the method of limited-memory
// BFGS with backtracking. f returns the value and writes the gradient.
func minimise(f func(x, gradient []float64) float64, x []float64) []float64 {
	gradient := make([]float64, len(x))
	value := f(x, gradient)
	var steps, changes [][]float64
	for range iterations {
		direction := twoLoops(gradient, steps, changes)
		slope := inner(direction, gradient)
		if slope > -1e-14 {
			break
		}
		next, after := make([]float64, len(x)), make([]float64, len(x))
		rate, found := 1.0, false
		for range 30 {
			for i := range x {
				next[i] = x[i] + rate*direction[i]
			}
			if v := f(next, after); v <= value+1e-4*rate*slope {
				found = value-v > 1e-12*(1+math.Abs(value))
				value = v
				break
			}
			rate /= 2
		}
		if !found {
			break
		}
		step, change := make([]float64, len(x)), make([]float64, len(x))
		for i := range x {
			step[i], change[i] = next[i]-x[i], after[i]-gradient[i]
		}
		x, gradient = next, after
		if inner(step, change) > 1e-12 {
			steps, changes = append(steps, step), append(changes, change)
			if len(steps) > memory {
				steps, changes = steps[1:], changes[1:]
			}
		}
	}
	return x
}

// twoLoops returns the direction of the next step.
func twoLoops(gradient []float64, steps, changes [][]float64) []float64 {
	q := slices.Clone(gradient)
	alphas := make([]float64, len(steps))
	for i := len(steps) - 1; i >= 0; i-- {
		alphas[i] = inner(steps[i], q) / inner(steps[i], changes[i])
		for j := range q {
			q[j] -= alphas[i] * changes[i][j]
		}
	}
	if n := len(steps); n > 0 {
		scale := inner(steps[n-1], changes[n-1]) / inner(changes[n-1], changes[n-1])
		for j := range q {
			q[j] *= scale
		}
	}
	for i := range steps {
		beta := inner(changes[i], q) / inner(steps[i], changes[i])
		for j := range q {
			q[j] += (alphas[i] - beta) * steps[i][j]
		}
	}
	for j := range q {
		q[j] = -q[j]
	}
	return q
}

// inner returns the inner product of a and the first values of b.
//
//go:norace
func inner(a, b []float64) float64 {
	var s, t, u, v float64
	for len(a) >= 4 && len(b) >= 4 {
		s += a[0] * b[0]
		t += a[1] * b[1]
		u += a[2] * b[2]
		v += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, x := range a {
		s += x * b[i]
	}
	return (s + t) + (u + v)
}
