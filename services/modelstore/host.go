package modelstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Host is the common part of services that keep models in a Pool, for embedding. Safe
// for concurrent use.
type Host[M Model] struct {
	pool      *Pool[M]
	catalog   *Catalog
	modelType string
	// inspect returns the error that would prevent a folder from being loaded. It is
	// called for each listing and uses Facts to avoid reading files again.
	inspect func(Folder) error

	recorder    services.Recorder
	initialized atomic.Bool
}

// NewHost returns the host of the folders of a model type.
func NewHost[M Model](pool *Pool[M], catalog *Catalog, modelType string, inspect func(Folder) error) *Host[M] {
	return &Host[M]{pool: pool, catalog: catalog, modelType: modelType, inspect: inspect}
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
	for _, files := range h.catalog.List(h.modelType) {
		m := services.ModelStatus{Name: files.Name, State: services.StateRegistered, Origin: files.Origin, Created: files.Modified()}
		if size, loaded := h.pool.Loaded(files.Name); loaded {
			m.State, m.Bytes = services.StateReady, size
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
	return folder.modelType == h.modelType, folder.problem
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
