package regular

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// kinds returns a folder with one file of every type, and one outside.
func kinds(t *testing.T) string {
	t.Helper()
	outside := t.TempDir()
	// A socket's path must be short.
	dir, err := os.MkdirTemp("", "kinds")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("file"), []byte("12345"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
	require.NoError(t, os.Mkdir(at("folder"), 0o750))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", at("socket"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	for name, target := range map[string]string{
		"link": "file", "folder/up": "../file", "to-pipe": "pipe", "nothing": "missing", "loop": "loop",
		"out": filepath.Join("..", filepath.Base(outside), "secret"), "absolute": filepath.Join(outside, "secret"), "device": "/dev/zero",
		"out-folder": outside,
	} {
		require.NoError(t, os.Symlink(target, at(name)))
	}
	return dir
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	t.Parallel()
	dir := kinds(t)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	for name, want := range map[string]struct {
		says     string
		inFolder string
	}{
		"file": {}, "link": {}, "folder/up": {},
		"pipe": {says: "it is a named pipe, not a regular file"}, "to-pipe": {says: "it is a named pipe"},
		"socket": {says: "it is a socket"}, "folder": {says: "it is a folder"},
		"device":  {says: "it is a device", inFolder: "a link that leaves the folder"},
		"nothing": {says: "no such file"}, "missing": {says: "no such file"}, "loop": {says: "too many levels", inFolder: "too many"},
		"absolute": {inFolder: "a link that leaves the folder"}, "out-folder/secret": {inFolder: "a link that leaves the folder"},
		"pipe/x": {says: "not a directory"},
	} {
		if want.inFolder == "" {
			want.inFolder = want.says
		}
		file, err := Open(filepath.Join(dir, name))
		expect(t, name, file, err, want.says)
		file, err = OpenIn(root, name)
		expect(t, name+" in the folder", file, err, want.inFolder)
	}
	_, err = OpenIn(root, "out")
	require.Error(t, err)
	_, err = OpenIn(root, "../x")
	require.ErrorIs(t, err, ErrLeaves)
}

func expect(t *testing.T, name string, file *os.File, err error, says string) {
	t.Helper()
	if says != "" {
		require.ErrorContains(t, err, says, name)
		return
	}
	require.NoError(t, err, name)
	defer file.Close()
	data, err := io.ReadAll(file)
	require.NoError(t, err, name)
	require.NotEmpty(t, data, name)
}

// TestAFileThatBecomesAPipeIsNotWaitedFor skips the first check, as if the file had been
// replaced after it.
func TestAFileThatBecomesAPipeIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := kinds(t)
	name := filepath.Join(dir, "pipe")
	file, err := os.OpenFile(name, flags, 0)
	_, err = opened(name, file, err)
	require.ErrorIs(t, err, ErrKind)
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	file, err = root.OpenFile("pipe", flags, 0)
	_, err = opened("pipe", file, err)
	require.ErrorIs(t, err, ErrKind)
}

func TestAFileIsReadUpToItsLimit(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte("12345"), 0o600))
	data, err := Read(name, 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(data))
	_, err = Read(name, 4)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorContains(t, err, name)
}
