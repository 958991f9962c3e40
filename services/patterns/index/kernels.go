package index

// Dot returns the inner product of two vectors of one length.
func Dot(a, b []float32) float32 {
	b = b[:len(a)]
	whole := 0
	var sum float32
	if vectorised {
		if whole = len(a) &^ (step - 1); whole > 0 {
			sum = dotVector(&a[0], &b[0], whole)
		}
	}
	for i := whole; i < len(a); i++ {
		sum += a[i] * b[i]
	}
	return sum
}

// step is the number of values that the vector kernels take at a time.
const step = 32

// scores writes the inner products of a query with rows of eight-bit numbers to out, one
// for each row. The length of the query is a multiple of step.
func scores(query []int16, rows []int8, out []int32) {
	dims := len(query)
	if len(out) == 0 || dims == 0 {
		return
	}
	rows = rows[:dims*len(out)]
	if vectorised {
		scoreVector(&query[0], &rows[0], dims, len(out), &out[0])
		return
	}
	scoreLoop(query, rows, out)
}

// scoreLoop is scores without vector instructions.
func scoreLoop(query []int16, rows []int8, out []int32) {
	for i := range out {
		var a, b, c, d int32
		row := rows[i*len(query):][:len(query)]
		for j := 0; j+4 <= len(row); j += 4 {
			a += int32(query[j]) * int32(row[j])
			b += int32(query[j+1]) * int32(row[j+1])
			c += int32(query[j+2]) * int32(row[j+2])
			d += int32(query[j+3]) * int32(row[j+3])
		}
		out[i] = a + b + c + d
	}
}
