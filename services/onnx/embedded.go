package onnx

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// embeddedName is the file that `make lib` leaves in the platform's folder.
const embeddedName = "libonnxruntime.zst"

// unpackEmbedded writes the embedded library where the loader can map it.
// release lets go of that copy and must be called after loading.
func unpackEmbedded() (path string, release func() error, err error) {
	packed, err := fs.ReadFile(embeddedLibrary, "lib/"+runtime.GOOS+"_"+runtime.GOARCH+"/"+embeddedName)
	if err != nil {
		return "", nil, fmt.Errorf("%w: this binary was built without one; build with `make build`, or set onnx.libraryPath or ONNXRUNTIME_SHARED_LIBRARY_PATH", ErrNoLibrary)
	}
	file, release, err := newLibraryFile()
	if err != nil {
		return "", nil, fmt.Errorf("%w: no place to unpack the embedded one: %w", ErrNoLibrary, err)
	}
	if err := unpack(file, packed); err != nil {
		_ = release()
		return "", nil, fmt.Errorf("%w: unpack the embedded one: %w", ErrNoLibrary, err)
	}
	return file.path, release, nil
}

func unpack(dst io.Writer, packed []byte) error {
	// Streamed through one thread and a small window: the whole library in the Go
	// heap would stay in the resident set, and the other cores are busy starting.
	decoder, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer decoder.Close()
	_, err = decoder.WriteTo(dst)
	return err
}
