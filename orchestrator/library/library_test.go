package library_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a library over a store in memory.
type shelf struct {
	*library.Library
	db    *records.Database
	store *recordstest.Memory
	mu    sync.Mutex
	needs map[string]string
}

func over(store *recordstest.Memory, change ...func(*library.Config)) *shelf {
	cfg := library.DefaultConfig()
	for _, apply := range change {
		apply(&cfg)
	}
	log := slog.New(slog.DiscardHandler)
	s := &shelf{db: records.NewDatabase(store, log), store: store, needs: make(map[string]string)}
	s.Library = library.New(cfg, s.db, log)
	s.OnNeeds(func(need library.Need) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for id, by := range s.needs {
			need("key-1", id, by)
		}
	})
	return s
}

func (s *shelf) need(id, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.needs[id] = by
}

func (s *shelf) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.needs, id)
}

func (s *shelf) start(t *testing.T) {
	t.Helper()
	require.NoError(t, s.db.Start(t.Context()))
	require.True(t, s.db.AwaitReady(t.Context()))
}

func (s *shelf) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.db.Stop(context.Background()))
}

func (s *shelf) receive(t *testing.T, content string) *library.Incoming {
	t.Helper()
	in, err := s.Receive(t.Context(), strings.NewReader(content), library.About{Owner: "key-1", Name: "/tmp/a.wav", ContentType: "audio/wav"})
	require.NoError(t, err)
	return in
}

func (s *shelf) add(t *testing.T, content string) library.Recording {
	t.Helper()
	recording, _, err := s.Save(t.Context(), s.receive(t, content), "key-1")
	require.NoError(t, err)
	return recording
}

// objects returns the ids of the recordings whose bytes lie in the store.
func (s *shelf) objects(t *testing.T) (ids []string) {
	t.Helper()
	names, err := s.store.Objects(t.Context())
	require.NoError(t, err)
	for _, name := range names {
		id, _, found := strings.Cut(strings.TrimPrefix(name, "audio-"), "-")
		if !found || len(id) < 64 {
			id = strings.TrimPrefix(name, "audio-")
		}
		ids = append(ids, id)
	}
	return ids
}

// listed returns the ids of the recordings in a caller's list.
func (s *shelf) listed(t *testing.T, caller services.Caller) (ids []string) {
	t.Helper()
	page, err := s.List(t.Context(), caller, 200, "")
	require.NoError(t, err)
	for _, one := range page.Data {
		ids = append(ids, one.ID)
	}
	return ids
}

// mine is the caller to whom most recordings of the tests belong.
var mine = services.Caller{Key: "key-1"}

func kindOf(_ any, err error) services.Kind { return services.KindOf(err) }

func TestARecordingIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := over(recordstest.NewMemory(), func(c *library.Config) { c.Quota = 130 })
	s.start(t)
	defer s.stop(t)
	in := s.receive(t, strings.Repeat("a", 60))
	require.Len(t, in.ID, 64)
	require.Equal(t, strings.Repeat("a", 60), string(in.Head()))
	require.Empty(t, s.objects(t), "it has no name before it is saved")
	first, created, err := s.Save(t.Context(), in, "key-1")
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, in.ID, first.ID)
	require.Equal(t, first.Used.Add(24*time.Hour), first.Expires)
	_, created, err = s.Save(t.Context(), s.receive(t, strings.Repeat("a", 60)), "key-2")
	require.NoError(t, err)
	require.True(t, created, "the first of this owner")
	for _, owner := range []string{"key-1", "key-2"} {
		_, created, err = s.Save(t.Context(), s.receive(t, strings.Repeat("a", 60)), owner)
		require.NoError(t, err, "a repetition needs no room")
		require.False(t, created)
	}
	for _, content := range []string{"a", "b"} {
		_, _, err = s.Save(t.Context(), s.receive(t, strings.Repeat(content, 60)), "")
		require.Equal(t, services.KindFull, services.KindOf(err), "also of what others have")
		require.ErrorContains(t, err, "130 bytes for all")
		require.NotContains(t, err.Error(), "120", "what others have")
	}
	require.Equal(t, []string{first.ID}, s.objects(t))
	require.EqualValues(t, 60, s.Bytes())
	_, err = s.Receive(t.Context(), strings.NewReader(strings.Repeat("c", 131)), library.About{})
	require.Equal(t, services.KindFull, services.KindOf(err), "more than all may have is refused while it comes")
	_, err = s.Receive(t.Context(), strings.NewReader(strings.Repeat("c", 130)), library.About{})
	require.NoError(t, err)

	require.NoError(t, s.Delete(t.Context(), mine, first.ID))
	require.Equal(t, []string{first.ID}, s.objects(t))
	require.NoError(t, s.Delete(t.Context(), services.Caller{Key: "key-2"}, first.ID))
	require.Empty(t, s.objects(t))
	require.Zero(t, s.Bytes())
	require.Equal(t, services.KindNotFound, kindOf(s.Describe(t.Context(), mine, first.ID)))
	require.Equal(t, services.KindNotFound, services.KindOf(s.Delete(t.Context(), mine, first.ID)))
	require.NotEmpty(t, s.add(t, strings.Repeat("b", 60)).ID, "there is room again")
}

