package datadir

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// restoring is the name of a file in a folder into which a backup is being restored. It
// is removed when everything else is on the disk.
const restoring = "restoring"

// Restore writes the content of a backup to a folder, which must be empty or missing, or
// left by a restore that was interrupted. Until it is complete, the folder cannot be
// opened.
func Restore(ctx context.Context, file, path string) (s Summary, err error) {
	// A damaged backup is found before anything is written.
	m, err := readBackup(ctx, file, func(*tar.Header, io.Reader) error { return nil })
	if err != nil {
		return s, fmt.Errorf("restore: %w", err)
	}
	if err := empty(path); err != nil {
		return s, err
	}
	marker := filepath.Join(path, restoring)
	if err := writeFile(marker, []byte(file+"\n")); err != nil {
		return s, fmt.Errorf("restore: %w", err)
	}
	folders := []string{path}
	if _, err = readBackup(ctx, file, func(head *tar.Header, content io.Reader) error {
		name := filepath.Join(path, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			folders = append(folders, name)
			return os.Mkdir(name, 0o750)
		}
		return extract(name, head, content)
	}); err != nil {
		return s, fmt.Errorf("restore: %w", err)
	}
	for _, folder := range folders {
		err = errors.Join(err, syncDir(folder))
	}
	if err == nil {
		err = os.Remove(marker)
	}
	if err = errors.Join(err, syncDir(path)); err != nil {
		return s, fmt.Errorf("restore: %w", err)
	}
	return m.summary(), nil
}

// empty creates a folder, or empties one in which a restore was interrupted. It returns
// an error for another one that is not empty.
func empty(path string) error {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if _, err := os.Stat(filepath.Join(path, restoring)); errors.Is(err, fs.ErrNotExist) && len(entries) > 0 {
		return fmt.Errorf("restore: %s is not empty; choose another folder with --data-dir", path)
	}
	for _, entry := range entries {
		if entry.Name() == restoring {
			continue // as long as there is anything else
		}
		if err := os.RemoveAll(filepath.Join(path, entry.Name())); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

// extract writes a file and syncs it.
func extract(name string, head *tar.Header, content io.Reader) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(head.Mode).Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Sync(), file.Close())
}
