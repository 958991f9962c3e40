package modelstore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Host is the common part of services that keep models in a Pool, for embedding. Safe
// for concurrent use.
type Host[M Model] struct {
	pool    *Pool[M]
	catalog *Catalog
	kind    Kind
	// inspect returns the error that would prevent a folder from being loaded. It is
	// called for each listing and uses Facts to avoid reading files again.
	inspect func(Folder) error

	cards       *Facts[cardFacts]
	recorder    services.Recorder
	initialized atomic.Bool

	mu sync.Mutex
	// failures are the latest versions of loaded models that could not replace them.
	failures map[string]failure
}

// failure is why a version of a model was not taken.
type failure struct {
	version string
	reason  string
}

// NewHost returns the host of the models of a shelf. problem returns why one could not be
// loaded, although what its files say could be read; nil for no such reason.
func NewHost[M Model, T any](pool *Pool[M], shelf *Shelf[T], problem func(T) error) *Host[M] {
	inspect := func(folder Folder) error {
		known, err := shelf.Of(folder)
		if err == nil && problem != nil {
			err = problem(known)
		}
		return err
	}
	pool.keep = func(name string, model M) { shelf.keep(name, model) }
	pool.release, pool.unloaded = shelf.release, func(model M) { shelf.forget(model) }
	return &Host[M]{
		pool: pool, catalog: shelf.catalog, kind: shelf.kind, cards: NewFacts(Folder.readCard), inspect: inspect,
		failures: make(map[string]failure),
	}
}

// InitializeBy opens the pool and calls prove to verify the default model, unless that
// has already succeeded.
func (h *Host[M]) InitializeBy(ctx context.Context, prove func(context.Context) error) error {
	if h.initialized.Load() {
		return nil
	}
	h.pool.Reopen()
	if err := prove(ctx); err != nil {
		return err
	}
	h.initialized.Store(true)
	return nil
}

// Initialized implements services.ModelService.
func (h *Host[M]) Initialized() bool { return h.initialized.Load() }

// Shutdown implements services.ModelService.
func (h *Host[M]) Shutdown(ctx context.Context) error {
	h.initialized.Store(false)
	return h.pool.Close(ctx)
}

// Status implements services.ModelService.
func (h *Host[M]) Status() services.ServiceStatus {
	status := services.ServiceStatus{State: services.StateRegistered, ModelsLoaded: h.pool.Count()}
	status.LastError, status.LastSuccess = h.recorder.Last()
	if h.Initialized() {
		status.State = services.StateReady
	}
	return status
}

// Models implements services.ModelHost. It reads the names, times and sizes of the
// folders' files, and calls inspect for folders that have changed.
func (h *Host[M]) Models() []services.ModelStatus {
	var list []services.ModelStatus
	for _, files := range h.catalog.List(h.kind.ModelTypes...) {
		m := services.ModelStatus{Name: files.Name, State: services.StateRegistered, Origin: files.Origin, Created: files.Modified(),
			Size: services.Bytes(files.state.bytes)}
		if card, err := h.cards.Of(files); err == nil {
			m.License, m.Languages = card.license, card.languages
		}
		if size, loaded := h.pool.Loaded(files.Name); loaded {
			m.State, m.Bytes = services.StateReady, size
			m.Changed, m.ReloadProblem = files.changed, h.failureOf(files.Name)
		} else if err := h.inspect(files); err != nil {
			m.State, m.Problem = services.StateUnavailable, err.Error()
		}
		list = append(list, m)
	}
	return list
}

// HasModel implements services.ModelFinder.
func (h *Host[M]) HasModel(name string) (bool, error) {
	if !services.IsModelName(name) {
		return false, nil
	}
	folder, ok := h.catalog.find(name)
	if !ok {
		return false, nil
	}
	return slices.Contains(h.kind.ModelTypes, folder.modelType), folder.problem
}

// ModelSummary implements services.ModelSummarizer.
func (h *Host[M]) ModelSummary(name string) string {
	if has, err := h.HasModel(name); err != nil || !has {
		return ""
	}
	folder, _ := h.catalog.find(name)
	return folder.Summary()
}

// ModelLoaded implements services.ModelPresence.
func (h *Host[M]) ModelLoaded(name string) bool {
	_, loaded := h.pool.Loaded(name)
	return loaded
}

// Ready returns the fault for a model that could not be loaded, unless it is loaded.
func (h *Host[M]) Ready(name string, problem error) error {
	if _, loaded := h.pool.Loaded(name); loaded {
		return nil
	}
	return Unusable(name, h.kind.Default, problem)
}

// Need returns the memory of runs of a model. Where it has to be loaded, that peaks at the
// weights and a copy of part of them.
func (h *Host[M]) Need(name string, runs, weights services.Bytes) services.Bytes {
	if _, loaded := h.pool.Loaded(name); loaded {
		return runs
	}
	return runs.Plus(weights, weights/2)
}

// Metrics implements services.ModelService.
func (h *Host[M]) Metrics() services.ServiceMetrics {
	m := h.recorder.Metrics()
	m.BytesLoaded, m.BytesPeak = h.pool.Bytes()
	return m
}

// Recorded runs a task and records its outcome.
func (h *Host[M]) Recorded(run func() (services.TaskResult, error)) (services.TaskResult, error) {
	started := time.Now()
	result, err := run()
	h.recorder.Record(err, time.Since(started))
	return result, err
}

// LoadModel implements services.ModelHost.
func (h *Host[M]) LoadModel(ctx context.Context, name string) error {
	_, done, err := h.pool.Acquire(ctx, name)
	if err != nil {
		return err
	}
	done()
	return nil
}

// UnloadModel implements services.ModelHost.
func (h *Host[M]) UnloadModel(ctx context.Context, name string) error {
	return h.pool.Unload(ctx, name)
}
