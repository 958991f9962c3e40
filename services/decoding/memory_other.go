//go:build !unix

package decoding

// mapMemory allocates from the Go heap, because the system has no anonymous mappings.
func mapMemory(n int64) ([]byte, error) { return make([]byte, n), nil }

func unmapMemory([]byte) {}
