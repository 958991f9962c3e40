//go:build !linux

package onnx

import (
	"errors"
	"os"
)

// libraryFile is the file that the embedded library is unpacked to.
type libraryFile struct {
	*os.File
	path string
}

// newLibraryFile creates a temporary file, which is removed once the loader has mapped
// it.
func newLibraryFile() (*libraryFile, func() error, error) {
	file, err := os.CreateTemp("", "libonnxruntime-*")
	if err != nil {
		return nil, nil, err
	}
	release := func() error { return errors.Join(file.Close(), os.Remove(file.Name())) }
	return &libraryFile{file, file.Name()}, release, nil
}
