// Command fetchlibrary obtains the pinned ONNX Runtime library for one platform from
// the npm package of ONNX Runtime, verifies its checksum, compresses it and writes it
// to where the build embeds it.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/klauspost/compress/zstd"
)

const version = "1.30.0"

// pin is the location of a platform's library and its checksum.
type pin struct {
	// path is the library's path inside the package; sum is its SHA-256 checksum.
	path, sum string
}

var pins = map[string]pin{
	"linux_amd64": {
		path: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		sum:  "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23",
	},
	"linux_arm64": {
		path: "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
		sum:  "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76",
	},
	"darwin_arm64": {
		path: "package/bin/napi-v6/darwin/arm64/libonnxruntime." + version + ".dylib",
		sum:  "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d",
	},
}

func main() {
	goos := flag.String("os", runtime.GOOS, "operating system, as Go names it")
	goarch := flag.String("arch", runtime.GOARCH, "processor, as Go names it")
	out := flag.String("out", "", "file to write")
	flag.Parse()
	if err := fetch(context.Background(), *goos+"_"+*goarch, *out); err != nil {
		fmt.Fprintln(os.Stderr, "fetchlibrary:", err)
		os.Exit(1)
	}
}

func fetch(ctx context.Context, platform, out string) error {
	pin, ok := pins[platform]
	if !ok {
		return fmt.Errorf("no library is pinned for %s; build without one and set onnx.libraryPath", platform)
	}
	if out == "" {
		return errors.New("-out is missing")
	}
	dir, err := os.MkdirTemp("", "fetchlibrary-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	library, err := pack(ctx, dir, pin)
	if err != nil {
		return err
	}
	return write(out, library)
}

// pack downloads the package with npm, extracts the library and verifies it.
func pack(ctx context.Context, dir string, pin pin) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "onnxruntime-node@"+version)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	name, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("npm pack onnxruntime-node@%s: %w", version, err)
	}
	library, err := extract(filepath.Join(dir, string(bytes.TrimSpace(name))), pin.path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(library)
	if got := hex.EncodeToString(sum[:]); got != pin.sum {
		return nil, fmt.Errorf("the library in the npm package has SHA-256 %s, pinned is %s", got, pin.sum)
	}
	return library, nil
}

// extract reads one file out of a gzip-compressed tar archive.
func extract(archive, name string) ([]byte, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s does not contain %s", filepath.Base(archive), name)
		}
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(entries)
		}
	}
}

// write compresses to a temporary file first, so that an interrupted run never leaves
// an incomplete library to be embedded.
func write(out string, library []byte) error {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return err
	}
	packed := encoder.EncodeAll(library, nil)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out+".tmp", packed, 0o644); err != nil {
		return err
	}
	fmt.Printf("ONNX Runtime %s: %d bytes, %d compressed\n", version, len(library), len(packed))
	return os.Rename(out+".tmp", out)
}
