package modelstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// disk is a file system of a model's folder on disk. It opens regular files only and
// follows no link out of the folder. The folder itself may be a link, which was created
// by the operator. Each call opens the folder again, so that a replacement is noticed.
type disk string

// root opens the folder. The trailing dot prevents a pipe with the same name from being
// opened.
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

// ReadDir implements fs.ReadDirFS for folders with at most maxEntries entries.
func (d disk) ReadDir(name string) ([]fs.DirEntry, error) {
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxEntries)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

// maxEntries is the maximum number of files in a model's folder.
const maxEntries = 10000

var errTooMany = errors.New("too many files")

// state identifies one state of the folder's files.
type state struct {
	// version differs between states of the folder.
	version string
	// newest is the latest modification time of the files; zero for an embedded folder.
	newest time.Time
	// bytes is the size of all files.
	bytes int64
}

// settle is the age from which a file's modification time is expected to differ after
// another change. The coarsest file systems store times with a resolution of two
// seconds.
const settle = 2 * time.Second

// settled reports whether another change to the files would alter the version.
func (s state) settled() bool { return time.Since(s.newest).Abs() > settle }

// stateOf reads the names, times and sizes of a folder's files. It opens folders but no
// files. The targets of links are ignored: those inside the folder are visited in their
// own place, and those outside are not used.
func stateOf(dir string) (state, error) {
	w := walk{sum: sha256.New()}
	if err := w.folder(dir, "."); err != nil {
		return state{}, err
	}
	return state{version: hex.EncodeToString(w.sum.Sum(nil)), newest: w.newest, bytes: w.bytes}, nil
}

type walk struct {
	sum     hash.Hash
	newest  time.Time
	entries int
	bytes   int64
}

func (w *walk) folder(dir, name string) error {
	// ReadDir opens only folders, even if a file has taken a folder's place.
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		return plain(err)
	}
	for _, entry := range entries {
		if w.entries++; w.entries > maxEntries {
			return fmt.Errorf("it has more than %d files: %w", maxEntries, errTooMany)
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has been removed in the meantime
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
			if info.Mode().IsRegular() {
				w.bytes += info.Size()
			}
			continue
		}
		if err := w.folder(dir, within); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// plain removes the operation and the path that the os package prepends to an error.
func plain(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %w", filepath.Base(pathErr.Path), pathErr.Err)
	}
	return err
}
