//go:build unix

package gama

import "golang.org/x/sys/unix"

// mapMemory gives zeroed memory of the system's.
func mapMemory(n int64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// unmapMemory gives back what mapMemory gave, which it only fails to do for others.
func unmapMemory(bytes []byte) { _ = unix.Munmap(bytes) }
