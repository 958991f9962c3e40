package library_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// shared is a store that several processes use, as one of them sees it.
type shared struct {
	*recordstest.Memory
	// before is called before each write of this process; its error fails the write.
	before func(operation string) error
	// after is called after each deletion of a record.
	after func(operation string)
}

func (s *shared) Exclusive() bool { return false }

func (s *shared) Create(ctx context.Context, key string, value []byte) (records.Revision, error) {
	if err := s.before("create " + kindOfKey(key)); err != nil {
		return 0, err
	}
	return s.Memory.Create(ctx, key, value)
}

func (s *shared) Replace(ctx context.Context, key string, value []byte, at records.Revision) (records.Revision, error) {
	if err := s.before("replace " + kindOfKey(key)); err != nil {
		return 0, err
	}
	return s.Memory.Replace(ctx, key, value, at)
}

func (s *shared) Delete(ctx context.Context, key string, at records.Revision) error {
	if err := s.before("delete " + kindOfKey(key)); err != nil {
		return err
	}
	err := s.Memory.Delete(ctx, key, at)
	s.after("delete " + kindOfKey(key))
	return err
}

func (s *shared) DeleteObject(ctx context.Context, name string) error {
	if err := s.before("remove object"); err != nil {
		return err
	}
	return s.Memory.DeleteObject(ctx, name)
}

func kindOfKey(key string) string {
	kind, _, _ := strings.Cut(key, ".")
	return kind
}

// process is a library over a shared store.
type process struct {
	*library.Library
	store *shared
	owner services.Caller
}

func join(t *testing.T, memory *recordstest.Memory, owner string) *process {
	t.Helper()
	store := &shared{Memory: memory, before: func(string) error { return nil }, after: func(string) {}}
	log := slog.New(slog.DiscardHandler)
	db := records.NewDatabase(store, log)
	p := &process{library.New(library.DefaultConfig(), db, log), store, services.Caller{Key: owner}}
	require.NoError(t, db.Start(t.Context()))
	require.True(t, db.AwaitReady(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Stop(context.Background())) })
	return p
}

func (p *process) put(ctx context.Context, content string) (id string, err error) {
	in, err := p.Receive(ctx, strings.NewReader(content), library.About{Owner: p.owner.Key})
	if err != nil {
		return "", err
	}
	_, _, err = p.Save(ctx, in, p.owner.Key)
	return in.ID, err
}

// reads reports whether the process' owner reads a recording.
func (p *process) reads(t *testing.T, id, content string) bool {
	t.Helper()
	file, _, err := p.Open(t.Context(), p.owner, id)
	if services.KindOf(err) == services.KindNotFound {
		return false
	}
	require.NoError(t, err)
	got, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, content, string(got))
	return true
}

// TestDeletingAgainstStoring stops one process before each of its writes while another does
// all of its work on the same recording: whoever stored it last has it.
func TestDeletingAgainstStoring(t *testing.T) {
	t.Parallel()
	for step := 1; ; step++ {
		memory := recordstest.NewMemory()
		a, b := join(t, memory, "a"), join(t, memory, "b")
		id, err := a.put(t.Context(), "clip")
		require.NoError(t, err)
		writes, stopped := 0, ""
		a.store.before = func(operation string) error {
			if writes++; writes == step {
				stopped = operation
				_, err := b.put(t.Context(), "clip")
				require.NoError(t, err)
			}
			return nil
		}
		require.NoError(t, a.Delete(t.Context(), a.owner, id))
		if stopped == "" {
			require.Equal(t, 4, step, "it has three writes")
			return
		}
		require.False(t, a.reads(t, id, "clip"), stopped)
		require.True(t, b.reads(t, id, "clip"), stopped)
	}
}

// TestStoringAgainstDeleting stops the process that stores instead.
func TestStoringAgainstDeleting(t *testing.T) {
	t.Parallel()
	for step := 1; ; step++ {
		memory := recordstest.NewMemory()
		a, b := join(t, memory, "a"), join(t, memory, "b")
		id, err := a.put(t.Context(), "clip")
		require.NoError(t, err)
		writes, stopped := 0, ""
		b.store.before = func(operation string) error {
			if writes++; writes == step {
				stopped = operation
				require.NoError(t, a.Delete(t.Context(), a.owner, id))
			}
			return nil
		}
		_, err = b.put(t.Context(), "clip")
		require.NoError(t, err, stopped)
		require.True(t, b.reads(t, id, "clip"), stopped)
		if stopped == "" {
			require.Equal(t, 3, step, "it has two writes")
			return
		}
		require.False(t, a.reads(t, id, "clip"), stopped)
	}
}

