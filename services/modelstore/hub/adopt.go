package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Endpoint returns the address of the hub.
func (c *Client) Endpoint() string { return c.settings.Endpoint }

// Adopt makes the folder from, which is on the same disk, the model name of the models folder
// dir: it adds the files with their hashes to the manifest, writes it, and moves the folder. A
// model of the same source is replaced, any other one is a fault.
func Adopt(ctx context.Context, dir, name, from string, m Manifest) (Manifest, error) {
	if err := os.MkdirAll(filepath.Join(dir, partialDir), 0o755); err != nil { //nolint:gosec // models are not secret
		return m, unwritten(err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, partialDir, name+".lock"), sleep)
	if err != nil {
		return m, err
	}
	defer unlock()
	target := filepath.Join(dir, name)
	replaces := false
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		had, err := ReadManifest(target)
		if err != nil || had.Source != m.Source || had.Endpoint != m.Endpoint {
			return m, services.Invalidf("name", "%s is the name of another model; remove it first, or choose another name", name)
		}
		replaces = true
	}
	root, err := os.OpenRoot(from)
	if err != nil {
		return m, unwritten(err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == ManifestFile || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		sum, size, err := hashFile(ctx, root, path, func(int64) {})
		m.Files = append(m.Files, ManifestItem{Path: path, Bytes: size, SHA256: sum})
		return err
	})
	if err != nil {
		return m, unwritten(err)
	}
	m.Schema, m.Pulled = 1, time.Now().UTC().Truncate(time.Second)
	if err := m.write(from); err != nil {
		return m, unwritten(err)
	}
	if err := place(from, target, replaces); err != nil {
		return m, unwritten(err)
	}
	return m, nil
}
