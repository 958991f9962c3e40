package gama

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// block is memory of a cache outside the Go heap. The heap's limit is part of the
// budget: with a cache of gigabytes the garbage collector would run all the time, and
// released memory would remain until its next cycle.
type block struct {
	bytes  []byte
	mapped bool
}

// leastMapped is the size from which memory is mapped separately.
const leastMapped = 64 << 10

// allocate returns zeroed memory, which must be released with free.
func allocate(n int64) (block, error) {
	if n < leastMapped {
		return block{bytes: make([]byte, max(1, n))}, nil
	}
	bytes, err := mapMemory(n)
	if err != nil {
		fault := services.Faultf(services.KindUnavailable, "not enough memory for the answer")
		fault.Transient, fault.Err = true, fmt.Errorf("map %d bytes: %w", n, err)
		return block{}, fault
	}
	return block{bytes: bytes, mapped: true}, nil
}

// free releases the memory, which must no longer be referenced.
func (b block) free() {
	if b.mapped {
		unmapMemory(b.bytes)
	}
}

func freeAll(blocks []block) {
	for _, b := range blocks {
		b.free()
	}
}
