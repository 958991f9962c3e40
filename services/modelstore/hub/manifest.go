package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services/limits"
)

// ManifestFile is the file of a pulled folder that says where it is from.
const ManifestFile = "grym.json"

// Manifest is the content of ManifestFile.
type Manifest struct {
	Schema int `json:"schema"`
	// Source is the repository, at Endpoint; Requested is the branch, tag or commit that
	// was asked for, Revision the commit.
	Source    string `json:"source"`
	Endpoint  string `json:"endpoint"`
	Requested string `json:"requested"`
	Revision  string `json:"revision"`
	Precision string `json:"precision"`
	// License is that of the model's card; empty if it has none.
	License string         `json:"license,omitempty"`
	Pulled  time.Time      `json:"pulled"`
	Files   []ManifestItem `json:"files"`
}

// ManifestItem is one file of a pulled folder.
type ManifestItem struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Bytes returns the size of all files.
func (m Manifest) Bytes() (sum int64) {
	for _, file := range m.Files {
		sum += file.Bytes
	}
	return sum
}

// write writes the manifest of a folder and waits until it is on the disk.
func (m Manifest) write(dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, ManifestFile), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // not secret
	if err != nil {
		return err
	}
	_, err = file.Write(append(data, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

// ReadManifest returns the manifest of a folder. The error wraps fs.ErrNotExist if the
// folder was not pulled.
func ReadManifest(dir string) (Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Manifest{}, err
	}
	defer root.Close()
	file, err := regular.OpenIn(root, ManifestFile)
	if err != nil {
		return Manifest{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	data, err := regular.ReadAll(file, int64(limits.Settings.Bytes))
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	var m Manifest
	if err := limits.Decode(data, &m, limits.Settings); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	if m.Schema != 1 {
		return Manifest{}, fmt.Errorf("%s: schema must be 1, got %d", ManifestFile, m.Schema)
	}
	for _, item := range m.Files {
		if !filepath.IsLocal(item.Path) {
			return Manifest{}, fmt.Errorf("%s: %.200q is not a relative path", ManifestFile, item.Path)
		}
	}
	return m, nil
}

// Verify compares the files of a pulled folder with its manifest, and returns a sentence
// for each that is missing, changed or unknown. report is called with the bytes read.
func Verify(ctx context.Context, dir string, report func(done, total int64)) (faults []string, err error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var done int64
	for _, item := range m.Files {
		sum, size, err := hashFile(ctx, root, item.Path, func(n int64) { report(done+n, m.Bytes()) })
		done += item.Bytes
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			faults = append(faults, item.Path+" is missing")
		case err != nil:
			faults = append(faults, fmt.Sprintf("%s cannot be read: %v", item.Path, err))
		case size != item.Bytes:
			faults = append(faults, fmt.Sprintf("%s has %d bytes instead of %d", item.Path, size, item.Bytes))
		case sum != item.SHA256:
			faults = append(faults, item.Path+" has changed")
		}
	}
	return append(faults, unknown(root, m)...), nil
}

// hashFile returns the SHA-256 and the size of a file.
func hashFile(ctx context.Context, root *os.Root, name string, report func(int64)) (sum string, size int64, err error) {
	file, err := regular.OpenIn(root, filepath.FromSlash(name))
	if err != nil {
		return "", 0, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	digest := sha256.New()
	size, err = copyBuffered(ctx, writerFunc(func(p []byte) (int, error) {
		n, err := digest.Write(p)
		size += int64(n)
		report(size)
		return n, err
	}), file)
	return hex.EncodeToString(digest.Sum(nil)), size, err
}

// unknown returns a sentence for each file that is not in the manifest.
func unknown(root *os.Root, m Manifest) (faults []string) {
	_ = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error { // what cannot be read is no file of the model
		if err != nil || entry.IsDir() || name == ManifestFile || strings.HasPrefix(name, ".") {
			return nil
		}
		if !slices.ContainsFunc(m.Files, func(item ManifestItem) bool { return item.Path == name }) {
			faults = append(faults, name+" is not part of the model")
		}
		return nil
	})
	return faults
}
