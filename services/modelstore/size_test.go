package modelstore

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestTheSizeOfAFolderIsThatOfItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "onnx"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), make([]byte, 7), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "onnx", "model.onnx"), make([]byte, 100), 0o600))
	require.NoError(t, os.Symlink("config.json", filepath.Join(dir, "link.json")))
	found, err := stateOf(dir)
	require.NoError(t, err)
	require.EqualValues(t, 107, found.bytes)
	require.EqualValues(t, 9, sizeOf(fstest.MapFS{"a": {Data: make([]byte, 4)}, "b/c": {Data: make([]byte, 5)}}))
}
