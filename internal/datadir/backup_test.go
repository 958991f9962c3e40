package datadir

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// filled returns a locked folder with files.
func filled(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "data"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	for name, text := range map[string]string{
		"keys.json": "keys", "jobs/jetstream/1.blk": "records", "jobs/empty": "", "ledger/records.log": "ledger",
		"models/big/model.onnx": "model", "spool/upload": "upload", "keys.json.new": "half",
	} {
		path := filepath.Join(d.path, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(d.path, "jobs", "folder"), 0o750))
	return d
}

// contents returns the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		if d.IsDir() {
			found[name] = "folder"
			return nil
		}
		raw, err := os.ReadFile(path)
		found[name] = string(raw)
		return err
	}))
	return found
}

func TestABackupIsRestored(t *testing.T) {
	t.Parallel()
	d := filled(t)
	file := filepath.Join(t.TempDir(), "backup.tar")
	// A backup that was interrupted does not hinder the next one.
	require.NoError(t, os.WriteFile(file+".part", []byte("half"), 0o600))
	written, err := d.BackUp(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, 5, written.Files)
	require.EqualValues(t, len("keys")+len("records")+len("ledger")+len("{\"version\":2}\n"), written.Bytes)
	_, err = os.Stat(file + ".part")
	require.ErrorIs(t, err, os.ErrNotExist)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "it has the keys")
	_, err = d.BackUp(t.Context(), file)
	require.ErrorContains(t, err, "exists")

	for _, target := range []string{filepath.Join(t.TempDir(), "missing", "data"), t.TempDir()} {
		restored, err := Restore(t.Context(), file, target)
		require.NoError(t, err)
		require.Equal(t, written, restored)
		want := contents(t, d.path)
		for _, gone := range []string{"lock", "models", "models/big", "models/big/model.onnx", "spool", "spool/upload", "keys.json.new"} {
			delete(want, gone)
		}
		require.Equal(t, want, contents(t, target))
		_, err = Restore(t.Context(), file, target)
		require.ErrorContains(t, err, "is not empty")
		again, err := Open(target)
		require.NoError(t, err)
		require.NoError(t, again.Close())
	}
}

func TestAnInterruptedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	d := filled(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.BackUp(ctx, filepath.Join(dir, "backup.tar"))
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, contents(t, dir), 1)
	require.NoError(t, os.Symlink("keys.json", filepath.Join(d.path, "link")))
	_, err = d.BackUp(t.Context(), filepath.Join(dir, "backup.tar"))
	require.ErrorContains(t, err, "link is neither a file nor a folder")
	require.Len(t, contents(t, dir), 1)
	_, err = d.BackUp(t.Context(), filepath.Join(dir, "missing", "backup.tar"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAnInterruptedRestoreIsRepeated(t *testing.T) {
	t.Parallel()
	d := filled(t)
	file := filepath.Join(t.TempDir(), "backup.tar")
	_, err := d.BackUp(t.Context(), file)
	require.NoError(t, err)
	target := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(target, restoring), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(target, "keys.json"), []byte("ke"), 0o600))
	_, err = Open(target)
	require.ErrorContains(t, err, "was interrupted; repeat it")
	_, err = Restore(t.Context(), file, target)
	require.NoError(t, err)
	again, err := Open(target)
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.Equal(t, "keys", contents(t, target)["keys.json"])
}

// TestADamagedBackupIsNotRestored cuts and flips a backup at many places.
func TestADamagedBackupIsNotRestored(t *testing.T) {
	t.Parallel()
	d := filled(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "backup.tar")
	_, err := d.BackUp(t.Context(), file)
	require.NoError(t, err)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	target := filepath.Join(dir, "data")
	refused := 0
	for at := 0; at < len(whole)-1024; at += 97 { // the last two blocks are empty
		for name, damaged := range map[string][]byte{
			"cut":     whole[:at],
			"flipped": append(append(append([]byte{}, whole[:at]...), whole[at]^0x01), whole[at+1:]...),
		} {
			require.NoError(t, os.WriteFile(file, damaged, 0o600))
			_, err := Restore(t.Context(), file, target)
			if err != nil {
				refused++
				_, err = os.Stat(target)
				require.ErrorIs(t, err, os.ErrNotExist, "%s at %d", name, at)
				continue
			}
			// The padding of an entry may change, nothing else.
			require.True(t, name == "flipped" || at >= len(whole)-1024-512, "%s at %d", name, at)
			require.Equal(t, "records", contents(t, target)["jobs/jetstream/1.blk"], fmt.Sprint(at))
			require.NoError(t, os.RemoveAll(target))
		}
	}
	require.Greater(t, refused, 80)
	require.NoError(t, os.WriteFile(file, []byte("no archive"), 0o600))
	_, err = Restore(t.Context(), file, target)
	require.Error(t, err)
	_, err = Restore(t.Context(), filepath.Join(dir, "missing.tar"), target)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOnlyADataFolderIsBackedUp(t *testing.T) {
	t.Parallel()
	_, err := OpenExisting(t.TempDir())
	require.ErrorContains(t, err, "is no data folder")
	_, err = OpenExisting(filepath.Join(t.TempDir(), "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	d := filled(t)
	_, err = OpenExisting(d.path)
	require.ErrorIs(t, err, ErrInUse)
}

func TestARestoreThatFailsLeavesNoUsableFolder(t *testing.T) {
	t.Parallel()
	file, target := filepath.Join(t.TempDir(), "backup.tar"), filepath.Join(t.TempDir(), "data")
	out, err := os.Create(file)
	require.NoError(t, err)
	archive := tar.NewWriter(out)
	name := strings.Repeat("n", 300) // longer than a file system allows
	sum := fmt.Sprintf("%x", sha256.Sum256(nil))
	raw, err := json.Marshal(manifest{Backup: 1, Format: Format, Files: []savedFile{{Name: name, SHA256: sum}}})
	require.NoError(t, err)
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name}))
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Size: int64(len(raw))}))
	_, err = archive.Write(raw)
	require.NoError(t, errors.Join(err, archive.Close(), out.Close()))
	_, err = Restore(t.Context(), file, target)
	require.ErrorContains(t, err, "file name too long")
	_, err = Open(target)
	require.ErrorContains(t, err, "was interrupted; repeat it")
}

func TestABackupIsOfAKnownVersion(t *testing.T) {
	t.Parallel()
	for text, m := range map[string]manifest{
		"is no complete backup": {}, "is a backup of version 2": {Backup: 2}, "has a data folder of version 9": {Backup: 1, Format: 9},
		"has 0 files instead of 1": {Backup: 1, Files: []savedFile{{Name: "a"}}},
	} {
		require.ErrorContains(t, m.check("b.tar", map[string]string{}), text)
	}
	file := filepath.Join(t.TempDir(), "backup.tar")
	out, err := os.Create(file)
	require.NoError(t, err)
	archive := tar.NewWriter(out)
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "../outside"}))
	require.NoError(t, errors.Join(archive.Close(), out.Close()))
	_, err = Restore(t.Context(), file, filepath.Join(t.TempDir(), "data"))
	require.ErrorContains(t, err, `has the entry "../outside"`)
}
