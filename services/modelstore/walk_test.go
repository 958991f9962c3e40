package modelstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// books is a residency that knows what is held, and evicts at random.
type books struct {
	mu    sync.Mutex
	held  map[string]services.Bytes
	evict map[string]func(context.Context) error
}

type booked struct {
	b    *books
	name string
}

func (b *books) Hold(_ context.Context, _, name string, bytes services.Bytes, evict func(context.Context) error) services.Resident {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[name] != 0 {
		panic(name + " is held twice")
	}
	b.held[name], b.evict[name] = bytes, evict
	return booked{b, name}
}

func (r booked) Touch() {}
func (r booked) Release() {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.b.held[r.name] == 0 {
		panic(r.name + " is released twice")
	}
	delete(r.b.held, r.name)
}

// shared is a model that knows whether it was closed.
type shared struct {
	mu     sync.Mutex
	closed bool
}

func (m *shared) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		panic("closed twice")
	}
	m.closed = true
	return nil
}

// crowd are users of a pool that come and go at random.
type crowd struct {
	*Pool[*shared]
	t     *testing.T
	books *books
	users sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	t.Helper()
	c := &crowd{t: t, random: rand.New(rand.NewPCG(seed, 4))}
	c.books = &books{held: make(map[string]services.Bytes), evict: make(map[string]func(context.Context) error)}
	c.Pool = NewPool("a", c.books, func(ctx context.Context, _ string) (*shared, services.Bytes, error) {
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-time.After(c.upTo(3 * time.Second)):
		}
		if c.pick(5) == 0 {
			return nil, 0, errBroken
		}
		return &shared{}, services.Bytes(1 + c.pick(9)), nil
	})
	return c
}

func (c *crowd) pick(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

func (c *crowd) upTo(most time.Duration) time.Duration {
	return time.Duration(c.pick(int(most/time.Millisecond))) * time.Millisecond
}

// use uses a model for a while. It must not be closed meanwhile.
func (c *crowd) use(ctx context.Context, name string) {
	model, done, err := c.Acquire(ctx, name)
	if err != nil {
		known := errors.Is(err, errBroken) || errors.Is(err, ErrShutDown) || errors.Is(err, context.DeadlineExceeded)
		if !known || done != nil {
			c.t.Error("unexpected", err)
		}
		return
	}
	defer done()
	time.Sleep(c.upTo(4 * time.Second))
	model.mu.Lock()
	defer model.mu.Unlock()
	if model.closed {
		c.t.Error("a model in use was closed")
	}
}

// evict unloads a model as the memory budget does.
func (c *crowd) evict(ctx context.Context, name string) error {
	c.books.mu.Lock()
	evict := c.books.evict[name]
	c.books.mu.Unlock()
	if evict == nil {
		return nil
	}
	return evict(ctx)
}

// step starts one thing that happens to a pool.
func (c *crowd) step() {
	name, what, patience := []string{"x", "y", "z"}[c.pick(3)], c.pick(10), time.Millisecond+c.upTo(5*time.Second)
	c.users.Go(func() {
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		defer cancel()
		var err error
		switch what {
		case 0, 1:
			err = c.evict(ctx, name)
		case 2:
			err = c.Unload(ctx, name)
		case 3:
			_ = c.Close(ctx)
			time.Sleep(time.Second)
			c.Reopen()
		default:
			c.use(ctx, name)
		}
		if err != nil && !errors.Is(err, services.ErrInUse) {
			c.t.Error("unexpected", err)
		}
	})
}

// requireBooks compares what is held with what is loaded, once nobody uses anything.
func (c *crowd) requireBooks() {
	c.t.Helper()
	c.books.mu.Lock()
	defer c.books.mu.Unlock()
	var sum services.Bytes
	for name, bytes := range c.books.held {
		sum += bytes
		got, ok := c.Loaded(name)
		require.Equal(c.t, []any{bytes, true}, []any{got, ok}, name)
	}
	loaded, peak := c.Bytes()
	require.Equal(c.t, sum, loaded)
	require.GreaterOrEqual(c.t, peak, loaded)
	require.Equal(c.t, len(c.books.held), c.Count())
}

// TestAnyScheduleOfUsersLeavesNothing has users come and leave, loads fail or end with their
// caller, models be evicted and unloaded, and the pool be closed and opened at random. A model
// in use is never closed, what is held is what is loaded, and in the end nothing is.
func TestAnyScheduleOfUsersLeavesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(15) {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, seed)
			for range 150 {
				c.step()
				time.Sleep(c.upTo(time.Second))
			}
			c.users.Wait()
			c.Reopen()
			c.requireBooks()
			require.NoError(t, c.Close(t.Context()), "there are no users")
			require.Empty(t, c.books.held)
			require.Zero(t, c.Count())
		})
	}
}

var errBroken = errors.New("it is broken")

func TestUnloadWaitsForTheLastUserUnlessItsTimeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, residency := 0, &fakeResidency{}
		p := NewPool("a", residency, loads(&n))
		require.NoError(t, p.Unload(t.Context(), "m"), "it is not loaded")
		_, done, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = p.Unload(ctx, "m")
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, err, services.ErrInUse)
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, []any{services.KindBusy, time.Second, "model m is in use"}, []any{fault.Kind, fault.RetryAfter, fault.Message})
		time.AfterFunc(time.Minute, done)
		var unloads sync.WaitGroup
		for range 2 { // the second finds it gone
			unloads.Go(func() {
				if err := p.Unload(t.Context(), "m"); err != nil {
					t.Error(err)
				}
			})
		}
		unloads.Wait()
		require.Equal(t, time.Second+time.Minute, time.Since(began))
		require.Zero(t, residency.held)
		require.Zero(t, p.Count())
		require.NoError(t, residency.evict(t.Context()), "of a model that has gone")
		_, done, err = p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		require.Equal(t, 2, n)
		done()
		require.NoError(t, p.Close(t.Context()))
	})
}

