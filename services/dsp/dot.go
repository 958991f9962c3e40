package dsp

// dotLoop returns the inner product of h and the first len(h) values of x. len(h) must
// be a multiple of 4. Four partial sums allow instructions to overlap. Their order is
// fixed, so the result depends only on the values.
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
