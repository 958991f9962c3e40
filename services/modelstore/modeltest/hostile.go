package modeltest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// Hostile is a model folder with one file that would crash or block a process that
// trusted its content.
type Hostile struct {
	// Name of the folder, and Base of the embedded folder that it is a copy of.
	Name, Base string
	// File is the modified file.
	File string
	// Says is the expected reason after the folder's name.
	Says string

	change func(original []byte) []byte
}

// Content returns the modified file.
func (h Hostile) Content(original []byte) []byte { return h.change(original) }

// Write creates the folder in dir, with links to the unmodified files.
func (h Hostile) Write(t testing.TB, models, dir string) {
	t.Helper()
	source, target := filepath.Join(models, h.Base), filepath.Join(dir, h.Name)
	require.NoError(t, fs.WalkDir(os.DirFS(source), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(target, path), 0o700)
		}
		if path == h.File {
			return nil
		}
		return link(filepath.Join(source, path), filepath.Join(target, path))
	}))
	original, err := os.ReadFile(filepath.Join(source, h.File))
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.NoError(t, os.WriteFile(filepath.Join(target, h.File), h.change(original), 0o600))
}

// link makes a file available under another path. It copies the file if the paths are
// on different disks.
func link(source, target string) error {
	if os.Link(source, target) == nil {
		return nil
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	return os.WriteFile(target, data, 0o600)
}

// Of returns the hostile folders derived from a model.
func Of(base string) []Hostile {
	var list []Hostile
	for _, h := range HostileFolders() {
		if h.Base == base {
			list = append(list, h)
		}
	}
	return list
}

// SmallFiles returns the files of a model except its graphs, as a file system with a
// folder named "m".
func SmallFiles(t testing.TB, folder string) fstest.MapFS {
	t.Helper()
	files := make(fstest.MapFS)
	require.NoError(t, fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, ".onnx") || strings.HasSuffix(path, ".wav") {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, path))
		files["m/"+filepath.ToSlash(path)] = &fstest.MapFile{Data: data}
		return err
	}))
	return files
}

// set sets a JSON value at a path of object keys separated by dots.
func set(place, value string) func([]byte) []byte {
	return func(original []byte) []byte {
		object := make(map[string]json.RawMessage)
		if json.Unmarshal(original, &object) != nil || object == nil {
			object = make(map[string]json.RawMessage) // for an empty file and for null
		}
		first, rest, nested := strings.Cut(place, ".")
		if nested {
			object[first] = set(rest, value)(object[first])
		} else {
			object[first] = json.RawMessage(value)
		}
		data, err := json.Marshal(object)
		if err != nil {
			panic(err)
		}
		return data
	}
}

// whole replaces the whole file.
func whole(content string) func([]byte) []byte {
	return func([]byte) []byte { return []byte(content) }
}

// repeated returns a JSON array of n equal values.
func repeated(value string, count int) string {
	return "[" + strings.Repeat(value+",", count-1) + value + "]"
}

// nested returns nested JSON arrays.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// entries returns a JSON object of n names with numbers.
func entries(count, id int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range count {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%x":%d`, i, id)
	}
	b.WriteByte('}')
	return b.String()
}

// number is a numeric JSON field with its limit.
type number struct{ field, value, says string }

// numbers returns a folder for each invalid value of a file.
func numbers(base, file string, list []number) []Hostile {
	made := make([]Hostile, 0, len(list))
	for _, n := range list {
		made = append(made, Hostile{Base: base, File: file, Says: "/" + file + ": " + n.says, change: set(n.field, n.value)})
	}
	return made
}
