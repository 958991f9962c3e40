//go:build !unix

package gama

// mapMemory takes from the Go heap where the system has no anonymous mappings.
func mapMemory(n int64) ([]byte, error) { return make([]byte, n), nil }

func unmapMemory([]byte) {}
