// Package index finds the nearest of many vectors. It holds them as eight-bit numbers for a
// first pass, and ranks the best of that exactly.
package index
