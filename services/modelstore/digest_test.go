package modelstore

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestDigestsFollowTheFiles(t *testing.T) {
	t.Parallel()
	embedded := fstest.MapFS{
		"m/config.json": {Data: []byte(`{"model_type":"x"}`)}, "m/onnx/model.onnx": {Data: []byte("graph")},
	}
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "n", "onnx"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n", "config.json"), []byte(`{"model_type":"x"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n", "onnx", "model.onnx"), []byte("graph"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n", ".hidden"), []byte("not counted"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n", "README.md"), []byte("not counted either"), 0o600))
	require.NoError(t, os.Symlink("n", filepath.Join(dir, "linked")))
	catalog := NewCatalog(embedded, dir)
	digest := func(name string) string {
		folder, err := catalog.Find(name, "")
		require.NoError(t, err)
		sum, err := folder.Digest()
		require.NoError(t, err)
		return sum
	}
	require.Len(t, digest("m"), 64)
	require.Equal(t, digest("m"), digest("n"), "the same files")
	require.Equal(t, digest("m"), digest("linked"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n", "onnx", "model.onnx"), []byte("grapi"), 0o600))
	require.NotEqual(t, digest("m"), digest("n"))
}
