//go:build unix

package xiph

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// mapping is the memory of an instance outside of Go's heap, so that pages that are
// never written take no memory.
type mapping []byte

func allocate(_, most uint64) experimental.LinearMemory {
	raw, err := syscall.Mmap(-1, 0, int(most), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return mapping(nil) // Reallocate refuses
	}
	return mapping(raw)
}

// Reallocate implements experimental.LinearMemory.
func (m mapping) Reallocate(size uint64) []byte {
	if size > uint64(len(m)) {
		return nil
	}
	return m[:size]
}

// Free implements experimental.LinearMemory.
func (m mapping) Free() {
	if m != nil {
		_ = syscall.Munmap(m)
	}
}
