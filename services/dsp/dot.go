package dsp

// dotLoop is the inner product of h with as many values of x; len(h) is a
// multiple of 4. Four running sums let the processor add while it multiplies.
// Their order is fixed, so the result depends on the values only.
func dotLoop(x, h []float32) float32 {
	var a, b, c, d float32
	for len(h) >= 4 && len(x) >= 4 {
		a += x[0] * h[0]
		b += x[1] * h[1]
		c += x[2] * h[2]
		d += x[3] * h[3]
		x, h = x[4:], h[4:]
	}
	return (a + b) + (c + d)
}
