package modelstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// versionModel is a model that knows what its folder said when it was loaded.
type versionModel struct {
	said   string
	closed bool
}

func (m *versionModel) Close() error { m.closed = true; return nil }

// versions returns a host whose models say what their file says.txt said, and its parts.
func versions(t *testing.T) (*Host[*versionModel], *Shelf[string], *fakeResidency, string) {
	t.Helper()
	catalog, dir := newCatalog(t)
	residency := &fakeResidency{}
	shelf := NewShelf(catalog, Kind{ModelTypes: []string{"wav2vec2"}, Needs: "this needs", Default: "tiny"}, func(f Folder) (string, error) {
		said, err := f.ReadFile("says.txt")
		return string(said), err
	})
	load := func(_ context.Context, f Folder) (*versionModel, services.Bytes, error) {
		said, err := f.ReadFile("says.txt")
		return &versionModel{said: string(said)}, 7, err
	}
	return NewHost(NewPool("a", residency, LoadFrom(shelf, load)), shelf, nil), shelf, residency, dir
}

// say writes a version of a model.
func say(t *testing.T, dir, text string) {
	t.Helper()
	write(t, filepath.Join(dir, "config.json"), `{"model_type":"wav2vec2"}`)
	write(t, filepath.Join(dir, "says.txt"), text)
	age(t, dir)
}

// use acquires a model and returns what it says.
func use(t *testing.T, h *Host[*versionModel], name string) (*versionModel, func()) {
	t.Helper()
	m, done, err := h.pool.Acquire(t.Context(), name)
	require.NoError(t, err)
	return m, done
}

func TestALoadedModelIsFoundAsItWasLoaded(t *testing.T) {
	t.Parallel()
	h, shelf, _, dir := versions(t)
	say(t, filepath.Join(dir, "mine"), "old")
	m, done := use(t, h, "mine")
	require.Equal(t, "old", m.said)
	done()
	say(t, filepath.Join(dir, "mine"), "newer")
	folder, said, err := shelf.Find("mine")
	require.NoError(t, err)
	require.Equal(t, "old", said, "its tasks are prepared for what they run on")
	require.True(t, folder.Changed())
	write(t, filepath.Join(dir, "mine", "config.json"), `{"model`)
	_, said, err = shelf.Find("mine")
	require.NoError(t, err, "a folder that is broken now")
	require.Equal(t, "old", said)
	has, err := h.HasModel("mine")
	require.NoError(t, err)
	require.True(t, has)
	for _, one := range h.Models() {
		require.Equal(t, one.Name == "mine", one.Changed, one.Name)
	}
	say(t, filepath.Join(dir, "mine"), "newest")
	require.NoError(t, h.UnloadModel(t.Context(), "mine"))
	_, said, err = shelf.Find("mine")
	require.NoError(t, err)
	require.Equal(t, "newest", said)
}

// TestAVersionTakesThePlaceOfAnother stages a folder, has a task use the old version
// meanwhile, and another ask for it before its end.
func TestAVersionTakesThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	h, shelf, residency, dir := versions(t)
	mine, next := filepath.Join(dir, "mine"), filepath.Join(dir, ".pull", "mine")
	say(t, mine, "old")
	say(t, next, "new")
	old, oldDone := use(t, h, "mine")
	staged, err := h.StageModel(t.Context(), "mine", next, false)
	require.NoError(t, err)
	require.True(t, staged.Loaded())
	_, err = h.StageModel(t.Context(), "mine", next, false)
	require.Equal(t, services.KindBusy, services.KindOf(err), "one at a time")
	_, said, err := shelf.Find(staged.Name())
	require.NoError(t, err)
	require.Equal(t, "new", said)
	require.False(t, services.IsModelName(staged.Name()))
	_, done := use(t, h, staged.Name())
	done()
	require.Equal(t, services.Bytes(14), residency.held)
	require.Equal(t, "mine", residency.name, "the memory is booked for the model")
	require.Equal(t, services.KindBusy, services.KindOf(h.UnloadModel(ended(t), "mine")), "the old one stays meanwhile")

	swapped := make(chan error, 1)
	go func() {
		swapped <- staged.Replace(t.Context(), func() error { return exchangeFolders(mine, next) })
	}()
	require.Eventually(t, func() bool {
		m, done := use(t, h, "mine")
		defer done()
		return m.said == "new"
	}, 10*time.Second, time.Millisecond)
	require.False(t, old.closed, "a task uses it")
	_, said, err = shelf.Find("mine")
	require.NoError(t, err)
	require.Equal(t, "new", said)
	oldDone()
	require.NoError(t, <-swapped)
	require.True(t, old.closed)
	require.Equal(t, services.Bytes(7), residency.held, "one model is left")
	require.NoError(t, staged.Close(nil))
	m, done := use(t, h, "mine")
	done()
	require.Equal(t, "new", m.said)
	require.False(t, m.closed)
	require.NoError(t, h.Shutdown(t.Context()))
	require.Zero(t, residency.held)
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// exchangeFolders moves a folder to the place of another.
func exchangeFolders(place, from string) error {
	return errors.Join(os.Rename(place, place+".old"), os.Rename(from, place))
}

func TestAVersionThatFailsLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	h, _, residency, dir := versions(t)
	mine := filepath.Join(dir, "mine")
	say(t, mine, "old")
	_, done := use(t, h, "mine")
	done()
	say(t, mine, "bad")
	staged, err := h.StageModel(t.Context(), "mine", "", false)
	require.NoError(t, err)
	_, done = use(t, h, staged.Name())
	done()
	require.NoError(t, staged.Close(errors.New("its canary died")))
	require.Equal(t, services.Bytes(7), residency.held)
	m, done := use(t, h, "mine")
	done()
	require.Equal(t, "old", m.said)
	listed := func() (one services.ModelStatus) {
		for _, m := range h.Models() {
			if m.Name == "mine" {
				one = m
			}
		}
		return one
	}
	require.Equal(t, "its canary died", listed().ReloadProblem)
	require.True(t, listed().Changed)

	staged, err = h.StageModel(t.Context(), "mine", "", false)
	require.NoError(t, err)
	no := errors.New("no place")
	require.ErrorIs(t, staged.Replace(t.Context(), func() error { return no }), no)
	require.NoError(t, staged.Close(no))
	m, done = use(t, h, "mine")
	done()
	require.Equal(t, "old", m.said, "the folder could not be moved")

	staged, err = h.StageModel(t.Context(), "mine", "", false)
	require.NoError(t, err)
	say(t, mine, "changed meanwhile")
	require.ErrorContains(t, staged.Replace(t.Context(), func() error { return nil }), "have changed while they were loaded")
	require.NoError(t, staged.Close(no))

	staged, err = h.StageModel(t.Context(), "mine", "", true)
	require.NoError(t, err)
	require.Zero(t, residency.held, "with a gap, the old one is unloaded first")
	_, done = use(t, h, staged.Name())
	done()
	require.NoError(t, staged.Replace(t.Context(), func() error { return nil }))
	require.NoError(t, staged.Close(nil))
	m, done = use(t, h, "mine")
	done()
	require.Equal(t, "changed meanwhile", m.said)
	require.Empty(t, listed().ReloadProblem)
	require.False(t, listed().Changed)
	require.NoError(t, h.Shutdown(t.Context()))
}

// TestAModelThatIsNotLoadedStaysSo tries a version of it, and loads the model during the move.
func TestAModelThatIsNotLoadedStaysSo(t *testing.T) {
	t.Parallel()
	h, _, residency, dir := versions(t)
	mine, next := filepath.Join(dir, "mine"), filepath.Join(dir, ".pull", "mine")
	say(t, mine, "old")
	say(t, next, "new")
	staged, err := h.StageModel(t.Context(), "mine", next, false)
	require.NoError(t, err)
	require.False(t, staged.Loaded())
	_, done := use(t, h, staged.Name())
	done()
	loaded := make(chan string, 1)
	var all sync.WaitGroup
	require.NoError(t, staged.Replace(t.Context(), func() error {
		all.Go(func() {
			m, done, err := h.pool.Acquire(context.Background(), "mine")
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			loaded <- m.said
		})
		require.Eventually(t, func() bool {
			h.pool.mu.Lock()
			defer h.pool.mu.Unlock()
			return h.pool.models["mine"].users == 2
		}, 10*time.Second, time.Millisecond, "it waits")
		return exchangeFolders(mine, next)
	}))
	require.Equal(t, "new", <-loaded, "it waits for the move")
	all.Wait()
	require.NoError(t, staged.Close(nil))
	require.NoError(t, h.UnloadModel(t.Context(), "mine"))
	require.Zero(t, residency.held)

	staged, err = h.StageModel(t.Context(), "mine", "", false)
	require.NoError(t, err)
	_, done = use(t, h, staged.Name())
	done()
	require.NoError(t, staged.Replace(t.Context(), func() error { return nil }))
	require.NoError(t, staged.Close(nil))
	require.Zero(t, residency.held, "nobody has asked for it")
}

// TestAPullByAnotherProcessIsFound writes the file that a pull writes.
func TestAPullByAnotherProcessIsFound(t *testing.T) {
	t.Parallel()
	h, _, _, dir := versions(t)
	mine := filepath.Join(dir, "mine")
	write(t, filepath.Join(mine, manifestFile), "{}")
	say(t, mine, "old")
	_, done := use(t, h, "mine")
	done()
	require.Empty(t, h.Outdated())
	say(t, mine, "by hand")
	require.Empty(t, h.Outdated(), "files that are changed by hand may be changed further")
	write(t, filepath.Join(mine, manifestFile), `{"schema":1}`)
	age(t, mine)
	require.Equal(t, []string{"mine"}, h.Outdated())
	staged, err := h.StageModel(t.Context(), "mine", "", false)
	require.NoError(t, err)
	require.NoError(t, staged.Close(errors.New("bad")))
	require.Empty(t, h.Outdated(), "one that has failed is not tried again")
	require.NoError(t, h.Shutdown(t.Context()))
}

// TestAShutdownWaitsForARetiredModel closes the pool while a task uses an old version.
func TestAShutdownWaitsForARetiredModel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := NewPool("a", &fakeResidency{}, loads(&n))
		old, done, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		_, next, err := p.Acquire(t.Context(), "m"+stagedMark)
		require.NoError(t, err)
		next()
		retired, err := p.replace(t.Context(), "m"+stagedMark, "m", func() error { return nil })
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorContains(t, p.retire(ctx, retired), "wait for the tasks of the old version of model m")
		require.False(t, old.closed)
		time.AfterFunc(time.Minute, done)
		began := time.Now()
		require.NoError(t, p.Close(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
		require.True(t, old.closed)
		_, err = p.replace(t.Context(), "m"+stagedMark, "m", func() error { return nil })
		require.ErrorIs(t, err, ErrShutDown)
	})
}
