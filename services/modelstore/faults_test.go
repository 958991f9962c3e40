package modelstore

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// faultyFS is a file system one of whose calls fails for one file.
type faultyFS struct {
	fstest.MapFS
	call, name string
	closed     *int
}

func (f faultyFS) Open(name string) (fs.File, error) {
	if f.call == "open" && name == f.name {
		return nil, &fs.PathError{Op: "open", Path: "/secret/" + name, Err: errBroken}
	}
	file, err := f.MapFS.Open(name)
	if err != nil || name != f.name {
		return file, err
	}
	return faultyFile{file, f}, nil
}

func (f faultyFS) Stat(name string) (fs.FileInfo, error) {
	if f.call == "stat" && name == f.name {
		return nil, errBroken
	}
	return f.MapFS.Stat(name)
}

type faultyFile struct {
	fs.File
	of faultyFS
}

func (f faultyFile) Stat() (fs.FileInfo, error) {
	if f.of.call == "stat" {
		return nil, errBroken
	}
	return f.File.Stat()
}

func (f faultyFile) Read(p []byte) (int, error) {
	if f.of.call == "read" {
		return 0, errBroken
	}
	return f.File.Read(p)
}

func (f faultyFile) ReadAt(p []byte, at int64) (int, error) {
	if f.of.call == "read" {
		return 0, errBroken
	}
	return bytes.NewReader(f.of.MapFS[f.of.name].Data).ReadAt(p, at)
}

func (f faultyFile) Close() error {
	*f.of.closed++
	return f.File.Close()
}

// TestEachCallOfAFileCanFail has each call fail for each file; the error names the file and
// nothing else.
func TestEachCallOfAFileCanFail(t *testing.T) {
	t.Parallel()
	uses := map[string]func(Folder) error{
		"read":      func(f Folder) error { _, err := f.ReadFile("config.json"); return err },
		"json":      func(f Folder) error { return f.ReadJSON("config.json", &struct{}{}) },
		"index":     func(f Folder) error { return f.ReadIndex("config.json", &struct{}{}) },
		"type":      func(f Folder) error { _, err := f.readModelType(); return err },
		"digest":    func(f Folder) error { _, err := f.Digest(); return err },
		"graph":     func(f Folder) error { _, _, err := f.Graph("model.onnx"); return err },
		"signature": func(f Folder) error { _, _, err := f.Signature("model.onnx"); return err },
	}
	for use, run := range uses {
		name := "config.json"
		if use == "graph" || use == "signature" {
			name = "onnx/model.onnx"
		}
		for _, call := range []string{"none", "open", "stat", "read"} {
			closed := 0
			files := faultyFS{MapFS: fstest.MapFS{
				"config.json": {Data: []byte(`{"model_type":"x"}`)}, "onnx/model.onnx": {Data: []byte(graphWithWeightsAt("w"))},
				"onnx/w": {Data: []byte("123")},
			}, call: call, name: name, closed: &closed}
			folder := Folder{Name: "m", files: files, opens: new(atomic.Int64)}
			err := run(folder)
			if call == "none" {
				require.NoError(t, err, use)
				require.Equal(t, 1, closed, use)
				continue
			}
			require.ErrorIs(t, err, errBroken, "%s, %s", use, call)
			require.ErrorContains(t, err, "m/"+name, "%s, %s", use, call)
			require.NotContains(t, err.Error(), "secret")
			if call == "read" {
				require.Equal(t, 1, closed, use)
			}
		}
	}
	for use, run := range uses {
		missing := Folder{Name: "m", files: fstest.MapFS{}, opens: new(atomic.Int64)}
		if err := run(missing); use != "digest" {
			require.ErrorIs(t, err, fs.ErrNotExist, use)
		}
		if use == "json" || use == "index" {
			bad := Folder{Name: "m", files: fstest.MapFS{"config.json": {Data: []byte("{")}}, opens: new(atomic.Int64)}
			require.ErrorContains(t, run(bad), "m/config.json: ")
		}
	}
}

