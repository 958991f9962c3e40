package datadir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// in opens and closes a folder, and returns the format that it had.
func in(t *testing.T, dir string) (int, error) {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		return 0, err
	}
	require.NoError(t, d.Close())
	return d.Format(), nil
}

func TestFormats(t *testing.T) {
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), "new")
	format, err := in(t, fresh)
	require.NoError(t, err)
	require.Equal(t, Format, format)
	raw, err := os.ReadFile(filepath.Join(fresh, "format.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"version":2}`, string(raw))

	old := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(old, "jobs"), 0o750))
	for range 2 {
		format, err = in(t, old)
		require.NoError(t, err)
		require.Equal(t, 1, format, "until the upgrade is done")
	}
	d, err := Open(old)
	require.NoError(t, err)
	require.NoError(t, d.Migrated())
	require.Equal(t, Format, d.Format())
	require.NoError(t, d.Close())
	format, err = in(t, old)
	require.NoError(t, err)
	require.Equal(t, Format, format)

	for text, want := range map[string]string{
		`{"version":3}`: "version 3, and this program reads up to version 2", `{"version":0}`: "is damaged", `{`: "is damaged",
		`[]`: "is damaged", ``: "is damaged",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(old, "format.json"), []byte(text), 0o600))
		_, err = in(t, old)
		require.ErrorContains(t, err, want, text)
	}
	require.NoError(t, os.WriteFile(filepath.Join(old, "format.json"), []byte(`{"version":2}`), 0o600))
	_, err = in(t, old)
	require.NoError(t, err, "a refusal leaves the folder free")
}
