package onnx

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// embeddedName is the file that `make lib` writes to the platform's folder.
const embeddedName = "libonnxruntime.zst"

// unpackEmbedded writes the embedded library to a file that the loader can map. release
// removes that file and must be called after loading.
func unpackEmbedded() (path string, release func() error, err error) {
	packed, err := fs.ReadFile(embeddedLibrary, "lib/"+runtime.GOOS+"_"+runtime.GOARCH+"/"+embeddedName)
	if err != nil {
		return "", nil, fmt.Errorf("%w: this binary was built without one; build with `make build`, "+
			"or set onnx.libraryPath or ONNXRUNTIME_SHARED_LIBRARY_PATH", ErrNoLibrary)
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
	// Decompress as a stream with one thread and a small window, because the whole
	// library in the Go heap would stay resident and the other cores are busy during
	// startup.
	decoder, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	defer decoder.Close()
	_, err = decoder.WriteTo(dst)
	return err
}