// TestFilesHaveALimit has a file that is as large as it may be, and one that is larger.
func TestFilesHaveALimit(t *testing.T) {
	t.Parallel()
	folder := Folder{Name: "m", files: fstest.MapFS{
		"most": {Data: make([]byte, maxJSONBytes)}, "more": {Data: make([]byte, maxJSONBytes+1)},
		"README.md": {Data: []byte("---\nlicense: mit\n---\n" + strings.Repeat("a", maxCardBytes-23) + ".\n")},
	}, opens: new(atomic.Int64)}
	data, err := folder.ReadFile("most")
	require.NoError(t, err)
	require.Len(t, data, maxJSONBytes)
	_, err = folder.ReadFile("more")
	require.EqualError(t, err, "m/more has 33554433 bytes, more than 33554432")
	require.EqualValues(t, 2, folder.opens.Load())

	require.NotEmpty(t, folder.Summary())
	facts, err := folder.readCard()
	require.NoError(t, err)
	require.Equal(t, "mit", facts.license)
	longer := folder.files.(fstest.MapFS) //nolint:forcetypeassert // it was made above
	longer["README.md"].Data = append(longer["README.md"].Data, "a"...)
	require.Len(t, longer["README.md"].Data, maxCardBytes+1)
	require.Empty(t, folder.Summary())
	facts, err = folder.readCard()
	require.NoError(t, err)
	require.Empty(t, facts)
	none := Folder{Name: "m", files: fstest.MapFS{}, opens: new(atomic.Int64)}
	_, err = none.readCard()
	require.NoError(t, err, "a card is optional")
	closed := 0
	broken := Folder{Name: "m", opens: new(atomic.Int64), files: faultyFS{fstest.MapFS{cardFile: {}}, "open", cardFile, &closed}}
	_, err = broken.readCard()
	require.ErrorIs(t, err, errBroken)
}

func TestTermsOfCards(t *testing.T) {
	t.Parallel()
	many := make([]any, maxLanguages+1)
	for i := range many {
		many[i] = fmt.Sprint("l", i)
	}
	require.Len(t, terms(many), maxLanguages)
	require.Equal(t, []string{strings.Repeat("a", maxTermBytes)}, terms(strings.Repeat("a", maxTermBytes)))
	require.Nil(t, terms(strings.Repeat("a", maxTermBytes+1)))
	require.Equal(t, []string{"b"}, terms([]any{"", 5, nil, "b"}))
	require.Nil(t, terms(nil))
	name := "---\nlicense_name: own\nlicense: "
	for license, want := range map[string]string{"other": "own", "mit": "mit", "''": "own", strings.Repeat("x",
		100): strings.Repeat("x", 100)} {
		require.Equal(t, want, cardMetadata(name+license+"\n---\n").license)
	}
	require.Empty(t, cardMetadata("---\nlicense: ["+strings.Repeat("a, ", 40)+"b]\n---\n").license, "too long together")
	meta := "license: mit\nx: "
	require.Equal(t, "mit", cardMetadata("---\n"+meta+strings.Repeat("y", maxMetaBytes-len(meta))+"\n---\n").license)
	require.Empty(t, cardMetadata("---\n"+meta+strings.Repeat("y", maxMetaBytes-len(meta)+1)+"\n---\n").license)
	require.Empty(t, cardMetadata("---\nlicense: mit\nlanguage: [\n---\n"))
	require.Equal(t, strings.Repeat("a", maxSummaryBytes), firstSentence(strings.Repeat("a", maxSummaryBytes)))
	require.Equal(t, strings.Repeat("a", maxSummaryBytes)+"...", firstSentence(strings.Repeat("a", maxSummaryBytes+1)))
}

