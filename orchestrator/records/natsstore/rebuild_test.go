package natsstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

// block returns the first block file of a stream.
func block(t *testing.T, dir, stream string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", stream+"_*", "msgs", "1.blk"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// flip changes a byte of a file.
func flip(file string, at int) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	raw[at] ^= 0x55
	return os.WriteFile(file, raw, 0o600)
}

// missing returns the keys that a store does not have, and checks the others.
func missing(t *testing.T, s *Store, keys []string, value []byte) (lost []string) {
	t.Helper()
	for _, key := range keys {
		got, _, err := s.Read(t.Context(), key)
		if errors.Is(err, records.ErrMissing) {
			lost = append(lost, key)
			continue
		}
		require.NoError(t, err)
		require.True(t, bytes.Equal(value, got), key)
	}
	return lost
}

func TestAStoreIsWritableAfterALoss(t *testing.T) {
	t.Parallel()
	value := bytes.Repeat([]byte("x"), 100_000)
	for name, damage := range map[string]struct {
		do   func(file string) error
		most int // records that may be lost
	}{
		"cut":     {func(file string) error { return os.Truncate(file, 1_000_000) }, 40},
		"flipped": {func(file string) error { return flip(file, 250_000) }, 1},
		"removed": {os.Remove, 42},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			var keys []string
			for i := range 60 {
				keys = append(keys, fmt.Sprint("job.", i))
				_, err := s.Create(t.Context(), keys[i], value)
				require.NoError(t, err)
			}
			shut(t, s)
			require.NoError(t, damage.do(block(t, dir, "KV")))
			s = open(t, dir)
			lost := missing(t, s, keys, value)
			require.NotEmpty(t, lost)
			require.LessOrEqual(t, len(lost), damage.most)
			require.NoError(t, s.Rebuild(t.Context(), keys))
			require.Equal(t, lost, missing(t, s, keys, value), "nothing more is lost")
			for range 2 {
				for _, key := range lost {
					_, err := s.Create(t.Context(), key, value)
					require.NoError(t, err)
				}
				require.Empty(t, missing(t, s, keys, value))
				lost = nil
				shut(t, s)
				s = open(t, dir)
			}
			left, err := filepath.Glob(filepath.Join(dir, "salvage-*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestObjectsAreWritableAfterAFileWasCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 40 {
		put(t, s, fmt.Sprint("audio-", i), recordstest.Random(300_000))
	}
	shut(t, s)
	require.NoError(t, os.Truncate(block(t, dir, "OBJ"), 5_000_000))
	s = open(t, dir)
	whole, err := s.Survey(t.Context())
	require.NoError(t, err)
	lost := 0
	for i := range 40 {
		name := fmt.Sprint("audio-", i)
		if whole[name] {
			require.Len(t, recordstest.Content(t, s, name), 300_000)
			continue
		}
		lost++
		put(t, s, name, []byte("again"))
		require.Equal(t, "again", string(recordstest.Content(t, s, name)))
	}
	require.Greater(t, lost, 5)
	require.Less(t, lost, 20)
}

// indexes returns the index files of a folder.
func indexes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "index.db"))
	require.NoError(t, err)
	return files
}

func TestTheIndexOfACutFileIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.Create(t.Context(), "job.a", []byte("a"))
	require.NoError(t, err)
	put(t, s, "audio-a", []byte("sound"))
	_, err = os.Stat(filepath.Join(dir, blocksFile))
	require.ErrorIs(t, err, os.ErrNotExist, "the files change")
	shut(t, s)
	require.Len(t, indexes(t, dir), 2)
	require.NoError(t, checkBlocks(dir, s.log))
	require.Len(t, indexes(t, dir), 2, "nothing is cut")
	require.NoError(t, checkBlocks(dir, s.log), "the list is read once")
	require.NoError(t, noteBlocks(dir))
	info, err := os.Stat(block(t, dir, "KV"))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(block(t, dir, "KV"), info.Size()-1))
	require.NoError(t, checkBlocks(dir, s.log))
	require.Len(t, indexes(t, dir), 1)
	require.Contains(t, indexes(t, dir)[0], "OBJ_")
	require.NoError(t, noteBlocks(dir))
	require.NoError(t, os.Remove(block(t, dir, "OBJ")))
	require.NoError(t, checkBlocks(dir, s.log))
	require.Empty(t, indexes(t, dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, blocksFile), []byte("{"), 0o600))
	require.NoError(t, checkBlocks(dir, s.log), "a damaged list is none")
}
