package modelstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

type fakeModel struct{ closed bool }

func (m *fakeModel) Close() error { m.closed = true; return nil }

type fakeResidency struct {
	evict func(context.Context) error
	held  services.Bytes
	name  string // of the latest reservation
}

type fakeResident struct {
	r     *fakeResidency
	bytes services.Bytes
}

func (f *fakeResidency) Hold(_ context.Context, _, name string, bytes services.Bytes, evict func(context.Context) error) services.Resident {
	f.evict, f.name = evict, name
	f.held += bytes
	return &fakeResident{f, bytes}
}
func (f *fakeResident) Touch()   {}
func (f *fakeResident) Release() { f.r.held -= f.bytes; f.bytes = 0 }

func loads(int *int) LoadFunc[*fakeModel] {
	return func(context.Context, string) (*fakeModel, services.Bytes, error) {
		*int++
		time.Sleep(time.Second)
		return &fakeModel{}, 7, nil
	}
}

func TestCallersShareOneLoadAndAModelInUseStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, residency := 0, &fakeResidency{}
		p := NewPool("a", residency, loads(&n))
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				_, done, err := p.Acquire(t.Context(), "m")
				if err == nil {
					defer done()
				}
				if err != nil || !errors.Is(residency.evict(t.Context()), services.ErrInUse) {
					t.Error("the model in use was evicted, or not loaded", err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		require.Equal(t, 1, n)
		require.NoError(t, residency.evict(t.Context()))
		loaded, peak := p.Bytes()
		require.Zero(t, loaded)
		require.Equal(t, services.Bytes(7), peak)
		require.Zero(t, residency.held)
	})
}

func TestAFailedLoadIsTriedAgain(t *testing.T) {
	t.Parallel()
	first := true
	p := NewPool("a", &fakeResidency{}, func(context.Context, string) (*fakeModel, services.Bytes, error) {
		if first {
			first = false
			return nil, 0, errors.New("no")
		}
		return &fakeModel{}, 1, nil
	})
	_, _, err := p.Acquire(t.Context(), "m")
	require.EqualError(t, err, "no")
	_, done, err := p.Acquire(t.Context(), "m")
	require.NoError(t, err)
	done()
	require.NoError(t, p.Close(t.Context()))
}

func TestAPanickedLoadReleasesThoseWhoWaitAndClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("a", &fakeResidency{}, func(context.Context, string) (*fakeModel, services.Bytes, error) {
			time.Sleep(time.Second)
			panic("oh")
		})
		go func() {
			defer func() { _ = recover() }()
			_, _, _ = p.Acquire(t.Context(), "m")
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, p.Close(ctx))
		require.NoError(t, ctx.Err(), "the end of the load woke it, not the end of its time")
	})
}

func TestOneWhoWaitsLoadsItselfWhereTheFirstCallerRanOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPool("a", &fakeResidency{}, func(ctx context.Context, _ string) (*fakeModel, services.Bytes, error) {
			select {
			case <-ctx.Done():
				return nil, 0, ctx.Err()
			case <-time.After(time.Minute):
				return &fakeModel{}, 1, nil
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { _, _, _ = p.Acquire(ctx, "m") }()
		synctest.Wait()
		_, done, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		done()
		require.NoError(t, p.Close(t.Context()))
	})
}

func TestCloseWaitsForTheLastUserUnlessItsTimeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := NewPool("a", &fakeResidency{}, loads(&n))
		model, done, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, p.Close(ctx), "1 models are still in use")
		require.False(t, model.closed)
		time.AfterFunc(time.Second, done)
		require.NoError(t, p.Close(t.Context()))
		require.True(t, model.closed)
		_, _, err = p.Acquire(t.Context(), "m")
		require.ErrorIs(t, err, ErrShutDown)
	})
}

func TestAFolderOnDiskShadowsAnEmbeddedOneAndBadNamesAreNotFound(t *testing.T) {
	t.Parallel()
	config := []byte(`{"model_type":"x"}`)
	embedded := fstest.MapFS{
		"one/config.json": {Data: config}, "one/onnx/g.onnx": {Data: []byte("12345")},
		"two/config.json": {Data: config}, "two/g.onnx": {Data: []byte("123")}, "two/g.onnx_data": {Data: []byte("4567")},
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "one"), 0o755))
	c := NewCatalog(embedded, dir)
	folder, err := c.Find("one", "x")
	require.NoError(t, err)
	require.Equal(t, OriginFolder, folder.Origin)
	require.NoError(t, os.Remove(filepath.Join(dir, "one")))
	for name, size := range map[string]services.Bytes{"one": 5, "two": 7} {
		folder, err = c.Find(name, "x")
		require.NoError(t, err)
		require.Equal(t, OriginEmbedded, folder.Origin)
		_, bytes, err := folder.Graph("g.onnx")
		require.NoError(t, err)
		require.Equal(t, size, bytes)
	}
	for _, name := range []string{"", ".", "..", "../x", "a/b", "one\n", "absent"} {
		_, err := c.Find(name, "x")
		require.Equal(t, services.KindNotFound, services.KindOf(err), name)
		require.ErrorContains(t, err, "one, two")
	}
}