// TestWhoseFaultAModelIs has the default model and another one, and errors of files, of the
// system and of the engine.
func TestWhoseFaultAModelIs(t *testing.T) {
	t.Parallel()
	missing := &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}
	full := &fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}
	for _, c := range []struct {
		err             error
		other, default_ services.Kind //nolint:revive // default is a keyword
	}{
		{nil, "", ""},
		{errBroken, services.KindInvalid, services.KindInternal},
		{missing, services.KindInvalid, services.KindInternal},
		{full, services.KindInternal, services.KindInternal},
		{fmt.Errorf("x: %w", onnx.ErrEngine), services.KindInternal, services.KindInternal},
		{services.Faultf(services.KindBusy, "later"), services.KindBusy, services.KindBusy},
	} {
		for name, want := range map[string]services.Kind{"other": c.other, "default": c.default_} {
			err := Unusable(name, "default", c.err)
			require.Equal(t, want, services.KindOf(err), "%s: %v", name, c.err)
			if c.err == nil {
				require.NoError(t, err)
			} else if want == services.KindInvalid {
				require.ErrorContains(t, err, `"other" cannot be loaded: `+c.err.Error())
			} else {
				require.ErrorIs(t, err, c.err)
			}
		}
	}
	require.NoError(t, Folder{Name: "m", modelType: "x"}.Require([]string{"w", "x"}, "this needs", "m"))
	err := Folder{Name: "m", modelType: "y"}.Require([]string{"w", "x"}, "this needs", "m")
	require.ErrorContains(t, err, `"m" is of type "y"; this needs w or x`)
	broken := Folder{Name: "m", modelType: "x", problem: errBroken}
	require.ErrorIs(t, broken.Problem(), errBroken)
	require.ErrorIs(t, broken.Require([]string{"x"}, "this needs", "m"), errBroken)
}

// TestPrecisionsOfGraphs has graphs in the order in which they are preferred.
func TestPrecisionsOfGraphs(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	folder := Folder{Name: "m", files: files, opens: new(atomic.Int64)}
	require.Equal(t, "model.onnx", folder.AnyPrecision("model.onnx"), "there is none")
	for _, name := range []string{"model_bnb4", "model_q4f16", "onnx/model_q4", "model_uint8", "model_int8",
		"model_quantized", "onnx/model_fp16", "model"} {
		files[name+".onnx"] = &fstest.MapFile{}
		require.Equal(t, filepath.Base(name)+".onnx", folder.AnyPrecision("model.onnx"))
		require.True(t, folder.Has(filepath.Base(name)+".onnx"))
	}
	require.False(t, folder.Has("other.onnx"))
	files["pipe.onnx"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	require.True(t, folder.Has("pipe.onnx"), "it is there, whatever it is")
	_, _, err := folder.Graph("pipe.onnx")
	require.ErrorIs(t, err, regular.ErrKind)
	files["w.onnx"], files["w.onnx_data"] = &fstest.MapFile{}, &fstest.MapFile{Mode: fs.ModeNamedPipe}
	_, _, err = folder.Graph("w.onnx")
	require.ErrorContains(t, err, "m/w.onnx_data: ")
	_, _, err = folder.Signature("w.onnx")
	require.Error(t, err)

	contract := onnx.Contract{Outputs: []onnx.TensorSpec{{Name: "y", Type: onnx.Float32, Rank: 1}}}
	require.ErrorIs(t, folder.Fits("a.onnx", contract, onnx.Signature{}), onnx.ErrContract)
	require.ErrorContains(t, folder.Fits("a.onnx", contract, onnx.Signature{}), "m/a.onnx: ")
	require.NoError(t, folder.Fits("a.onnx", onnx.Contract{}, onnx.Signature{}))
}

// TestWhatIsInACatalogue has folders, files, and names that are none of a model.
func TestWhatIsInACatalogue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := NewCatalog(fstest.MapFS{
		"tiny/config.json": {Data: []byte(`{"model_type":"x"}`)}, "file": {}, ".hidden/config.json": {Data: []byte(`{"model_type":"x"}`)},
		"other/readme": {}, "index/model_index.json": {Data: []byte(`{"_class_name":"P"}`)},
		"index/config.json": {Data: []byte(`{"model_type":"x"}`)},
	}, dir)
	require.Equal(t, dir, c.Dir())
	write(t, filepath.Join(dir, "cut", "config.json"), "{")
	write(t, filepath.Join(dir, "empty", "readme"), "")
	write(t, filepath.Join(dir, "untyped", "config.json"), "{}")
	write(t, filepath.Join(dir, "real", "config.json"), `{"model_type":"x"}`)
	write(t, filepath.Join(dir, "no folder"), "")
	write(t, filepath.Join(dir, "alone"), "")
	require.Equal(t, []string{"cut", "empty", "index", "real", "tiny"}, namesOf(c.All()))
	require.Equal(t, []string{"real", "tiny"}, namesOf(c.List("x")))
	require.Equal(t, []string{"index", "real", "tiny"}, namesOf(c.List("P", "x")))
	require.Empty(t, c.List())
	unreadable := c.Unreadable()
	require.Len(t, unreadable, 2)
	require.Equal(t, []any{"empty", services.StateUnavailable, OriginFolder}, []any{unreadable[1].Name,
		unreadable[1].State, unreadable[1].Origin})
	require.Contains(t, unreadable[1].Problem, "neither empty/config.json nor empty/model_index.json exists")
	_, ok := c.find("alone")
	require.False(t, ok, "it is a file")
	_, ok = c.find("file")
	require.False(t, ok)

	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "real", "config.json"), at, at))
	folder, _ := c.find("real")
	require.Equal(t, at, folder.Modified())
	require.EqualValues(t, len(`{"model_type":"x"}`), folder.Bytes())
	write(t, filepath.Join(dir, "real", "model_index.json"), `{}`)
	index := at.Add(time.Minute)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "real", "model_index.json"), index, index))
	require.Equal(t, index, folder.Modified())
	tiny, _ := c.find("tiny")
	require.True(t, tiny.Modified().IsZero(), "an embedded one has no time")
	folder, _ = c.find("empty")
	require.True(t, folder.Modified().IsZero())
}

