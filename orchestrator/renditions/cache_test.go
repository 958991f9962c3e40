package renditions

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

var (
	one, two = strings.Repeat("1", 64), strings.Repeat("2", 64)
	a, b     = strings.Repeat("a", 64), strings.Repeat("b", 64)
	discard  = slog.New(slog.DiscardHandler)
)

func open(t *testing.T, dir string, most services.Bytes) *Cache {
	t.Helper()
	c, err := Open(dir, most, discard)
	require.NoError(t, err)
	return c
}

// files returns the number of files below a folder.
func files(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			n++
		}
		return err
	}))
	return n
}

func (c *Cache) has(owner, audio, key string) string {
	content, _ := c.Get(owner, audio, key)
	return string(content)
}

// TestRenditionsBelongToAnOwner: nobody learns by the time of an answer what another has
// had drawn.
func TestRenditionsBelongToAnOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pictures")
	c := open(t, dir, 1000)
	c.Put("alice", one, a, []byte("first"))
	c.Put("alice", one, b, []byte("second"))
	c.Put("bob", one, a, []byte("third"))
	c.Put("alice", two, a, []byte("fourth"))
	require.Equal(t, []string{"first", "second", "third", "fourth", ""},
		[]string{c.has("alice", one, a), c.has("alice", one, b), c.has("bob", one, a), c.has("alice", two, a), c.has("bob", two, a)})
	c.Put("bob", one, a, []byte("anew"))
	require.EqualValues(t, 5+6+4+6, c.Bytes())

	again := open(t, dir, 1000)
	require.Equal(t, "anew", again.has("bob", one, a), "a restart finds them")
	require.EqualValues(t, 21, again.Bytes())

	c.Drop("alice", one)
	require.Equal(t, []string{"", "", "anew", "fourth"},
		[]string{c.has("alice", one, a), c.has("alice", one, b), c.has("bob", one, a), c.has("alice", two, a)})
	c.DropAll(one)
	require.Equal(t, 1, files(t, dir))
	c.Retain(func(audio string) bool { return audio == one })
	require.Zero(t, files(t, dir))
	require.Zero(t, c.Bytes())
}

func TestRenditionsAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, 100)
	content := []byte(strings.Repeat("x", 25))
	c.Put("", one, a, append(content, 'x'))
	require.Zero(t, c.Bytes(), "more than a quarter is not stored")
	keys := []string{a, b, strings.Repeat("c", 64), strings.Repeat("d", 64)}
	for _, key := range keys {
		c.Put("", one, key, content)
	}
	require.NotEmpty(t, c.has("", one, a))
	c.Put("", two, a, content)
	require.NotEmpty(t, c.has("", one, a), "it was used last")
	require.Empty(t, c.has("", one, b))
	require.EqualValues(t, 100, c.Bytes())
	require.Equal(t, 4, files(t, dir))
	require.EqualValues(t, 50, open(t, dir, 60).Bytes(), "a smaller limit holds from the start")
}

func TestWhatDoesNotBelongThereIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new-1"), []byte("x"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, one, "folder"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, one, "x"), []byte("x"), 0o600))
	c := open(t, dir, 100)
	require.Zero(t, files(t, dir))
	for _, bad := range []string{"", "..", "../" + one, strings.ToUpper(a)} {
		c.Put("", bad, a, []byte("x"))
		c.Put("", one, bad, []byte("x"))
	}
	require.Zero(t, c.Bytes())

	c.Put("", one, a, []byte("whole"))
	entries, err := os.ReadDir(filepath.Join(dir, one))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, one, entries[0].Name()), []byte("cut"), 0o600))
	require.Empty(t, c.has("", one, a), "a damaged file is not returned")
	require.Zero(t, c.Bytes())
	c.Put("", one, a, []byte("whole"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, one)))
	require.Empty(t, c.has("", one, a), "the folder can be deleted at any time")
	require.Zero(t, c.Bytes())
}

// TestNoCache has a limit of zero.
func TestNoCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir, 100).Put("", one, a, []byte("x"))
	c := open(t, dir, 0)
	require.Nil(t, c)
	require.NoDirExists(t, dir)
	c.Put("", one, a, []byte("x"))
	require.Empty(t, c.has("", one, a))
	c.Drop("", one)
	c.DropAll(one)
	c.Retain(func(string) bool { return false })
	require.Zero(t, c.Bytes())
}
