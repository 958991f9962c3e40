// Command fetchlibrary obtains the pinned ONNX Runtime library for one
// platform, checks it, compresses it and leaves it where the build embeds it.
// It takes the library from the npm package of ONNX Runtime where npm is
// installed, and from the project's release page by curl otherwise.
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

const version = "1.24.3"

// pin says where a platform's library is found and what it must hash to.
type pin struct {
	// npmPath inside the package, and the library's SHA-256.
	npmPath, npmSum string
	// archive on the release page, its SHA-256, and the library's path inside.
	archive, archiveSum, archivePath string
}

var pins = map[string]pin{
	"linux_amd64": {
		npmPath:     "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		npmSum:      "92ba8e44d31b80a34f5e805076a044122c3be1fffe0d88ed790de7267b0b2682",
		archive:     "onnxruntime-linux-x64-" + version + ".tgz",
		archiveSum:  "4c436a280d650f8bf32c921a2bf4de7c42cc32884c51c90e47de991708bbb5a4",
		archivePath: "onnxruntime-linux-x64-" + version + "/lib/libonnxruntime.so." + version,
	},
	"linux_arm64": {
		npmPath:     "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
		npmSum:      "33032cb5b91c12edbf028d7c69fa40a31848d66c0095448758af237d5e0b07db",
		archive:     "onnxruntime-linux-aarch64-" + version + ".tgz",
		archiveSum:  "15100fb88b4c692cdd6bf2cca5f4a26a3806cebca8136de6681e2aba4b2ea033",
		archivePath: "onnxruntime-linux-aarch64-" + version + "/lib/libonnxruntime.so." + version,
	},
	"darwin_arm64": {
		npmPath:     "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.24.3.dylib",
		npmSum:      "76831409ce6eded92b4cb343cf422c458a60c1ea1d5f3cfa69692ab7fcc67f0f",
		archive:     "onnxruntime-osx-arm64-" + version + ".tgz",
		archiveSum:  "c255663d40755f84b1b86373bdb9870bb65f3a2c3d779b3d7ae31aaa00cebb4f",
		archivePath: "onnxruntime-osx-arm64-" + version + "/lib/libonnxruntime." + version + ".dylib",
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
	library, err := fromNPM(ctx, dir, pin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetchlibrary: npm did not serve it, trying the release page:", err)
		var releaseErr error
		if library, releaseErr = fromReleasePage(ctx, dir, pin); releaseErr != nil {
			return errors.Join(fmt.Errorf("npm: %w", err), fmt.Errorf("release page: %w", releaseErr))
		}
	}
	return write(out, library)
}

// fromNPM takes the library out of the npm package and checks the library itself.
func fromNPM(ctx context.Context, dir string, pin pin) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "onnxruntime-node@"+version)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	name, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	library, err := extract(filepath.Join(dir, string(bytes.TrimSpace(name))), pin.npmPath)
	if err != nil {
		return nil, err
	}
	return library, check("the library in the npm package", library, pin.npmSum)
}

// fromReleasePage takes the library out of the release archive and checks the archive.
func fromReleasePage(ctx context.Context, dir string, pin pin) ([]byte, error) {
	path := filepath.Join(dir, pin.archive)
	url := "https://github.com/microsoft/onnxruntime/releases/download/v" + version + "/" + pin.archive
	cmd := exec.CommandContext(ctx, "curl", "--fail", "--silent", "--show-error", "--location", "--output", path, url)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("curl %s: %w", url, err)
	}
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := check(pin.archive, archive, pin.archiveSum); err != nil {
		return nil, err
	}
	return extract(path, pin.archivePath)
}

func check(what string, data []byte, want string) error {
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("%s has SHA-256 %s, pinned is %s", what, got, want)
	}
	return nil
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
			return nil, fmt.Errorf("%s holds no %s", filepath.Base(archive), name)
		}
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(entries)
		}
	}
}

// write compresses to a temporary file first, so that an interrupted build
// never embeds half a library.
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
