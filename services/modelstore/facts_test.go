package modelstore

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/regular"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// age makes the files of a folder old enough for their times to be trusted.
func age(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(name string, _ os.FileInfo, err error) error {
		require.NoError(t, err)
		before := time.Now().Add(-time.Hour)
		return os.Chtimes(name, before, before)
	}))
}

// TestFactsAreReadOnceForEachStateOfAFolder changes the names, times and sizes of a
// folder's files.
func TestFactsAreReadOnceForEachStateOfAFolder(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	mine := filepath.Join(dir, "mine")
	at := func(name string) string { return filepath.Join(mine, name) }
	write(t, at("config.json"), `{"model_type":"wav2vec2"}`)
	write(t, at("onnx/model.onnx"), "12345")
	age(t, mine)
	reads := 0
	facts := NewFacts(func(Folder) (int, error) { reads++; return reads, errors.New("kept too") })
	for i, change := range []func(){
		func() {},
		func() { write(t, at("words.txt"), "ONE") },
		func() { write(t, at("onnx/model.onnx"), "123456") },
		func() { require.NoError(t, os.Chtimes(at("config.json"), time.Time{}, time.Now().Add(-time.Minute))) },
		func() { require.NoError(t, os.Rename(at("words.txt"), at("other.txt"))) },
		func() { require.NoError(t, os.Remove(at("other.txt"))) },
	} {
		change()
		for _, name := range []string{"words.txt", "other.txt", "onnx/model.onnx"} {
			if _, err := os.Stat(at(name)); err == nil {
				before := time.Now().Add(-time.Hour)
				require.NoError(t, os.Chtimes(at(name), before, before))
			}
		}
		require.NoError(t, os.Chtimes(at("onnx"), time.Time{}, time.Now().Add(-time.Hour)))
		opens := int64(0)
		for range 3 {
			folder, err := c.Find("mine", "wav2vec2")
			require.NoError(t, err)
			require.Equal(t, "wav2vec2", folder.ModelType())
			value, err := facts.Of(folder)
			require.EqualError(t, err, "kept too")
			require.Equal(t, i+1, value, "change %d", i)
			require.True(t, opens == 0 || opens == c.Opens(), "a folder that stays as it was is not read again")
			opens = c.Opens()
		}
	}
}

// TestAFileThatHasJustChangedIsReadAgain changes the content but not the size and the
// time, like two writes within the resolution of the file system's clock.
func TestAFileThatHasJustChangedIsReadAgain(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	config, now := filepath.Join(dir, "mine", "config.json"), time.Now()
	for _, kind := range []string{"one", "two"} {
		write(t, config, `{"model_type":"`+kind+`"}`)
		require.NoError(t, os.Chtimes(config, now, now))
		folder, err := c.Find("mine", kind)
		require.NoError(t, err)
		require.Equal(t, kind, folder.ModelType())
	}
}

func TestCallersShareOneReading(t *testing.T) {
	t.Parallel()
	c, _ := newCatalog(t)
	folder, err := c.Find("tiny", "wav2vec2")
	require.NoError(t, err)
	var reads atomic.Int64
	facts := NewFacts(func(Folder) (int64, error) { return reads.Add(1), nil })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if value, err := facts.Of(folder); value != 1 || err != nil {
				t.Error(value, err)
			}
		})
	}
	all.Wait()
}

// TestAFolderThatCannotBeReadIsListed has a folder that no service would list.
func TestAFolderThatCannotBeReadIsListed(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	for name, config := range map[string]string{"cut": `{"model_ty`, "other": `{}`} {
		write(t, filepath.Join(dir, name, "config.json"), config)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "pipe"), 0o750))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe", "config.json"), 0o600))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "no-folder"), 0o600))
	crowded := filepath.Join(dir, "crowded")
	require.NoError(t, os.Mkdir(crowded, 0o750))
	for i := range maxEntries + 1 {
		require.NoError(t, os.Link(filepath.Join(dir, "other", "config.json"), filepath.Join(crowded, time.Duration(i).String())))
	}
	problems := make(map[string]string)
	for _, model := range c.Unreadable() {
		problems[model.Name] = model.Problem
		folder, err := c.Find(model.Name, "wav2vec2")
		require.NoError(t, err)
		types := []string{"wav2vec2"}
		require.Equal(t, services.KindInternal, services.KindOf(folder.Require(types, "this needs", folder.Name)), "the default model")
		require.NotEmpty(t, services.KindOf(folder.Require(types, "this needs", "another")))
	}
	require.Equal(t, map[string]string{
		"cut":     "cut/config.json: unexpected end of JSON input",
		"pipe":    "pipe/config.json: it is a named pipe, not a regular file",
		"crowded": "crowded: it has more than 10000 files: too many files",
	}, problems)
}

