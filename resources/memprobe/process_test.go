package memprobe

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProcessorTimeIsThatBehindTheName(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/self/fd"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/self/fd/0"), nil, 0o600))
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, "proc/self/stat"), []byte(text), 0o600))
	}
	write("1 (odd ) name) S 2 3 4 5 6 7 8 9 10 11 250 150 14 15 16")
	cpu, err := Probe{Root: root}.CPU()
	require.NoError(t, err)
	require.Equal(t, 4*time.Second, cpu)
	open, err := Probe{Root: root}.FileDescriptors()
	require.NoError(t, err)
	require.Equal(t, 1, open)
	write("1 (short) S 2")
	_, err = Probe{Root: root}.CPU()
	require.ErrorIs(t, err, ErrUnknown)
	_, err = Probe{Root: t.TempDir()}.CPU()
	require.ErrorIs(t, err, ErrUnknown)
}
