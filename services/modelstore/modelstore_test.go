package modelstore

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCatalog(t *testing.T) (*Catalog, string) {
	t.Helper()
	dir := t.TempDir()
	return NewCatalog(fstest.MapFS{
		"tiny/config.json": {Data: []byte(`{"model_type":"wav2vec2"}`)},
		"tiny/model.onnx":  {Data: []byte("12345")},
		"other/model.json": {Data: []byte(`{}`)},
	}, dir), dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func TestAFolderOnDiskShadowsAnEmbeddedOne(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	tiny, err := c.Find("tiny", "wav2vec2")
	require.NoError(t, err)
	require.Equal(t, OriginEmbedded, tiny.Origin)
	graph, size, err := tiny.Graph("model.onnx")
	require.NoError(t, err)
	require.Equal(t, services.Bytes(5), size)
	require.Equal(t, "12345", string(graph.Data))
	require.Empty(t, graph.Path)

	write(t, filepath.Join(dir, "tiny", "config.json"), `{"model_type":"wav2vec2"}`)
	write(t, filepath.Join(dir, "tiny", "onnx", "model.onnx"), "1234567")
	write(t, filepath.Join(dir, "tiny", "onnx", "model.onnx_data"), "123")
	tiny, err = c.Find("tiny", "wav2vec2")
	require.NoError(t, err)
	require.Equal(t, OriginFolder, tiny.Origin)
	graph, size, err = tiny.Graph("model.onnx")
	require.NoError(t, err)
	require.Equal(t, services.Bytes(10), size, "external weights count")
	require.Equal(t, filepath.Join(dir, "tiny", "onnx", "model.onnx"), graph.Path)
	require.Len(t, c.List("wav2vec2"), 1)
	require.Empty(t, c.List("bert"))
}

func TestNamesCannotLeaveTheFolder(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	write(t, filepath.Join(filepath.Dir(dir), "outside", "config.json"), `{"model_type":"wav2vec2"}`)
	for _, name := range []string{"", ".", "..", "../outside", "/etc", "a/b", ".hidden", "x\x00y"} {
		_, err := c.Find(name, "wav2vec2")
		require.Equal(t, services.KindNotFound, services.KindOf(err), name)
		require.ErrorContains(t, err, "available: tiny")
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	t.Parallel()
	c, dir := newCatalog(t)
	write(t, filepath.Join(dir, "bad", "config.json"), `{`)
	bad, err := c.Find("bad", "wav2vec2")
	require.NoError(t, err)
	require.ErrorContains(t, bad.ReadJSON("config.json", &struct{}{}), "bad/config.json")
	require.ErrorIs(t, bad.ReadJSON("vocab.json", &struct{}{}), os.ErrNotExist)
	_, _, err = bad.Graph("model.onnx")
	require.ErrorContains(t, err, "bad/onnx/model.onnx")
}
