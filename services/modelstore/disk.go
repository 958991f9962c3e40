package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// disk is a model's folder on disk as a file system that opens regular files only
// and follows no link out of the folder. The folder itself may be a link: the
// operator put it there. Each call opens the folder anew, so that a folder that was
// replaced is seen.
type disk string

// root opens the folder. The dot keeps a pipe in its place from being opened.
func (d disk) root() (*os.Root, error) { return os.OpenRoot(string(d) + "/.") }

// Open implements fs.FS.
func (d disk) Open(name string) (fs.File, error) {
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := regular.OpenIn(root, name)
	if err != nil {
		return nil, err // not a nil *os.File in an interface
	}
	return file, nil
}

// Stat implements fs.StatFS.
func (d disk) Stat(name string) (fs.FileInfo, error) {
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return regular.StatIn(root, name)
}

// maxEntries bounds what one model's folder may hold.
const maxEntries = 10000

var errTooMany = errors.New("too many files")

// state is how the files of a folder stand.
type state struct {
	// version tells one state of the folder from another.
	version string
	// newest is the latest time of change of a file, zero for an embedded folder.
	newest time.Time
}

// settle is how long after the change of a file its time is trusted to change with
// the next one: the coarsest file systems keep times to two seconds.
const settle = 2 * time.Second

// settled reports whether another change of the files would show in the version.
func (s state) settled() bool { return time.Since(s.newest).Abs() > settle }

// stateOf reads the names, times and sizes of a folder's files. It opens folders
// and no file. What links lead to is not looked at: inside the folder it is seen
// in its own place, and outside it is not used.
func stateOf(dir string) (state, error) {
	w := walk{sum: sha256.New()}
	if err := w.folder(dir, "."); err != nil {
		return state{}, err
	}
	return state{version: hex.EncodeToString(w.sum.Sum(nil)), newest: w.newest}, nil
}

type walk struct {
	sum     hash.Hash
	newest  time.Time
	entries int
}

func (w *walk) folder(dir, name string) error {
	// ReadDir opens nothing but folders, whatever has taken their place.
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		return plain(err)
	}
	for _, entry := range entries {
		if w.entries++; w.entries > maxEntries {
			return fmt.Errorf("it holds more than %d files: %w", maxEntries, errTooMany)
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has gone meanwhile
		}
		if err != nil {
			return plain(err)
		}
		within := filepath.Join(name, entry.Name())
		var inode uint64
		if system, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = system.Ino
		}
		fmt.Fprintf(w.sum, "%q %d %d %d %d\n", within, info.Mode(), info.Size(), info.ModTime().UnixNano(), inode)
		if info.ModTime().After(w.newest) {
			w.newest = info.ModTime()
		}
		if !info.IsDir() {
			continue
		}
		if err := w.folder(dir, within); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// plain drops the operation and path that the os package puts before an error.
func plain(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %w", filepath.Base(pathErr.Path), pathErr.Err)
	}
	return err
}
