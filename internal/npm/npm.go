// Package npm obtains packages from npm at build time, in the versions of a lock file.
package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Package is a package of a lock file.
type Package struct {
	Name, Version, Integrity, License string
}

// ReadLock returns the named packages of a lock file.
func ReadLock(text []byte, names []string) ([]Package, error) {
	var lock struct{ Packages map[string]Package }
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	packages := make([]Package, 0, len(names))
	for _, name := range names {
		p, ok := lock.Packages["node_modules/"+name]
		if !ok {
			return nil, fmt.Errorf("package-lock.json does not contain %s", name)
		}
		p.Name = name
		packages = append(packages, p)
	}
	return packages, nil
}

// Download obtains a package's archive with npm, which uses the registry of npm's
// configuration.
func Download(ctx context.Context, p Package) ([]byte, error) {
	dir, err := os.MkdirTemp("", "npm-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", p.Name+"@"+p.Version)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	name, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("npm pack %s@%s: %w", p.Name, p.Version, err)
	}
	return os.ReadFile(filepath.Join(dir, filepath.Base(string(bytes.TrimSpace(name)))))
}

// Verify compares an archive with the SHA-512 checksum in the lock file.
func (p Package) Verify(archive []byte) error {
	sum := sha512.Sum512(archive)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != p.Integrity {
		return fmt.Errorf("the npm package %s@%s has %s, the lock file has %s", p.Name, p.Version, got, p.Integrity)
	}
	return nil
}

// Files returns the files of an archive that are wanted, by their paths in the package.
func Files(archive []byte, wanted func(path string) bool) (map[string][]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for entries := tar.NewReader(unzipped); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		_, path, _ := strings.Cut(header.Name, "/") // the first folder is usually "package"
		if !wanted(path) {
			continue
		}
		if files[path], err = io.ReadAll(entries); err != nil {
			return nil, err
		}
	}
}

// Write writes a file by a temporary one, so that it is never incomplete.
func Write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
