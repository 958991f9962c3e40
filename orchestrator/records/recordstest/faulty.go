package recordstest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Faulty is a records.Store of which one call fails. The calls are counted in the order in
// which they are made, those of objects and staged objects included; Watch is not.
type Faulty struct {
	records.Store

	mu     sync.Mutex
	calls  []string
	failAt int
	ended  bool
	fault  error
}

// Faults calls scenario once with a store that works, and then once for each call that it has
// made to it since Arm, of which that one fails with a fault of kind unavailable. The scenario
// passes its argument nth to Arm, when it is prepared, and Disarm ends the count.
func Faults(t *testing.T, scenario func(t *testing.T, store *Faulty, nth int)) {
	t.Helper()
	count := 0
	for nth := 0; nth <= count; nth++ {
		store := &Faulty{Store: NewMemory()}
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			scenario(t, store, nth)
			calls := store.Calls()
			if nth == 0 {
				count = len(calls)
			}
			if t.Failed() {
				t.Logf("call %d failed of %q", nth, calls)
			}
		})
	}
	if count == 0 {
		t.Error("the scenario does not call its store")
	}
}

// Arm begins the count anew, and lets the nth call from now fail with the fault that it
// returns; 0 lets none fail.
func (f *Faulty) Arm(nth int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.failAt, f.ended = nil, nth, false
	if nth == 0 {
		f.fault = nil
		return nil
	}
	f.fault = services.Faultf(services.KindUnavailable, "the store does not answer call %d", nth)
	return f.fault
}

// Disarm ends the count: no later call fails.
func (f *Faulty) Disarm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt, f.ended = 0, true
}

// Calls returns the names of the calls between Arm and Disarm.
func (f *Faulty) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *Faulty) call(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return nil
	}
	f.calls = append(f.calls, name)
	if len(f.calls) == f.failAt {
		return f.fault
	}
	return nil
}

// Create implements records.Store.
func (f *Faulty) Create(ctx context.Context, key string, value []byte) (records.Revision, error) {
	if err := f.call("create " + key); err != nil {
		return 0, err
	}
	return f.Store.Create(ctx, key, value)
}

// Read implements records.Store.
func (f *Faulty) Read(ctx context.Context, key string) ([]byte, records.Revision, error) {
	if err := f.call("read " + key); err != nil {
		return nil, 0, err
	}
	return f.Store.Read(ctx, key)
}

// Replace implements records.Store.
func (f *Faulty) Replace(ctx context.Context, key string, value []byte, at records.Revision) (records.Revision, error) {
	if err := f.call("replace " + key); err != nil {
		return 0, err
	}
	return f.Store.Replace(ctx, key, value, at)
}

// Delete implements records.Store.
func (f *Faulty) Delete(ctx context.Context, key string, at records.Revision) error {
	if err := f.call("delete " + key); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key, at)
}

// Stage implements records.Store.
func (f *Faulty) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	if err := f.call("stage"); err != nil {
		return nil, err
	}
	staged, err := f.Store.Stage(ctx, r)
	return &faultyStaged{staged, f}, err
}

// Object implements records.Store.
func (f *Faulty) Object(ctx context.Context, name string) (records.Object, error) {
	if err := f.call("open " + name); err != nil {
		return nil, err
	}
	object, err := f.Store.Object(ctx, name)
	if err != nil {
		return nil, err
	}
	return &faultyObject{object, f}, nil
}

// DeleteObject implements records.Store.
func (f *Faulty) DeleteObject(ctx context.Context, name string) error {
	if err := f.call("remove " + name); err != nil {
		return err
	}
	return f.Store.DeleteObject(ctx, name)
}

// Objects implements records.Store.
func (f *Faulty) Objects(ctx context.Context) ([]string, error) {
	if err := f.call("list"); err != nil {
		return nil, err
	}
	return f.Store.Objects(ctx)
}

type faultyStaged struct {
	records.Staged
	of *Faulty
}

// Open implements records.Staged.
func (s *faultyStaged) Open(ctx context.Context) records.Object {
	return &faultyObject{s.Staged.Open(ctx), s.of}
}

// Commit implements records.Staged.
func (s *faultyStaged) Commit(ctx context.Context, name string) error {
	if err := s.of.call("commit " + name); err != nil {
		return err
	}
	return s.Staged.Commit(ctx, name)
}

// Discard implements records.Staged.
func (s *faultyStaged) Discard(ctx context.Context) error {
	if err := s.of.call("discard"); err != nil {
		return err
	}
	return s.Staged.Discard(ctx)
}

type faultyObject struct {
	records.Object
	of *Faulty
}

// Read implements io.Reader.
func (o *faultyObject) Read(p []byte) (int, error) {
	if err := o.of.call("read object"); err != nil {
		return 0, err
	}
	return o.Object.Read(p)
}
