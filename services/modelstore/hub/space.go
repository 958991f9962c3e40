package hub

import (
	"syscall"

	"github.com/grym-synth/grym-synth/services"
)

// Free returns the space at a path that an unprivileged process can use.
func Free(dir string) (services.Bytes, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return services.Bytes(fs.Bavail) * services.Bytes(fs.Bsize), nil //nolint:gosec // at most the size of a disk
}