// brittle is a model that cannot be closed.
type brittle struct{}

func (brittle) Close() error { return errBroken }

// TestAModelThatCannotBeClosedIsGone has each way in which a model is unloaded.
func TestAModelThatCannotBeClosedIsGone(t *testing.T) {
	t.Parallel()
	residency := &fakeResidency{}
	p := NewPool("a", residency, func(context.Context, string) (brittle, services.Bytes, error) { return brittle{}, 7, nil })
	for name, unload := range map[string]func() error{
		"unload": func() error { return p.Unload(t.Context(), "m") },
		"evict":  func() error { return residency.evict(t.Context()) },
		"close":  func() error { return p.Close(t.Context()) },
	} {
		p.Reopen()
		_, done, err := p.Acquire(t.Context(), "m")
		require.NoError(t, err)
		done()
		require.ErrorIs(t, unload(), errBroken, name)
		require.Zero(t, residency.held, name)
		require.Zero(t, p.Count())
	}
}

// requireFound checks which models a host has, and what it says of them.
func requireFound(t *testing.T, host *Host[*fakeModel]) {
	t.Helper()
	for name, want := range map[string][2]bool{
		"sound": {true, false}, "other": {false, false}, "none": {false, false}, "../sound": {false, false}, "bad": {false, true},
	} {
		has, err := host.HasModel(name)
		require.Equal(t, want, [2]bool{has, err != nil}, name)
	}
	require.Equal(t, []string{"It knows words.", "", "", ""},
		[]string{host.ModelSummary("sound"), host.ModelSummary("other"), host.ModelSummary("bad"), host.ModelSummary("none")})
}

// TestTheLifeOfAHost starts, fails, runs and stops.
func TestTheLifeOfAHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{
			"sound/config.json": {Data: []byte(`{"model_type":"x"}`)}, "other/config.json": {Data: []byte(`{"model_type":"y"}`)},
			"sound/README.md": {Data: []byte("---\nlicense: mit\nlanguage: [en, de]\n---\nIt knows words. And more.")},
			"bad/config.json": {Data: []byte(`{`)}, "plain/x": {},
		}
		kind := Kind{ModelTypes: []string{"x"}, Needs: "this needs", Default: "sound"}
		shelf := NewShelf(NewCatalog(files, ""), kind, func(Folder) (string, error) { return "", nil })
		n := 0
		pool := NewPool("a", &fakeResidency{}, func(context.Context, string) (*fakeModel, services.Bytes, error) {
			if n++; n == 1 {
				return nil, 0, errBroken
			}
			return &fakeModel{}, 7, nil
		})
		host := NewHost(pool, shelf, nil)
		require.NoError(t, host.Shutdown(t.Context()), "before the start")
		prove := func(ctx context.Context) error { return host.LoadModel(ctx, "sound") }
		require.ErrorIs(t, host.InitializeBy(t.Context(), prove), errBroken)
		require.False(t, host.Initialized())
		require.Equal(t, services.StateRegistered, host.Status().State)
		require.NoError(t, host.InitializeBy(t.Context(), prove))
		require.NoError(t, host.InitializeBy(t.Context(), func(context.Context) error { return errBroken }), "it is started")
		require.True(t, host.Initialized())
		require.Equal(t, []any{services.StateReady, 1}, []any{host.Status().State, host.Status().ModelsLoaded})
		require.Equal(t, []bool{true, false}, []bool{host.ModelLoaded("sound"), host.ModelLoaded("other")})
		listed := host.Models()
		require.Equal(t, []services.ModelStatus{{
			Name: "sound", State: services.StateReady, Origin: OriginEmbedded, Bytes: 7, License: "mit", Languages: []string{"en", "de"},
			Size: services.Bytes(len(files["sound/config.json"].Data) + len(files["sound/README.md"].Data)),
		}}, listed)

		requireFound(t, host)
		for _, err := range []error{nil, nil, errBroken} {
			_, got := host.Recorded(func() (services.TaskResult, error) {
				time.Sleep(time.Second)
				return services.TaskResult{}, err
			})
			require.ErrorIs(t, got, err)
		}
		metrics := host.Metrics()
		require.Equal(t, map[services.Outcome]uint64{services.OutcomeSuccess: 2, services.Outcome(services.KindInternal): 1}, metrics.Tasks)
		require.Equal(t, []any{services.Bytes(7), services.Bytes(7), time.Second}, []any{metrics.BytesLoaded,
			metrics.BytesPeak, metrics.LatencyP50})
		status := host.Status()
		require.Equal(t, []any{errBroken.Error(), time.Now().Add(-time.Second)}, []any{status.LastError, status.LastSuccess})

		require.NoError(t, host.Shutdown(t.Context()))
		require.False(t, host.Initialized())
		require.ErrorIs(t, host.LoadModel(t.Context(), "sound"), ErrShutDown)
		require.NoError(t, host.InitializeBy(t.Context(), prove), "it starts again")
		require.NoError(t, host.UnloadModel(t.Context(), "sound"))
		require.Equal(t, services.StateRegistered, host.Models()[0].State)
		require.Zero(t, host.Status().ModelsLoaded)
		require.NoError(t, host.Shutdown(t.Context()))
		require.Equal(t, []string{"bad", "other", "sound"}, namesOf(shelf.catalog.All()))
	})
}

func namesOf(folders []Folder) (names []string) {
	for _, folder := range folders {
		names = append(names, folder.Name)
	}
	return names
}