// TestAFolderOfAnotherTypeIsListed with the reason, once the types that are read are known.
func TestAFolderOfAnotherTypeIsListed(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	write(t, filepath.Join(dir, "parakeet", "config.json"), `{"model_type":"parakeet_ctc"}`)
	write(t, filepath.Join(dir, "speech", "config.json"), `{"model_type":"wav2vec2"}`)
	require.Empty(t, c.Unreadable())
	c.Supports([]string{"whisper", "wav2vec2"})
	list := c.Unreadable()
	require.Len(t, list, 1)
	require.Equal(t, "parakeet", list[0].Name)
	require.Equal(t, `parakeet: it is of type "parakeet_ctc", which no service reads; types that are read: wav2vec2, whisper`, list[0].Problem)
	folder, err := c.Find("parakeet")
	require.NoError(t, err)
	require.EqualError(t, folder.Problem(), list[0].Problem)
	err = folder.Require([]string{"wav2vec2"}, "this needs", "speech")
	require.ErrorContains(t, err, `"parakeet" is of type "parakeet_ctc"; this needs wav2vec2`)
}

// TestEntriesOfASubfolder are those of a real folder within the model's.
func TestEntriesOfASubfolder(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	write(t, filepath.Join(dir, "m", "config.json"), `{"model_type":"wav2vec2"}`)
	write(t, filepath.Join(dir, "m", "sub", "a.txt"), "a")
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "m", "out")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "m", "pipe"), 0o600))
	m, err := c.Find("m")
	require.NoError(t, err)
	names, err := m.Entries("sub")
	require.NoError(t, err)
	require.Equal(t, []string{"a.txt"}, names)
	names, err = m.Entries("none")
	require.NoError(t, err)
	require.Nil(t, names)
	for _, name := range []string{"out", "pipe", "config.json"} {
		_, err = m.Entries(name)
		require.ErrorContains(t, err, "m/"+name, name)
	}
	file, size, err := m.OpenFile("sub/a.txt")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, int64(1), size)
	for _, name := range []string{"pipe", "sub", "out/m/config.json", "none"} {
		_, _, err = m.OpenFile(name)
		require.ErrorContains(t, err, "m/"+name, name)
	}
}

func TestTheModelsFolderMustBeOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, NewCatalog(fstest.MapFS{}, dir).Check())
	require.NoError(t, NewCatalog(fstest.MapFS{}, filepath.Join(dir, "missing")).Check())
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	c := NewCatalog(fstest.MapFS{}, pipe)
	require.ErrorContains(t, c.Check(), "must be a folder: it is a named pipe")
	require.Empty(t, c.List("wav2vec2"), "it is not waited for")
}

// TestWeightsBesideAGraphAreChecked reads a model with external weights, which ONNX
// Runtime would open by itself.
func TestWeightsBesideAGraphAreChecked(t *testing.T) {
	t.Parallel()
	for location, says := range map[string]string{
		"weights": "", "deep/weights": "", "link": "",
		"pipe":       "m/onnx/pipe: it is a named pipe, not a regular file",
		"out":        "m/onnx/out: it is a link that leaves the folder",
		"../config":  `m/onnx/model.onnx: it names the file "../config" for its weights: weights outside`,
		"/etc/group": `it names the file "/etc/group"`,
		"missing":    "m/onnx/missing: no such file",
	} {
		c, dir := newCatalog(t)
		at := func(name string) string { return filepath.Join(dir, "m", name) }
		write(t, at("config"), "x")
		write(t, at("onnx/weights"), "123")
		write(t, at("onnx/deep/weights"), "123")
		require.NoError(t, os.Symlink("weights", at("onnx/link")))
		require.NoError(t, os.Symlink("/etc/group", at("onnx/out")))
		require.NoError(t, syscall.Mkfifo(at("onnx/pipe"), 0o600))
		graph := graphWithWeightsAt(location)
		write(t, at("onnx/model.onnx"), graph)
		folder, err := c.Find("m", "")
		require.NoError(t, err)
		signature, bytes, err := folder.Signature("model.onnx")
		if says != "" {
			require.ErrorContains(t, err, says)
			continue
		}
		require.NoError(t, err, location)
		require.Equal(t, []string{location}, signature.External)
		require.Equal(t, services.Bytes(len(graph)+3), bytes)
		_, bytes, err = folder.Graph("model.onnx")
		require.NoError(t, err)
		require.Equal(t, services.Bytes(len(graph)+3), bytes)
	}
}

// graphWithWeightsAt returns a minimal ONNX file with an output and an initializer with
// an entry of external_data.
func graphWithWeightsAt(location string) string {
	field := func(number int, content string) string {
		return string(rune(number<<3|2)) + string(rune(len(content))) + content
	}
	entry := field(1, "location") + field(2, location)
	return field(7, field(12, field(1, "y"))+field(5, field(8, "w")+field(13, entry)))
}

// TestAFileReplacedByALinkIsRefused uses the state of the folder before the
// replacement.
func TestAFileReplacedByALinkIsRefused(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	config := filepath.Join(dir, "mine", "config.json")
	write(t, config, `{"model_type":"wav2vec2"}`)
	folder, err := c.Find("mine", "wav2vec2")
	require.NoError(t, err)
	require.NoError(t, os.Remove(config))
	require.NoError(t, os.Symlink("/etc/hostname", config))
	_, err = folder.ReadFile("config.json")
	require.ErrorIs(t, err, regular.ErrLeaves)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "mine")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "mine"), 0o600))
	_, err = folder.ReadFile("config.json")
	require.ErrorContains(t, err, "mine/config.json: not a directory")
	_, err = onnx.Graph{Path: filepath.Join(dir, "mine")}.Signature()
	require.ErrorIs(t, err, regular.ErrKind)
}
