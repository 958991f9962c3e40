package access

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// leftovers returns the names in a folder.
func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// TestEveryFaultOfTheFileIsReturned lets each step of a change fail; no key is created, and
// nothing is left of the attempt.
func TestEveryFaultOfTheFileIsReturned(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string) (names []string){
		"the folder is a file": func(t *testing.T, dir string) []string {
			t.Helper()
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
			return nil
		},
		"the lock is a folder": func(t *testing.T, dir string) []string {
			t.Helper()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "keys.json.lock"), 0o700))
			return []string{"keys.json.lock"}
		},
		"the file is a folder": func(t *testing.T, dir string) []string {
			t.Helper()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "keys.json"), 0o700))
			return []string{"keys.json", "keys.json.lock"}
		},
		"the file is damaged": func(t *testing.T, dir string) []string {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "keys.json"), []byte(`{"id":1}`), 0o600))
			return []string{"keys.json", "keys.json.lock"}
		},
		"the name of the file is a loop": func(t *testing.T, dir string) []string {
			t.Helper()
			require.NoError(t, os.Symlink("keys.json", filepath.Join(dir, "keys.json")))
			return []string{"keys.json", "keys.json.lock"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			require.NoError(t, os.Mkdir(dir, 0o700))
			left := spoil(t, dir)
			store := Open(dir)
			_, _, err := store.Create([]Scope{ScopeUse}, 0)
			require.ErrorContains(t, err, "keys: ")
			require.Error(t, store.Revoke("x"))
			_, err = store.List()
			if left != nil && left[0] == "keys.json.lock" {
				require.NoError(t, err, "reading needs no lock")
			} else {
				require.ErrorContains(t, err, "keys: ")
				_, err = store.Check("grym_x_y")
				require.ErrorContains(t, err, "keys: ", "that the file cannot be read is no matter of the key")
				require.NotErrorIs(t, err, ErrUnknownKey)
			}
			if left != nil {
				require.Equal(t, left, leftovers(t, dir))
			}
		})
	}
}

func TestAFailedReplacementLeavesTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.ErrorContains(t, replace(filepath.Join(dir, "none", "keys.json"), nil), "keys: ")
	target := filepath.Join(dir, "keys.json")
	require.NoError(t, os.MkdirAll(filepath.Join(target, "inside"), 0o700))
	require.ErrorContains(t, replace(target, []byte("x")), "keys: ")
	require.Equal(t, []string{"keys.json"}, leftovers(t, dir), "the temporary file is removed")
	require.Equal(t, []string{"inside"}, leftovers(t, target))
}

// stored writes a file of keys whose texts are given.
func stored(t *testing.T, path string, texts ...string) {
	t.Helper()
	var keys []Key
	for _, text := range texts {
		sum := sha256.Sum256([]byte(text))
		keys = append(keys, Key{ID: strings.Split(text, "_")[1], Scopes: []Scope{ScopeUse}, Hash: hex.EncodeToString(sum[:])})
	}
	raw, err := json.Marshal(keys)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".new", raw, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func TestKeyTextsHaveALimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	longest := "grym_a_" + strings.Repeat("0", maxKeyText-7)
	stored(t, filepath.Join(dir, "keys.json"), longest, "grym_b_"+longest)
	store := Open(dir)
	_, err := store.Check(longest)
	require.NoError(t, err)
	_, err = store.Check("grym_b_" + longest)
	require.ErrorIs(t, err, ErrUnknownKey)
	_, err = store.Check("")
	require.ErrorIs(t, err, ErrUnknownKey)
	_, err = store.Check(strings.Repeat("-", 64))
	require.ErrorIs(t, err, ErrUnknownKey)
}

// TestTheFileIsReadWhenItHasChanged replaces the file such that only one of its properties
// differs, and shows that an unchanged one is not read again.
func TestTheFileIsReadWhenItHasChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, store := filepath.Join(dir, "keys.json"), Open(dir)
	at := time.Now().Truncate(time.Second).Add(-time.Hour)
	touch := func(at time.Time) { require.NoError(t, os.Chtimes(path, at, at)) }
	known := func(text string) bool {
		_, err := store.Check(text)
		return err == nil
	}
	const a, b, long = "grym_a_1", "grym_b_1", "grym_long_1"
	stored(t, path, a)
	touch(at)
	require.True(t, known(a))

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(" ", len(text))), 0o600))
	touch(at)
	require.True(t, known(a), "the same file with the same time and size is not read again")
	touch(at.Add(time.Second))
	_, err = store.List()
	require.Error(t, err, "another time")

	stored(t, path, a)
	touch(at)
	require.True(t, known(a))
	stored(t, path, b)
	touch(at)
	require.False(t, known(a), "another file with the same time and size")
	require.True(t, known(b))

	raw, err := json.Marshal([]Key{{ID: "x"}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	touch(at)
	require.False(t, known(b), "another size")

	stored(t, path, long)
	require.True(t, known(long))
	require.NoError(t, os.Remove(path))
	require.False(t, known(long), "no file, no keys")
	require.Nil(t, store.keys)
	keys, err := store.List()
	require.NoError(t, err)
	require.Empty(t, keys)
}

func TestKeysExpireAtTheirTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key := Key{Expires: at}
	require.False(t, key.Expired(at.Add(-1)))
	require.True(t, key.Expired(at))
	require.True(t, key.Expired(at.Add(1)))
	require.False(t, Key{}.Expired(at))

	store := Open(t.TempDir())
	began := time.Now()
	lasting, _, err := store.Create([]Scope{ScopeRead}, 0)
	require.NoError(t, err)
	require.True(t, lasting.Expires.IsZero())
	hour, text, err := store.Create([]Scope{ScopeRead}, time.Hour)
	require.NoError(t, err)
	require.WithinDuration(t, began.Add(time.Hour), hour.Expires, time.Minute)
	require.WithinDuration(t, began, hour.Created, time.Minute)
	require.Len(t, text, len("grym_")+12+1+64)
	keys, err := store.List()
	require.NoError(t, err)
	require.Equal(t, []string{lasting.ID, hour.ID}, []string{keys[0].ID, keys[1].ID})
	require.NoError(t, store.Revoke(lasting.ID))
	_, err = store.Check(text)
	require.NoError(t, err, "the other key stays")
}

func TestScopesOfKeys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"use", "read", "admin"} {
		scopes, err := ParseScopes(" " + name + " ")
		require.NoError(t, err)
		require.Equal(t, []Scope{Scope(name)}, scopes)
		key := Key{Scopes: scopes}
		for _, asked := range []Scope{ScopeUse, ScopeRead, ScopeAdmin} {
			require.Equal(t, name == "admin" || string(asked) == name, key.May(asked), "%s may %s", name, asked)
		}
	}
	_, err := ParseScopes("")
	require.Error(t, err)
	require.False(t, Key{}.May(ScopeUse, ScopeRead, ScopeAdmin))
}
