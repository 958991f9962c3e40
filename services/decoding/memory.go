package decoding

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// Block is memory of a cache outside the Go heap. The heap's limit is part of the
// budget: with a cache of gigabytes the garbage collector would run all the time, and
// released memory would remain until its next cycle.
type Block struct {
	Bytes  []byte
	mapped bool
}

// leastMapped is the size from which memory is mapped separately.
const leastMapped = 64 << 10

// Allocate returns zeroed memory, which must be released with Free.
func Allocate(n int64) (Block, error) {
	if n < leastMapped {
		return Block{Bytes: make([]byte, max(1, n))}, nil
	}
	bytes, err := mapMemory(n)
	if err != nil {
		fault := services.Faultf(services.KindUnavailable, "not enough memory for the answer")
		fault.Transient, fault.Err = true, fmt.Errorf("map %d bytes: %w", n, err)
		return Block{}, fault
	}
	return Block{Bytes: bytes, mapped: true}, nil
}

// Free releases the memory, which must no longer be referenced.
func (b Block) Free() {
	if b.mapped {
		unmapMemory(b.Bytes)
	}
}

func freeAll(blocks []Block) {
	for _, b := range blocks {
		b.Free()
	}
}
