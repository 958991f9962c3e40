package onnx

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// libraryFile is the file that the embedded library is unpacked to.
type libraryFile struct {
	*os.File
	path string
}

// newLibraryFile creates a file in memory, which leaves nothing on disk after a crash
// and works with read-only and noexec file systems.
func newLibraryFile() (*libraryFile, func() error, error) {
	fd, err := unix.MemfdCreate("libonnxruntime", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "libonnxruntime")
	return &libraryFile{file, fmt.Sprintf("/proc/self/fd/%d", fd)}, file.Close, nil
}
