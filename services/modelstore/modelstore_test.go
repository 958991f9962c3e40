package modelstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
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
		require.ErrorContains(t, err, "there is tiny")
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

// books is a residency that remembers evictions.
type books struct {
	mu    sync.Mutex
	held  services.Bytes
	evict func(context.Context) error
}

func (b *books) Hold(_ context.Context, _, _ string, bytes services.Bytes, evict func(context.Context) error) services.Resident {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held += bytes
	b.evict = evict
	return &booking{b, bytes}
}

type booking struct {
	books *books
	bytes services.Bytes
}

func (b *booking) Touch() {}
func (b *booking) Release() {
	b.books.mu.Lock()
	defer b.books.mu.Unlock()
	b.books.held -= b.bytes
}

type fakeModel struct{ closed *int }

func (m fakeModel) Close() error { *m.closed++; return nil }

func TestTasksShareOneLoadAndEvictionWaitsForThem(t *testing.T) {
	t.Parallel()
	b, loads, closed := &books{}, 0, 0
	p := NewPool("echo", b, func(context.Context, string) (fakeModel, services.Bytes, error) {
		loads++
		return fakeModel{&closed}, 10, nil
	})
	var tasks sync.WaitGroup
	for range 8 {
		tasks.Go(func() {
			_, done, err := p.Acquire(t.Context(), "m")
			if err != nil {
				t.Error(err)
				return
			}
			done()
			done()
		})
	}
	tasks.Wait()
	require.Equal(t, 1, loads)
	size, loaded := p.Loaded("m")
	require.True(t, loaded)
	require.Equal(t, services.Bytes(10), size)

	_, done, err := p.Acquire(t.Context(), "m")
	require.NoError(t, err)
	require.ErrorIs(t, b.evict(t.Context()), services.ErrInUse)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, p.Close(ended), "1 models are still in use")
	done()
	p.Reopen()
	require.NoError(t, b.evict(t.Context()))
	require.NoError(t, b.evict(t.Context()), "gone already")
	require.Equal(t, 1, closed)
	require.Zero(t, b.held)
	_, done, err = p.Acquire(t.Context(), "m")
	require.NoError(t, err)
	require.Equal(t, 2, loads)
	done()
	require.NoError(t, p.Close(t.Context()))
	_, _, err = p.Acquire(t.Context(), "m")
	require.ErrorIs(t, err, ErrShutDown)
	_, peak := p.Bytes()
	require.Equal(t, services.Bytes(10), peak)
}

func TestAFailedLoadIsTriedAgain(t *testing.T) {
	t.Parallel()
	closed, fail, crash := 0, errors.New("corrupt"), false
	p := NewPool("echo", &books{}, func(context.Context, string) (fakeModel, services.Bytes, error) {
		if crash {
			panic("boom")
		}
		return fakeModel{&closed}, 1, fail
	})
	_, _, err := p.Acquire(t.Context(), "m")
	require.ErrorIs(t, err, fail)
	crash = true
	require.Panics(t, func() { _, _, _ = p.Acquire(t.Context(), "m") })
	crash, fail = false, nil
	_, done, err := p.Acquire(t.Context(), "m")
	require.NoError(t, err)
	done()
	require.NoError(t, p.Close(t.Context()))
	require.Equal(t, 1, closed)
}
