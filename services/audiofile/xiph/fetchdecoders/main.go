// Command fetchdecoders obtains libopus and libvorbis, compiled to WebAssembly, from npm in
// the versions of package-lock.json. It verifies each package against the lock file's
// SHA-512 and writes the modules that the build embeds.
package main

import (
	"bytes"
	"compress/flate"
	"context"
	_ "embed" // for the lock file
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/grym-synth/grym-synth/internal/npm"
)

//go:embed package-lock.json
var lockFile []byte

// script is the file with the module in either package.
const script = "src/EmscriptenWasm.js"

// modules are the packages and the files to write.
var modules = []struct{ name, file string }{
	{"opus-decoder", "opus.wasm"},
	{"@wasm-audio-decoders/ogg-vorbis", "vorbis.wasm"},
}

func main() {
	out := flag.String("out", "", "folder to write")
	flag.Parse()
	if err := fetch(context.Background(), *out, npm.Download); err != nil {
		fmt.Fprintln(os.Stderr, "fetchdecoders:", err)
		os.Exit(1)
	}
}

// fetch writes the modules to a folder. get returns a package's archive.
func fetch(ctx context.Context, out string, get func(context.Context, npm.Package) ([]byte, error)) error {
	if out == "" {
		return errors.New("-out is missing")
	}
	for _, m := range modules {
		packages, err := npm.ReadLock(lockFile, []string{m.name})
		if err != nil {
			return err
		}
		p := packages[0]
		archive, err := get(ctx, p)
		if err != nil {
			return err
		}
		if err := p.Verify(archive); err != nil {
			return err
		}
		files, err := npm.Files(archive, func(path string) bool { return path == script })
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		module, err := extract(files[script])
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if err := npm.Write(filepath.Join(out, m.file), module); err != nil {
			return err
		}
		fmt.Printf("%s %s: %d bytes\n", m.file, p.Version, len(module))
	}
	return nil
}

// The module is a template literal: a mark, the version "01", the shift of each byte and a
// checksum, both in hexadecimal, and then yEnc-like text of the compressed module.
const (
	mark       = "dynEncode01"
	headerSize = len(mark) + 2 + 8
	escape     = '='
	escapeBy   = 64
)

// extract returns the WebAssembly module in a script.
func extract(script []byte) ([]byte, error) {
	_, text, found := bytes.Cut(script, []byte("String.raw`"+mark))
	text, _, ended := bytes.Cut(text, []byte("`"))
	if !found || !ended {
		return nil, errors.New("no module in " + mark)
	}
	packed, err := decode(append([]byte(mark), text...))
	if err != nil {
		return nil, err
	}
	module, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(module, []byte("\x00asm")) {
		return nil, errors.New("not a WebAssembly module")
	}
	return module, nil
}

// decode decodes the text, in which each character is a byte.
func decode(text []byte) ([]byte, error) {
	if len(text) < headerSize {
		return nil, io.ErrUnexpectedEOF
	}
	shift, err := strconv.ParseUint(string(text[len(mark):len(mark)+2]), 16, 8)
	if err != nil {
		return nil, err
	}
	var raw []byte
	escaped := false
	for _, char := range string(text[headerSize:]) {
		switch {
		case char == escape && !escaped:
			escaped = true
			continue
		case char > 255:
			return nil, fmt.Errorf("the character %q", char)
		case escaped:
			char -= escapeBy
		}
		escaped = false
		raw = append(raw, byte(char)-byte(shift))
	}
	return raw, nil
}
