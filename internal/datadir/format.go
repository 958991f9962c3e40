package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Format is the version of the data folder that this program writes. Version 1 is that of
// 0.1.0, which had no format.json.
const Format = 2

const formatFile = "format.json"

// format is the content of format.json.
type format struct {
	Version int `json:"version"`
}

// Format returns the version of the folder's content, at most the constant Format.
func (d *Dir) Format() int { return d.format }

// readFormat reads the folder's format. An empty folder gets the current one.
func (d *Dir) readFormat() error {
	name := filepath.Join(d.path, formatFile)
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.assumeFormat()
	}
	if err != nil {
		return fmt.Errorf("dataDir: %w", err)
	}
	var f format
	if err := json.Unmarshal(raw, &f); err != nil || f.Version < 1 {
		return fmt.Errorf("dataDir: %s is damaged: it must be {\"version\":%d}, got %.80q", name, Format, raw)
	}
	if f.Version > Format {
		return fmt.Errorf("dataDir: the format of %s is version %d, and this program reads up to version %d; run the newer program that "+
			"wrote it, or choose another folder with --data-dir", d.path, f.Version, Format)
	}
	d.format = f.Version
	return nil
}

// assumeFormat sets the format of a folder without format.json, which is new or of 0.1.0.
func (d *Dir) assumeFormat() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("dataDir: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != "lock" && entry.Name() != formatFile+".new" {
			d.format = 1
			return nil
		}
	}
	return d.Migrated()
}

// Migrated records that everything in the folder has the current format. The change is
// atomic.
func (d *Dir) Migrated() error {
	raw, err := json.Marshal(format{Format})
	if err == nil {
		err = writeFile(filepath.Join(d.path, formatFile), append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("dataDir: note the format: %w", err)
	}
	d.format = Format
	return nil
}

// Read returns the content of a file of the folder; nil if it does not exist.
func (d *Dir) Read(name string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(d.path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("dataDir: %w", err)
	}
	return raw, nil
}

// Write replaces a file of the folder atomically and syncs it.
func (d *Dir) Write(name string, content []byte) error {
	if err := writeFile(filepath.Join(d.path, name), content); err != nil {
		return fmt.Errorf("dataDir: %w", err)
	}
	return nil
}

// writeFile replaces a file atomically and syncs it.
func writeFile(name string, content []byte) (err error) {
	file, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