// TestARecordingIsWrittenOnce counts what is written for an upload, its reading by
// a job and its download.
func TestARecordingIsWrittenOnce(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	writes := make(map[string]int)
	store.Before = func(operation, key string) error {
		kind, _, _ := strings.Cut(key, ".")
		if kind = strings.SplitN(kind, "-", 2)[0]; kind != "" {
			operation += " " + kind
		}
		writes[operation]++
		return nil
	}
	s := over(store)
	recording := s.add(t, "hello")
	source, err := s.Source(t.Context(), recording.ID)
	require.NoError(t, err)
	for range 3 {
		file, err := source.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, "hello", string(content))
	}
	id, err := s.KeepAudio(t.Context(), "key-1", source)
	require.NoError(t, err)
	require.Equal(t, recording.ID, id)
	file, _, err := s.Open(t.Context(), mine, recording.ID)
	require.NoError(t, err)
	_, err = file.Seek(3, io.SeekStart)
	require.NoError(t, err)
	rest, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "lo", string(rest))
	require.Equal(t, map[string]int{"stage": 1, "commit audio": 1, "create audio": 1, "create ref": 1}, writes)
	same, release, err := s.Import(t.Context(), source, library.About{Owner: "key-1"})
	require.NoError(t, err)
	release()
	require.Equal(t, recording.ID, same.ID)
	require.Equal(t, 1, writes["stage"], "what the library has is not written again")
}

func TestARecordingStoredForItsOwnSakeOutlivesConversations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := over(recordstest.NewMemory())
		s.start(t)
		defer s.stop(t)
		id, err := s.KeepAudio(t.Context(), "key-1", memory("first a conversation"))
		require.NoError(t, err)
		_, before, err := s.store.Read(t.Context(), "ref.key-1."+id)
		require.NoError(t, err)
		require.Empty(t, s.listed(t, mine))
		_, err = s.KeepAudio(t.Context(), "key-1", memory("first a conversation"))
		require.NoError(t, err)
		_, again, err := s.store.Read(t.Context(), "ref.key-1."+id)
		require.NoError(t, err)
		require.Greater(t, again, before, "whoever is about to delete it must see that it is wanted again")
		require.Equal(t, id, s.add(t, "first a conversation").ID)
		require.Equal(t, []string{id}, s.listed(t, mine))
		stored := s.add(t, "first for its own sake")
		_, err = s.KeepAudio(t.Context(), "key-1", memory("first for its own sake"))
		require.NoError(t, err)
		require.ElementsMatch(t, []string{stored.ID, id}, s.listed(t, mine))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.ElementsMatch(t, []string{stored.ID, id}, s.objects(t))
	})
}

// memory is a recording in memory.
type memory string

func (m memory) Open() (io.ReadSeekCloser, error) {
	return nopCloser{strings.NewReader(string(m))}, nil
}

func (m memory) Size() int64 { return int64(len(m)) }

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// failing is a store whose objects cannot be read to their end.
type failing struct {
	*recordstest.Memory
	err error
}

func (f *failing) Object(ctx context.Context, name string) (records.Object, error) {
	object, err := f.Memory.Object(ctx, name)
	return &cut{object, f.err, 0}, err
}

