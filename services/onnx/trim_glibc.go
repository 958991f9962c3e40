//go:build linux && cgo

package onnx

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
static void tame(void) {
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_ARENA_MAX, 2);
}
#else
static void trim(void) {}
static void tame(void) {}
#endif
*/
import "C"

// TrimMemory asks the C allocator to return free pages to the system. ONNX
// Runtime frees a session's memory into the allocator, which keeps it: after
// the destruction of a 378 MB model 216 to 800 MB stayed resident without this
// call, and 15 MB with it. It walks every arena, so call it after unloading,
// not after each run.
func TrimMemory() { C.trim() }

// tameAllocator keeps what a session frees from staying with the allocator in
// pieces. By default glibc raises the size from which blocks get a mapping of
// their own to that of the largest block freed, so that weights end up between
// other blocks, in one of eight heaps per core: over fifty loads of a 5 MB model
// 20 MB stayed resident, and 1 MB does so now. With a
// fixed threshold they are unmapped when freed.
func tameAllocator() { C.tame() }
