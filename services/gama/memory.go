package gama

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// block is memory of a cache. It lies outside the Go heap, whose limit is a part of
// the budget: a cache of gigabytes in there would keep the collector at work all the
// time, and what is given back would stay until it comes round.
type block struct {
	bytes  []byte
	mapped bool
}

// leastMapped is the size from which a mapping of its own is worth it.
const leastMapped = 64 << 10

// allocate gives zeroed memory, which free gives back.
func allocate(n int64) (block, error) {
	if n < leastMapped {
		return block{bytes: make([]byte, max(1, n))}, nil
	}
	bytes, err := mapMemory(n)
	if err != nil {
		fault := services.Faultf(services.KindUnavailable, "there is no memory for the answer")
		fault.Transient, fault.Err = true, fmt.Errorf("map %d bytes: %w", n, err)
		return block{}, fault
	}
	return block{bytes: bytes, mapped: true}, nil
}

// free gives the memory back; nothing may hold it any more.
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
