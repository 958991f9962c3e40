package onnx

// #include "pool.h"
import "C"

import (
	"unsafe"

	"github.com/grym-synth/grym-synth/services"
)

// block allocates from the pool as the engine does, and returns nil if there is no
// memory. Tests check the pool with it, because test files cannot call C.
func (p *Pool) block(gauge services.Gauge, size int) (memory []byte) {
	_ = p.within(gauge, func() error {
		if start := C.pool_alloc(C.size_t(size)); start != nil {
			memory = unsafe.Slice((*byte)(start), size)
		}
		return nil
	})
	return memory
}

// freeBlock frees what block has allocated.
func freeBlock(memory []byte) { C.pool_free(unsafe.Pointer(unsafe.SliceData(memory))) }
