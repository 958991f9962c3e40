package recordstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// Memory is a records.Store in memory, for tests.
type Memory struct {
	// Before is called before each write with its name ("create", "replace",
	// "delete", "stage", "commit" or "remove") and key; its error fails the write.
	// Set it before use.
	Before func(operation, key string) error

	mu       sync.Mutex
	revision records.Revision
	values   map[string]value
	objects  map[string][]byte
	log      []records.Change
	changed  chan struct{} // closed at the next change; nil while nobody waits for it
	full     error
}

type value struct {
	raw []byte
	at  records.Revision
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{values: make(map[string]value), objects: make(map[string][]byte)}
}

// SetRoom sets the error that Room returns.
func (m *Memory) SetRoom(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = err
}

func (m *Memory) before(operation, key string) error {
	if m.Before == nil {
		return nil
	}
	return m.Before(operation, key)
}

// step writes a change. The caller holds mu.
func (m *Memory) step(key string, raw []byte) records.Revision {
	m.revision++
	if raw == nil {
		delete(m.values, key)
	} else {
		m.values[key] = value{bytes.Clone(raw), m.revision}
	}
	m.log = append(m.log, records.Change{Key: key, Value: bytes.Clone(raw), Revision: m.revision})
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	return m.revision
}

// Create implements records.Store.
func (m *Memory) Create(_ context.Context, key string, raw []byte) (records.Revision, error) {
	if err := m.before("create", key); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.values[key]; found {
		return 0, fmt.Errorf("record %s %w", key, records.ErrExists)
	}
	return m.step(key, raw), nil
}

// Read implements records.Store.
func (m *Memory) Read(_ context.Context, key string) ([]byte, records.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, found := m.values[key]
	if !found {
		return nil, 0, fmt.Errorf("record %s %w", key, records.ErrMissing)
	}
	return bytes.Clone(v.raw), v.at, nil
}

// Replace implements records.Store.
func (m *Memory) Replace(_ context.Context, key string, raw []byte, at records.Revision) (records.Revision, error) {
	if err := m.before("replace", key); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, found := m.values[key]; !found || v.at != at {
		return 0, fmt.Errorf("record %s %w", key, records.ErrConflict)
	}
	return m.step(key, raw), nil
}

// Delete implements records.Store.
func (m *Memory) Delete(_ context.Context, key string, at records.Revision) error {
	if err := m.before("delete", key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, found := m.values[key]; !found || v.at != at {
		return fmt.Errorf("record %s %w", key, records.ErrConflict)
	}
	m.step(key, nil)
	return nil
}

// Watch implements records.Store.
func (m *Memory) Watch(ctx context.Context, changed func(records.Change)) error {
	m.mu.Lock()
	next := len(m.log)
	var replay []records.Change
	for _, key := range slices.Sorted(maps.Keys(m.values)) {
		v := m.values[key]
		replay = append(replay, records.Change{Key: key, Value: v.raw, Revision: v.at})
	}
	m.mu.Unlock()
	for _, change := range replay {
		changed(change)
	}
	changed(records.Change{CaughtUp: true})
	for {
		m.mu.Lock()
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		news, woken := m.log[next:], m.changed
		next = len(m.log)
		m.mu.Unlock()
		for _, change := range news {
			changed(change)
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stage implements records.Store.
func (m *Memory) Stage(_ context.Context, r io.Reader) (records.Staged, error) {
	if err := m.before("stage", ""); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read what is to be stored: %w", err)
	}
	return &pending{store: m, content: content}, nil
}

type pending struct {
	store     *Memory
	content   []byte
	discarded bool
	committed bool
}

// Size implements records.Staged.
func (s *pending) Size() int64 { return int64(len(s.content)) }

// Open implements records.Staged.
func (s *pending) Open(context.Context) records.Object {
	if s.discarded {
		return gone{s.Size()}
	}
	return object{bytes.NewReader(s.content)}
}

// Commit implements records.Staged.
func (s *pending) Commit(_ context.Context, name string) error {
	if err := s.store.before("commit", name); err != nil {
		return err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.objects[name], s.committed = s.content, true
	return nil
}

// Discard implements records.Staged.
func (s *pending) Discard(context.Context) error {
	s.discarded = !s.committed
	return nil
}

type object struct{ *bytes.Reader }

// Close implements records.Object.
func (object) Close() error { return nil }

// gone is an object that was discarded.
type gone struct{ size int64 }

// Size implements records.Object.
func (g gone) Size() int64 { return g.size }

// Read implements records.Object.
func (gone) Read([]byte) (int, error) { return 0, errors.New("the object is gone") }

// Seek implements records.Object.
func (gone) Seek(at int64, _ int) (int64, error) { return at, nil }

// Close implements records.Object.
func (gone) Close() error { return nil }

// Object implements records.Store.
func (m *Memory) Object(_ context.Context, name string) (records.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, found := m.objects[name]
	if !found {
		return nil, fmt.Errorf("object %s %w", name, records.ErrMissing)
	}
	return object{bytes.NewReader(content)}, nil
}

// DeleteObject implements records.Store.
func (m *Memory) DeleteObject(_ context.Context, name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}

// Objects implements records.Store.
func (m *Memory) Objects(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects)), nil
}

// Room implements records.Store.
func (m *Memory) Room(services.Bytes) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.full
}

// Tidy implements records.Store.
func (m *Memory) Tidy(context.Context) error { return nil }

// Exclusive implements records.Store.
func (m *Memory) Exclusive() bool { return true }

var _ records.Store = (*Memory)(nil)
