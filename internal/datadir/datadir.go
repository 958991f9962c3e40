// Package datadir prepares the data folder and locks it against other processes.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrInUse is wrapped when another process uses the folder.
var ErrInUse = errors.New("is in use")

// Dir is a data folder locked by this process.
type Dir struct {
	path   string
	lock   *os.File
	format int
}

// Open creates the folder if needed, locks it, and checks its format. The lock ends with
// the process.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("dataDir: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("dataDir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("dataDir: lock %s: %w", lock.Name(), err)
		}
		holder, _ := io.ReadAll(io.LimitReader(lock, 64))
		return nil, fmt.Errorf("dataDir: %s %w by process %s; choose another folder with --data-dir", path, ErrInUse,
			strings.TrimSpace(string(holder)))
	}
	if err := errors.Join(lock.Truncate(0), writePID(lock)); err != nil {
		return nil, errors.Join(fmt.Errorf("dataDir: %w", err), lock.Close())
	}
	if _, err := os.Stat(filepath.Join(path, restoring)); err == nil {
		return nil, errors.Join(fmt.Errorf("dataDir: the restore of a backup to %s was interrupted; repeat it", path), lock.Close())
	}
	d := &Dir{path: path, lock: lock}
	if err := d.readFormat(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

func writePID(lock *os.File) error {
	_, err := fmt.Fprintf(lock, "%d\n", os.Getpid())
	return err
}

// Spool returns an empty folder for uploads. It removes the files of an earlier process.
func (d *Dir) Spool() (string, error) {
	spool := filepath.Join(d.path, "spool")
	if err := errors.Join(os.RemoveAll(spool), os.Mkdir(spool, 0o750)); err != nil {
		return "", fmt.Errorf("dataDir: %w", err)
	}
	return spool, nil
}

// Close releases the folder.
func (d *Dir) Close() error { return d.lock.Close() }
