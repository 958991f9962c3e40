package access

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAKeyIsKnownUntilItIsRevokedByAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, command := Open(dir), Open(dir)
	key, text, err := command.Create([]Scope{ScopeUse}, 0)
	require.NoError(t, err)
	found, err := server.Check(text)
	require.NoError(t, err)
	require.Equal(t, key.ID, found.ID)
	require.True(t, found.May(ScopeUse))
	require.False(t, found.May(ScopeAdmin, ScopeRead))
	_, err = server.Check(text + "0")
	require.ErrorIs(t, err, ErrUnknownKey)

	stored, err := os.ReadFile(filepath.Join(dir, "keys.json"))
	require.NoError(t, err)
	require.NotContains(t, string(stored), strings.Split(text, "_")[2], "the secret is not kept")
	info, err := os.Stat(filepath.Join(dir, "keys.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.ErrorIs(t, command.Revoke("nobody"), ErrNoSuchKey)
	require.NoError(t, command.Revoke(key.ID))
	_, err = server.Check(text)
	require.ErrorIs(t, err, ErrUnknownKey)
}

func TestAnExpiredKeyAndADamagedFileLetNobodyIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := Open(dir)
	_, text, err := store.Create([]Scope{ScopeAdmin}, time.Nanosecond)
	require.NoError(t, err)
	_, err = store.Check(text)
	require.ErrorIs(t, err, ErrExpiredKey)
	_, text, err = store.Create([]Scope{ScopeAdmin}, time.Hour)
	require.NoError(t, err)
	_, err = store.Check(text)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keys.json"), []byte("[{"), 0o600))
	_, err = store.Check(text)
	require.Error(t, err)
}

func TestScopes(t *testing.T) {
	t.Parallel()
	scopes, err := ParseScopes("use, read,use")
	require.NoError(t, err)
	require.Equal(t, []Scope{ScopeUse, ScopeRead}, scopes)
	_, err = ParseScopes("use,root")
	require.ErrorContains(t, err, `"root" is not one of`)
	require.True(t, Key{Scopes: []Scope{ScopeAdmin}}.May(ScopeUse))
}

func TestNamesOfKeysAreChecked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "a colleague", "Zoë"} {
		require.NoError(t, CheckName(name))
	}
	for name, want := range map[string]string{"": "must not be empty", " \t": "must not be empty",
		" a": `white space, got " a"`, "a\u00a0": "white space",
		"a\nb": "control characters", strings.Repeat("ü", 129): "at most 128 characters, got 129"} {
		require.ErrorContains(t, CheckName(name), want)
	}
}
