package modelstore

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestAShelfHasTheModelsOfItsKind asks for each folder twice: what its files say, and
// the loaded model.
func TestAShelfHasTheModelsOfItsKind(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"other/config.json": {Data: []byte(`{"model_type":"bert"}`)}}
	for _, name := range []string{"default", "sound", "cut"} {
		files[name+"/config.json"] = &fstest.MapFile{Data: []byte(`{"model_type":"wav2vec2"}`)}
	}
	broken := func(folder Folder) error {
		if folder.Name == "sound" {
			return nil
		}
		return errors.New("cut short")
	}
	kind := Kind{ModelTypes: []string{"wav2vec2"}, Needs: "this needs", Default: "default"}
	shelf := NewShelf(NewCatalog(files, ""), kind, func(folder Folder) (string, error) {
		return "facts of " + folder.Name, broken(folder)
	})
	pool := NewPool("a", &fakeResidency{}, LoadFrom(shelf, func(_ context.Context, folder Folder) (*fakeModel, services.Bytes, error) {
		return &fakeModel{}, 7, broken(folder)
	}))
	require.Len(t, shelf.List(), 3)
	for name, want := range map[string]struct {
		kind services.Kind
		says string
	}{
		"sound":   {},
		"cut":     {services.KindInvalid, `"cut" cannot be loaded: cut short`},
		"default": {services.KindInternal, "model default cannot be loaded"},
		"other":   {services.KindInvalid, `is of type "bert"; this needs wav2vec2`},
		"missing": {services.KindNotFound, "cut, default, sound"},
	} {
		_, known, err := shelf.Find(name)
		_, done, loadErr := pool.Acquire(t.Context(), name)
		if want.says == "" {
			require.NoError(t, err)
			require.Equal(t, "facts of sound", known)
			require.NoError(t, loadErr)
			done()
			continue
		}
		for _, err := range []error{err, loadErr} {
			require.Equal(t, want.kind, services.KindOf(err), name)
			require.ErrorContains(t, err, want.says)
		}
	}
	requireHost(t, pool, shelf)
	require.NoError(t, pool.Close(t.Context()))
}

// requireHost checks what a host says of the models of a shelf.
func requireHost(t *testing.T, pool *Pool[*fakeModel], shelf *Shelf[string]) {
	t.Helper()
	host := NewHost(pool, shelf, nil)
	require.Equal(t, services.Bytes(10), host.Need("sound", 10, 100), "it is loaded")
	require.Equal(t, services.Bytes(160), host.Need("cut", 10, 100))
	require.NoError(t, host.Ready("sound", errors.New("wrong")), "it is loaded")
	require.NoError(t, host.Ready("cut", nil))
	require.Equal(t, services.KindInvalid, services.KindOf(host.Ready("cut", errors.New("wrong"))))
	for _, m := range host.Models() {
		require.Equal(t, m.Name != "sound", m.State == services.StateUnavailable, m.Name)
	}
	refused := NewHost(pool, shelf, func(known string) error { return errors.New(known + " are wrong") })
	require.NoError(t, refused.UnloadModel(t.Context(), "sound"))
	for _, m := range refused.Models() {
		require.Equal(t, services.StateUnavailable, m.State)
		if m.Name == "sound" {
			require.Equal(t, "facts of sound are wrong", m.Problem)
		}
	}
}