// TestAFolderThatGoesMeanwhile has the folder of a model removed, or made a file.
func TestAFolderThatGoesMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := stateOf(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "none: no such file or directory")
	gone := disk(filepath.Join(dir, "none"))
	_, err = gone.Open("x")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = gone.Stat("x")
	require.ErrorIs(t, err, fs.ErrNotExist)
	file, err := disk(dir).Open("x")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Nil(t, file)
	require.ErrorIs(t, plain(errBroken), errBroken)
	folder := Folder{Name: "none", dir: filepath.Join(dir, "none"), files: gone, opens: new(atomic.Int64)}
	_, err = folder.Digest()
	require.ErrorContains(t, err, "none/.: ")

	now := time.Now()
	for age, want := range map[time.Duration]bool{0: false, settle / 2: false, -settle / 2: false,
		settle + time.Second: true, -settle - time.Second: true} {
		require.Equal(t, want, state{newest: now.Add(-age)}.settled(), age)
	}
}

// TestFactsHaveALimit fills the cache; afterwards it begins anew.
func TestFactsHaveALimit(t *testing.T) {
	t.Parallel()
	reads := 0
	facts := NewFacts(func(Folder) (int, error) { reads++; return reads, nil })
	of := func(name, version string) {
		_, err := facts.Of(Folder{Name: name, state: state{version: version}})
		require.NoError(t, err)
	}
	for i := range maxFacts {
		of(fmt.Sprint(i), "a")
	}
	require.Len(t, facts.known, maxFacts)
	of("0", "a")
	require.Equal(t, maxFacts, reads, "it is known")
	of("more", "a")
	require.Len(t, facts.known, 1)
	of("more", "b")
	require.Equal(t, maxFacts+2, reads, "another version")
	of("none", "")
	of("none", "")
	require.Equal(t, maxFacts+4, reads, "a state that is not known is not remembered")
}
