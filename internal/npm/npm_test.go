package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// archive returns a package with the given files.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	entries := tar.NewWriter(zipped)
	for name, text := range files {
		require.NoError(t, entries.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := entries.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, entries.Close())
	require.NoError(t, zipped.Close())
	return packed.Bytes()
}

func TestReadLock(t *testing.T) {
	t.Parallel()
	text := []byte(`{"packages":{"node_modules/a":{"version":"1.2.3","integrity":"sha512-x","license":"MIT"}}}`)
	packages, err := ReadLock(text, []string{"a"})
	require.NoError(t, err)
	require.Equal(t, []Package{{"a", "1.2.3", "sha512-x", "MIT"}}, packages)
	_, err = ReadLock(text, []string{"a", "b"})
	require.EqualError(t, err, "package-lock.json does not contain b")
	_, err = ReadLock([]byte("{"), nil)
	require.ErrorContains(t, err, "package-lock.json: ")
}

func TestAPackageWithAnotherChecksumIsRefused(t *testing.T) {
	t.Parallel()
	packed := archive(t, map[string]string{"package/LICENSE": "free"})
	sum := sha512.Sum512(packed)
	p := Package{Name: "x", Version: "1.0.0", Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:])}
	require.NoError(t, p.Verify(packed))
	packed[len(packed)-1]++
	require.ErrorContains(t, p.Verify(packed), "the npm package x@1.0.0 has sha512-")
}

func TestFiles(t *testing.T) {
	t.Parallel()
	packed := archive(t, map[string]string{"package/dist/a.js": "1", "package/b.js": "2"})
	files, err := Files(packed, func(path string) bool { return path == "dist/a.js" })
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"dist/a.js": []byte("1")}, files)
	_, err = Files(packed[:len(packed)/2], func(string) bool { return true })
	require.Error(t, err)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "folder", "file")
	require.NoError(t, Write(path, []byte("text")))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "text", string(raw))
	left, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Len(t, left, 1)
}
