// Command fetchassets obtains the libraries and fonts of the console from npm, in the
// versions of package-lock.json. It verifies each package against the lock file's
// SHA-512 and writes the files that the build embeds, with their licences.
package main

import (
	"bytes"
	"context"
	_ "embed" // for the lock file
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/internal/npm"
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

func main() {
	out := flag.String("out", "", "folder to write")
	flag.Parse()
	if err := fetch(context.Background(), *out, npm.Download); err != nil {
		fmt.Fprintln(os.Stderr, "fetchassets:", err)
		os.Exit(1)
	}
}

// fetch writes the files of all packages to a folder. get returns a package's archive.
func fetch(ctx context.Context, out string, get func(context.Context, npm.Package) ([]byte, error)) error {
	if out == "" {
		return errors.New("-out is missing")
	}
	packages, err := npm.ReadLock(lockFile, slices.Sorted(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	files, texts := make(map[string][]byte), new(strings.Builder)
	for _, p := range packages {
		archive, err := get(ctx, p)
		if err != nil {
			return err
		}
		if err := p.Verify(archive); err != nil {
			return err
		}
		licence, err := unpack(archive, wanted[p.Name], files)
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		fmt.Fprintf(texts, "%s %s (%s)\n\n%s\n\n\n", p.Name, p.Version, p.License, bytes.TrimSpace(licence))
	}
	return write(out, files, texts.String())
}

// unpack adds the wanted files of an archive to files under their new names, and returns
// the text of the package's licence.
func unpack(archive []byte, names map[string]string, files map[string][]byte) (licence []byte, err error) {
	found, err := npm.Files(archive, func(path string) bool { return path == "LICENSE" || names[path] != "" })
	if err != nil {
		return nil, err
	}
	missing := 0
	for path, name := range names {
		if data, ok := found[path]; ok {
			files[name] = data
		} else {
			missing++
		}
	}
	switch {
	case missing > 0:
		return nil, fmt.Errorf("%d of %d files are missing", missing, len(names))
	case found["LICENSE"] == nil:
		return nil, errors.New("the licence is missing")
	}
	return found["LICENSE"], nil
}

// write writes the files and then the licences.
func write(out string, files map[string][]byte, texts string) error {
	total := len(texts)
	for name, data := range files {
		if err := npm.Write(filepath.Join(out, name), data); err != nil {
			return err
		}
		total += len(data)
	}
	if err := npm.Write(filepath.Join(out, licences), []byte(texts)); err != nil {
		return err
	}
	fmt.Printf("libraries and fonts of the console: %d files, %d bytes\n", len(files)+1, total)
	return nil
}
