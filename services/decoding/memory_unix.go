//go:build unix

package decoding

import "golang.org/x/sys/unix"

// mapMemory returns zeroed memory from the system.
func mapMemory(n int64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// unmapMemory releases memory returned by mapMemory, and can only fail for other
// memory.
func unmapMemory(bytes []byte) { _ = unix.Munmap(bytes) }
