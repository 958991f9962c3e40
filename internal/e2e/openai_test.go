package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOfficialOpenAIClient runs clients/openai, which has the official npm client do
// all that it can with transcriptions.
func TestOfficialOpenAIClient(t *testing.T) {
	t.Parallel()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed")
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("clients/openai")))
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openai")); err != nil {
		install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		install.Dir = dir
		out, err := install.CombinedOutput()
		require.NoError(t, err, "npm ci: %s", out)
	}
	const limit = "1000000"
	t.Log("the server takes", limit, "bytes")
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(settings, []byte("api: {maxUpload: "+limit+"}\n"), 0o600))
	s := start(t, "--config", settings, "--data-dir", speakerOfManyLanguages(t))
	speech, err := filepath.Abs(clips + "clip09.wav")
	require.NoError(t, err)
	client := exec.CommandContext(t.Context(), "node", "transcriptions.mjs", s.url, speech, "MUTE TRACK ONE", limit)
	client.Dir = dir
	out, err := client.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, s.log)
	require.Equal(t, "as documented\n", string(out))
}