type cut struct {
	records.Object
	err  error
	read int
}

func (c *cut) Read(p []byte) (int, error) {
	if c.err != nil && c.read >= 3 {
		return 0, c.err
	}
	n, err := c.Object.Read(p[:min(len(p), 3)])
	c.read += n
	return n, err
}

func TestAFaultOfTheStoreIsNotedByTheSource(t *testing.T) {
	t.Parallel()
	store := &failing{Memory: recordstest.NewMemory()}
	log := slog.New(slog.DiscardHandler)
	l := library.New(library.DefaultConfig(), records.NewDatabase(store, log), log)
	// A short one would have been read to its end already.
	in, err := l.Receive(t.Context(), strings.NewReader(strings.Repeat("hello", 30_000)), library.About{})
	require.NoError(t, err)
	_, _, err = l.Save(t.Context(), in, "")
	require.NoError(t, err)
	source, err := l.Source(t.Context(), in.ID)
	require.NoError(t, err)
	store.err = services.Faultf(services.KindUnavailable, "the store is down")
	file, err := source.Open()
	require.NoError(t, err)
	_, err = io.ReadAll(file)
	require.ErrorIs(t, err, store.err)
	require.ErrorIs(t, source.Err(), store.err)

	ctx, cancel := context.WithCancelCause(t.Context())
	source, err = l.Source(ctx, in.ID)
	require.NoError(t, err)
	cause := errors.New("cancelled")
	cancel(cause)
	file, err = source.Open()
	require.NoError(t, err)
	_, err = io.ReadAll(file)
	require.ErrorIs(t, err, cause)
	require.NoError(t, source.Err(), "the end of the reader's context is no fault of the store")
}

// rival is a store in which another process is always the first to write a
// record, and deletes it again if asked to.
type rival struct {
	*recordstest.Memory
	deletes bool
}

func (r *rival) Create(ctx context.Context, key string, value []byte) (records.Revision, error) {
	if !r.deletes {
		if _, err := r.Memory.Create(ctx, key, value); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("record %s %w", key, records.ErrExists)
}

func TestARecordingStoredByAnotherProcessAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, deletes := range []bool{false, true} {
		store := &rival{recordstest.NewMemory(), deletes}
		log := slog.New(slog.DiscardHandler)
		l := library.New(library.DefaultConfig(), records.NewDatabase(store, log), log)
		in, err := l.Receive(t.Context(), strings.NewReader("of both"), library.About{})
		require.NoError(t, err)
		recording, created, err := l.Save(t.Context(), in, "")
		require.False(t, created)
		if deletes {
			require.Equal(t, services.KindBusy, services.KindOf(err))
			continue
		}
		require.NoError(t, err)
		require.EqualValues(t, len("of both"), recording.Bytes)
	}
}

func TestARepetitionIsRecognizedOnAFullDisk(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	s := over(store)
	s.start(t)
	defer s.stop(t)
	one := s.add(t, "hello")
	full := services.Faultf(services.KindFull, "the disk is full")
	store.SetRoom(full)
	store.Before = func(operation, key string) error { return fmt.Errorf("%s %s is a write", operation, key) }
	_, err := s.Receive(t.Context(), strings.NewReader("hello"), library.About{Owner: "key-2", Bytes: 5})
	require.ErrorIs(t, err, full, "what another has is not recognized")
	about := library.About{Owner: "key-1", Bytes: 5}
	in, err := s.Receive(t.Context(), strings.NewReader("hello"), about)
	require.NoError(t, err)
	require.Equal(t, int64(5), in.Size())
	require.Equal(t, "hello", string(in.Head()))
	file, err := in.Source(t.Context()).Open()
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Equal(t, "hello", string(content))
	saved, created, err := s.Save(t.Context(), in, "key-1")
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, one.ID, saved.ID)
	_, err = s.Receive(t.Context(), strings.NewReader("other"), about)
	require.ErrorIs(t, err, full)
	store.Before = nil
	require.NoError(t, s.Delete(t.Context(), mine, one.ID))
	_, _, err = s.Save(t.Context(), in, "key-1")
	require.ErrorIs(t, err, full)
	require.NoError(t, in.Discard(t.Context()))
}
