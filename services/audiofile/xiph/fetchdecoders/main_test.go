package main

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/npm"
)

func TestTheLockFileHasEveryPackage(t *testing.T) {
	t.Parallel()
	for _, m := range modules {
		packages, err := npm.ReadLock(lockFile, []string{m.name})
		require.NoError(t, err)
		require.NotEmpty(t, packages[0].Version)
		require.Equal(t, "MIT", packages[0].License)
		require.Regexp(t, `^sha512-[A-Za-z0-9+/]{86}==$`, packages[0].Integrity)
	}
}

func TestNothingIsWrittenIfAPackageIsNotAsLocked(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "lib")
	err := fetch(t.Context(), out, func(context.Context, npm.Package) ([]byte, error) { return []byte("other"), nil })
	require.ErrorContains(t, err, "the lock file has sha512-")
	_, err = os.Stat(out)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, fetch(t.Context(), "", nil), "-out is missing")
}

// encoded is a script that contains a module.
func encoded(t *testing.T, module []byte, shift byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	writer, err := flate.NewWriter(&packed, flate.BestCompression)
	require.NoError(t, err)
	_, err = writer.Write(module)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	var text strings.Builder
	fmt.Fprintf(&text, "var a = String.raw`%s%02x00000000", mark, shift)
	for _, b := range packed.Bytes() {
		char := rune(b + shift)
		if strings.ContainsRune("=`\r\n\x00\\$", char) {
			text.WriteByte(escape)
			char = rune(byte(char) + escapeBy)
		}
		text.WriteRune(char)
	}
	return []byte(text.String() + "`;")
}

func TestExtract(t *testing.T) {
	t.Parallel()
	module := []byte("\x00asm")
	for i := range 20000 {
		module = append(module, byte(i*i>>3))
	}
	for _, shift := range []byte{0, 1, 42, 200} {
		got, err := extract(encoded(t, module, shift))
		require.NoError(t, err)
		require.Equal(t, module, got)
	}
	for name, script := range map[string][]byte{
		"no module":      []byte("var a = 1"),
		"no end":         []byte("String.raw`" + mark + "0000000000"),
		"no header":      []byte("String.raw`" + mark + "00`"),
		"another module": encoded(t, []byte("text"), 3),
	} {
		_, err := extract(script)
		require.Error(t, err, name)
	}
}
