//go:build !unix

package xiph

import "github.com/tetratelabs/wazero/experimental"

type heap []byte

func allocate(_, most uint64) experimental.LinearMemory { return heap(make([]byte, most)) }

// Reallocate implements experimental.LinearMemory.
func (h heap) Reallocate(size uint64) []byte {
	if size > uint64(len(h)) {
		return nil
	}
	return h[:size]
}

// Free implements experimental.LinearMemory.
func (heap) Free() {}
