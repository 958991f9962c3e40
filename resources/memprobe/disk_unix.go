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
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	return services.Bytes(stat.Bavail) * services.Bytes(stat.Bsize), nil
}
