//go:build unix

package memprobe

import (
	"fmt"
	"syscall"

	"github.com/grym-synth/grym-synth/services"
)

// DiskFree returns the space available to unprivileged users on the file system of a
// path.
func DiskFree(path string) (services.Bytes, error) {
	_, free, err := Disk(path)
	return free, err
}

// Disk returns the size of the file system of a path, and the space available to
// unprivileged users on it.
func Disk(path string) (size, free services.Bytes, err error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	block := services.Bytes(stat.Bsize)
	return services.Bytes(stat.Blocks) * block, services.Bytes(stat.Bavail) * block, nil
}