// TestDeletingWhatIsUsed has another process of the same owner use a recording just before its
// deletion.
func TestDeletingWhatIsUsed(t *testing.T) {
	t.Parallel()
	memory := recordstest.NewMemory()
	one, other := join(t, memory, "a"), join(t, memory, "a")
	id, err := one.put(t.Context(), "clip")
	require.NoError(t, err)
	used := 0
	one.store.before = func(operation string) error {
		if used++; operation == "delete ref" && used == 1 {
			in, err := other.Receive(t.Context(), strings.NewReader("clip"), library.About{Owner: "a", Name: "renamed.wav"})
			require.NoError(t, err)
			_, created, err := other.Save(t.Context(), in, "a")
			require.NoError(t, err)
			require.False(t, created)
		}
		return nil
	}
	require.NoError(t, one.Delete(t.Context(), one.owner, id))
	require.False(t, one.reads(t, id, "clip"))
	require.False(t, other.reads(t, id, "clip"))
}

// TestDeletingWhatIsStoredAnew stops one process between its ref and the content, in which
// time another deletes the content and a third begins to store it again.
func TestDeletingWhatIsStoredAnew(t *testing.T) {
	t.Parallel()
	memory := recordstest.NewMemory()
	a, b, c := join(t, memory, "a"), join(t, memory, "b"), join(t, memory, "c")
	id, err := a.put(t.Context(), "clip")
	require.NoError(t, err)
	_, err = c.put(t.Context(), "clip")
	require.NoError(t, err)
	stops := func() (stopped, proceed chan struct{}, stop func()) {
		stopped, proceed = make(chan struct{}), make(chan struct{})
		return stopped, proceed, sync.OnceFunc(func() { close(stopped); <-proceed })
	}
	deleting, goOnDeleting, stopDeleting := stops()
	storing, goOnStoring, stopStoring := stops()
	c.store.after = func(operation string) {
		if operation == "delete ref" {
			stopDeleting()
		}
	}
	b.store.before = func(operation string) error {
		if operation == "create ref" {
			stopStoring()
		}
		return nil
	}
	deleted, stored := make(chan error, 1), make(chan error, 1)
	go func() { deleted <- c.Delete(t.Context(), c.owner, id) }()
	<-deleting
	require.NoError(t, a.Delete(t.Context(), a.owner, id))
	go func() {
		_, err := b.put(t.Context(), "clip")
		stored <- err
	}()
	<-storing
	close(goOnDeleting)
	require.NoError(t, <-deleted)
	close(goOnStoring)
	require.NoError(t, <-stored)
	require.True(t, b.reads(t, id, "clip"))
}

// TestOwnersAtTheSameTime has owners in two processes, two in each, that store and delete one
// recording as fast as they can.
func TestOwnersAtTheSameTime(t *testing.T) {
	t.Parallel()
	memory := recordstest.NewMemory()
	one, two := join(t, memory, "a"), join(t, memory, "b")
	var owners sync.WaitGroup
	for i := range 4 {
		p := *one
		if i%2 == 1 {
			p = *two
		}
		p.owner = services.Caller{Key: fmt.Sprintf("owner-%d", i)}
		owners.Go(func() {
			for range 100 {
				id, err := p.put(t.Context(), "clip")
				if err != nil {
					t.Errorf("store: %v", err)
					return
				}
				if !p.reads(t, id, "clip") {
					t.Error("a recording is lost although its owner did not delete it")
					return
				}
				if err := p.Delete(t.Context(), p.owner, id); err != nil {
					t.Errorf("delete: %v", err)
					return
				}
				if p.reads(t, id, "clip") {
					t.Error("a deleted recording is still found")
					return
				}
			}
		})
	}
	owners.Wait()
}
