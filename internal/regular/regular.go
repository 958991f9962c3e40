package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Reasons for which a file is not opened.
var (
	// ErrKind is wrapped if a name is not that of a regular file.
	ErrKind = errors.New("not a regular file")
	// ErrLeaves is wrapped if a link leads out of its folder.
	ErrLeaves = errors.New("it is a link that leaves the folder; only relative links to files inside it are followed")
	// ErrTooLarge is wrapped if a file is larger than its limit.
	ErrTooLarge = errors.New("too large")
)

// flags open a file without waiting for the other end of a pipe.
const flags = os.O_RDONLY | syscall.O_NONBLOCK

// Open opens a regular file for reading. It follows links. The error wraps ErrKind if the
// file is not regular.
func Open(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err == nil {
		err = Check(info)
	}
	if err != nil {
		return nil, named(name, err)
	}
	file, err := os.OpenFile(name, flags, 0)
	return opened(name, file, err)
}

// OpenIn opens a regular file under a root. The error wraps ErrKind if the file is not
// regular, and ErrLeaves for a link that leaves the root.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	if _, err := StatIn(root, name); err != nil {
		return nil, err
	}
	file, err := root.OpenFile(name, flags, 0)
	return opened(name, file, leaving(err))
}

// StatIn returns the FileInfo of a regular file under a root, with the errors of OpenIn.
func StatIn(root *os.Root, name string) (fs.FileInfo, error) {
	info, err := root.Stat(name)
	if err = leaving(err); err == nil {
		err = Check(info)
	}
	if err != nil {
		return nil, named(name, err)
	}
	return info, nil
}

// Read returns the content of a regular file of at most limit bytes. The error
// wraps ErrKind, or ErrTooLarge.
func Read(name string, limit int64) ([]byte, error) {
	file, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := ReadAll(file, limit)
	if err != nil {
		return nil, named(name, err)
	}
	return data, nil
}

// ReadAll reads to the end, which must be within limit bytes. The error wraps ErrTooLarge
// otherwise.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has more than %d bytes, which is %w", limit, ErrTooLarge)
	}
	return data, err
}

// Check returns nil for a regular file, and otherwise an error that wraps ErrKind and names
// the type of the file.
func Check(info fs.FileInfo) error {
	kind := "of an unknown kind"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	}
	return fmt.Errorf("it is %s, %w", kind, ErrKind)
}

// opened checks the type of an opened file, and closes it if it is not regular.
func opened(name string, file *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, named(name, err)
	}
	info, err := file.Stat()
	if err == nil {
		err = Check(info)
	}
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, named(name, err)
	}
	return file, nil
}

// leaving replaces a root's error for a name that leaves it, the only one that is not from
// the system, by ErrLeaves.
func leaving(err error) error {
	var pathErr *fs.PathError
	if !errors.As(err, &pathErr) {
		return err
	}
	var system syscall.Errno
	if errors.As(pathErr.Err, &system) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrClosed) {
		return err
	}
	return ErrLeaves
}

// named returns a PathError, as package os does.
func named(name string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return err
	}
	return &fs.PathError{Op: "open", Path: name, Err: err}
}
