package onnx

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// libraryFile is where the embedded library is unpacked to.
type libraryFile struct {
	*os.File
	path string
}

// newLibraryFile makes a file in memory: nothing is left on disk after a
// crash, and a read-only or noexec file system does not matter.
func newLibraryFile() (*libraryFile, func() error, error) {
	fd, err := unix.MemfdCreate("libonnxruntime", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "libonnxruntime")
	return &libraryFile{file, fmt.Sprintf("/proc/self/fd/%d", fd)}, file.Close, nil
}
