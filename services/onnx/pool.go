package onnx

/*
#include <stdlib.h>
#include "pool.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"sync"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/grym-synth/grym-synth/services"
)

// Pool is the memory that the sessions of one model work in. What a run has freed stays
// in the pool for the next one until the last session is closed. Safe for concurrent
// use.
type Pool struct {
	mu sync.Mutex
	c  *C.pool
	// users are the sessions, and the creator until Close.
	users int
}

// PoolUse is the memory of a pool.
type PoolUse struct {
	// Mapped is what the pool has from the system, Used what is allocated now, and Peak
	// the maximum of Used.
	Mapped, Used, Peak services.Bytes
}

// NewPool returns an empty pool. It must be closed, which sessions may outlive.
func NewPool() *Pool { return &Pool{c: C.pool_new(), users: 1} }

// Use returns how much memory the pool has; nothing once it has been released.
func (p *Pool) Use() PoolUse {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 {
		return PoolUse{}
	}
	stats := C.pool_read(p.c)
	return PoolUse{Mapped: services.Bytes(stats.mapped), Used: services.Bytes(stats.used), Peak: services.Bytes(stats.peak)}
}

// join counts one more user of the pool.
func (p *Pool) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users++
}

// Close ends the creator's use of the pool.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users == 0 {
		C.pool_close(p.c)
	}
}

// within calls f, whose native allocations come from the pool and are counted by the
// gauge, if that is one of NewGauge. The thread is the goroutine's own meanwhile.
func (p *Pool) within(gauge services.Gauge, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var meter *C.meter
	if g, ok := gauge.(*taskGauge); ok {
		meter = g.c
	}
	C.pool_enter(p.c, meter)
	defer C.pool_leave()
	return f()
}

// lowerBy is how many steps of nice the additional threads of a session in the background
// are below the thread that runs it. A thread of five steps more gets a third of the time
// of another on the same core.
const lowerBy = 5

// apart calls f as within does, on a thread of its own, so that the threads that f starts
// have the priority of that one.
func (p *Pool) apart(background bool, f func() error) error {
	if !background {
		return p.within(nil, f)
	}
	done := make(chan error)
	go func() {
		// The thread stays locked, so it ends with the goroutine.
		runtime.LockOSThread()
		C.lower_priority(lowerBy)
		done <- p.within(nil, f)
	}()
	return <-done
}

// taskGauge counts the memory of one task. It is freed by the garbage collector,
// because a task may end later than what it is counted by.
type taskGauge struct{ c *C.meter }

// NewGauge returns a gauge that also counts the engine's allocations of runs whose
// context has it. It returns nil if the engine does not use pools.
func (r *Runtime) NewGauge() services.Gauge {
	if !r.pooled {
		return nil
	}
	g := &taskGauge{c: C.meter_new()}
	runtime.AddCleanup(g, func(c *C.meter) { C.meter_release(c) }, g.c)
	return g
}

// Add implements services.Gauge.
func (g *taskGauge) Add(bytes services.Bytes) {
	C.meter_add(g.c, C.int64_t(bytes))
	runtime.KeepAlive(g)
}

// Peak implements services.Gauge.
func (g *taskGauge) Peak() services.Bytes {
	defer runtime.KeepAlive(g)
	return services.Bytes(C.meter_peak(g.c))
}

// errNoAllocator is returned if the library has no place for allocators of others.
var errNoAllocator = errors.New("the library takes no allocator")

// registerPools has sessions with "session.use_env_allocators" allocate from pools. The
// path is that of the loaded library.
func registerPools(path string) error {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	allocator := C.pool_allocator(name)
	if allocator == nil {
		return errNoAllocator
	}
	return ort.RegisterAllocator(as(allocator, ort.RegisterAllocator))
}

// as returns a pointer of the type that a function takes, which is one of the
// binding's that has no name outside of it.
func as[T any](pointer unsafe.Pointer, _ func(*T) error) *T { return (*T)(pointer) }
