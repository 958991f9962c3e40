package modeltest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// CopySpeech copies wav2vec2-tiny with a modified graph to the folder models/NAME under
// dir. The working directory must be the root of the module.
func CopySpeech(t testing.TB, dir, name string, change func([]byte) []byte) {
	t.Helper()
	target := filepath.Join(dir, "models", name)
	require.NoError(t, os.MkdirAll(target, 0o755))
	source := filepath.Join("models", "wav2vec2-tiny")
	entries, err := os.ReadDir(source)
	require.NoError(t, err)
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(source, entry.Name()))
		require.NoError(t, err)
		if strings.HasSuffix(entry.Name(), ".onnx") {
			data = change(data)
		}
		require.NoError(t, os.WriteFile(filepath.Join(target, entry.Name()), data, 0o600))
	}
}
