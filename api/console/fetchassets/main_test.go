package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/npm"
)

// archive returns an npm package with the given files.
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

func TestTheLockFileHasEveryPackage(t *testing.T) {
	t.Parallel()
	packages, err := npm.ReadLock(lockFile, slices.Sorted(maps.Keys(wanted)))
	require.NoError(t, err)
	require.Len(t, packages, len(wanted))
	for _, p := range packages {
		require.NotEmpty(t, p.Version, p.Name)
		require.NotEmpty(t, p.License, p.Name)
		require.Regexp(t, `^sha512-[A-Za-z0-9+/]{86}==$`, p.Integrity, p.Name)
	}
}

func TestNothingIsWrittenIfAPackageIsNotAsLocked(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "vendor")
	err := fetch(t.Context(), out, func(context.Context, npm.Package) ([]byte, error) {
		return archive(t, map[string]string{"package/LICENSE": "free"}), nil
	})
	require.ErrorContains(t, err, "the lock file has sha512-")
	_, err = os.Stat(out)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUnpackTakesTheWantedFilesAndTheLicence(t *testing.T) {
	t.Parallel()
	names, files := map[string]string{"dist/a.js": "a.js"}, make(map[string][]byte)
	packed := archive(t, map[string]string{"package/dist/a.js": "1", "package/b.js": "2", "package/LICENSE": "free"})
	licence, err := unpack(packed, names, files)
	require.NoError(t, err)
	require.Equal(t, "free", string(licence))
	require.Equal(t, map[string][]byte{"a.js": []byte("1")}, files)
	_, err = unpack(archive(t, map[string]string{"package/LICENSE": "free"}), names, files)
	require.ErrorContains(t, err, "1 of 1 files are missing")
	_, err = unpack(archive(t, map[string]string{"package/dist/a.js": "1"}), names, files)
	require.ErrorContains(t, err, "the licence is missing")
}
