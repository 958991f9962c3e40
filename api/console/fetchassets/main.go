// Command fetchassets obtains the libraries and fonts of the console from npm, in the
// versions of package-lock.json. It verifies each package against the lock file's
// SHA-512 and writes the files that the build embeds, with their licences.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	_ "embed" // for the lock file
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed package-lock.json
var lockFile []byte

// licences is the file of all licences. It is written last, so that its presence shows
// that the folder is complete.
const licences = "licences.txt"

// wanted are the files of each package, by their paths in it, and the names that they get.
// Every package also has its licence.
var wanted = map[string]map[string]string{
	"htm":    {"preact/standalone.module.js": "preact-htm.js"},
	"preact": {}, // part of htm's standalone module
	"uplot":  {"dist/uPlot.esm.js": "uplot.js", "dist/uPlot.min.css": "uplot.css"},
	"@fontsource-variable/ibm-plex-sans": {
		"files/ibm-plex-sans-latin-wght-normal.woff2": "plex-sans.woff2",
	},
	"@fontsource/ibm-plex-mono": {
		"files/ibm-plex-mono-latin-400-normal.woff2": "plex-mono.woff2",
	},
}

// pin is a package of the lock file.
type pin struct {
	name, Version, Integrity, License string
}

func main() {
	out := flag.String("out", "", "folder to write")
	flag.Parse()
	if err := fetch(context.Background(), *out, download); err != nil {
		fmt.Fprintln(os.Stderr, "fetchassets:", err)
		os.Exit(1)
	}
}

// fetch writes the files of all packages to a folder. get returns a package's archive.
func fetch(ctx context.Context, out string, get func(context.Context, pin) ([]byte, error)) error {
	if out == "" {
		return errors.New("-out is missing")
	}
	pins, err := readLock(lockFile)
	if err != nil {
		return err
	}
	files, texts := make(map[string][]byte), new(strings.Builder)
	for _, p := range pins {
		archive, err := get(ctx, p)
		if err != nil {
			return err
		}
		if err := verify(archive, p); err != nil {
			return err
		}
		licence, err := unpack(archive, wanted[p.name], files)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(texts, "%s %s (%s)\n\n%s\n\n\n", p.name, p.Version, p.License, bytes.TrimSpace(licence))
	}
	return write(out, files, texts.String())
}

// readLock returns the packages of a lock file, by name.
func readLock(text []byte) ([]pin, error) {
	var lock struct{ Packages map[string]pin }
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	var pins []pin
	for name := range wanted {
		p, ok := lock.Packages["node_modules/"+name]
		if !ok {
			return nil, fmt.Errorf("package-lock.json does not contain %s", name)
		}
		p.name = name
		pins = append(pins, p)
	}
	slices.SortFunc(pins, func(a, b pin) int { return strings.Compare(a.name, b.name) })
	return pins, nil
}

// download obtains a package with npm, which uses the registry of npm's configuration.
func download(ctx context.Context, p pin) ([]byte, error) {
	dir, err := os.MkdirTemp("", "fetchassets-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", p.name+"@"+p.Version)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	name, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("npm pack %s@%s: %w", p.name, p.Version, err)
	}
	return os.ReadFile(filepath.Join(dir, filepath.Base(string(bytes.TrimSpace(name)))))
}

// verify compares an archive with the checksum in the lock file.
func verify(archive []byte, p pin) error {
	sum := sha512.Sum512(archive)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != p.Integrity {
		return fmt.Errorf("the npm package %s@%s has %s, the lock file has %s", p.name, p.Version, got, p.Integrity)
	}
	return nil
}

// unpack adds the wanted files of an archive to files under their new names, and returns
// the text of the package's licence.
func unpack(archive []byte, names map[string]string, files map[string][]byte) (licence []byte, err error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	missing := len(names)
	for entries := tar.NewReader(unzipped); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		_, path, _ := strings.Cut(header.Name, "/") // the first folder is usually "package"
		name, ok := names[path]
		if !ok && path != "LICENSE" {
			continue
		}
		data, err := io.ReadAll(entries)
		if err != nil {
			return nil, err
		}
		if ok {
			files[name] = data
			missing--
		} else {
			licence = data
		}
	}
	switch {
	case missing > 0:
		return nil, fmt.Errorf("%d of %d files are missing", missing, len(names))
	case licence == nil:
		return nil, errors.New("the licence is missing")
	}
	return licence, nil
}

// write writes the files and then the licences, each to a temporary file first.
func write(out string, files map[string][]byte, texts string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	total := 0
	put := func(name string, data []byte) error {
		path := filepath.Join(out, name)
		if err := os.WriteFile(path+".tmp", data, 0o644); err != nil {
			return err
		}
		total += len(data)
		return os.Rename(path+".tmp", path)
	}
	for name, data := range files {
		if err := put(name, data); err != nil {
			return err
		}
	}
	if err := put(licences, []byte(texts)); err != nil {
		return err
	}
	fmt.Printf("libraries and fonts of the console: %d files, %d bytes\n", len(files)+1, total)
	return nil
}
