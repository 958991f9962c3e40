// Package recordstest is the conformance suite of records.Store. Every adapter
// runs it.
package recordstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// Conform tests a store, which must be empty. Its parts depend on each other.
func Conform(t *testing.T, s records.Store) { //nolint:thelper // it is the test
	t.Run("a record is created once", func(t *testing.T) { created(t, s) })
	t.Run("a record is replaced at its revision only", func(t *testing.T) { replaced(t, s) })
	t.Run("a missing record is told apart from a failure", func(t *testing.T) { missing(t, s) })
	t.Run("a watch reports what is there and what comes", func(t *testing.T) { watched(t, s) })
	t.Run("objects of any size come back as they were", func(t *testing.T) { objects(t, s) })
	t.Run("objects are read from anywhere", func(t *testing.T) { sought(t, s) })
	t.Run("an object is replaced whole", func(t *testing.T) { replacedObject(t, s) })
	t.Run("a staged object has no name until it is committed", func(t *testing.T) { staged(t, s) })
	t.Run("an object whose source breaks off does not exist", func(t *testing.T) { broken(t, s) })
	t.Run("tidying takes nothing that is needed", func(t *testing.T) {
		require.NoError(t, s.Tidy(t.Context()))
		require.Len(t, Content(t, s, "audio-small"), 10)
	})
}

// Content returns the content of an object.
func Content(t *testing.T, s records.Store, name string) []byte {
	t.Helper()
	object, err := s.Object(t.Context(), name)
	require.NoError(t, err)
	content, err := io.ReadAll(object)
	require.NoError(t, err)
	require.EqualValues(t, len(content), object.Size())
	require.NoError(t, object.Close())
	return content
}

func created(t *testing.T, s records.Store) {
	t.Helper()
	ctx := t.Context()
	at, err := s.Create(ctx, "job.a", []byte("1"))
	require.NoError(t, err)
	_, err = s.Create(ctx, "job.a", []byte("2"))
	require.ErrorIs(t, err, records.ErrExists)
	value, read, err := s.Read(ctx, "job.a")
	require.NoError(t, err)
	require.Equal(t, "1", string(value))
	require.Equal(t, at, read)
}

func replaced(t *testing.T, s records.Store) {
	t.Helper()
	ctx := t.Context()
	at, err := s.Create(ctx, "job.b", []byte("1"))
	require.NoError(t, err)
	next, err := s.Replace(ctx, "job.b", []byte("2"), at)
	require.NoError(t, err)
	require.Greater(t, next, at)
	_, err = s.Replace(ctx, "job.b", []byte("3"), at)
	require.ErrorIs(t, err, records.ErrConflict)
	require.ErrorIs(t, s.Delete(ctx, "job.b", at), records.ErrConflict)
	require.NoError(t, s.Delete(ctx, "job.b", next))
	_, _, err = s.Read(ctx, "job.b")
	require.ErrorIs(t, err, records.ErrMissing)
	_, err = s.Replace(ctx, "job.b", []byte("4"), next)
	require.ErrorIs(t, err, records.ErrConflict)
	_, err = s.Create(ctx, "job.b", []byte("5"))
	require.NoError(t, err, "a deleted record's key is free")
}

func missing(t *testing.T, s records.Store) {
	t.Helper()
	for _, key := range []string{"job.never", "job.a b*>"} {
		_, _, err := s.Read(t.Context(), key)
		require.ErrorIs(t, err, records.ErrMissing)
	}
}

func watched(t *testing.T, s records.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan records.Change, 100)
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, func(c records.Change) { changes <- c }) }()
	seen := map[string]string{}
	for c := range changes {
		if c.CaughtUp {
			break
		}
		if c.Value != nil {
			seen[c.Key] = string(c.Value)
		}
	}
	require.Equal(t, map[string]string{"job.a": "1", "job.b": "5"}, seen)
	at, err := s.Create(ctx, "job.c", []byte("x"))
	require.NoError(t, err)
	require.Equal(t, records.Change{Key: "job.c", Value: []byte("x"), Revision: at}, <-changes)
	require.NoError(t, s.Delete(ctx, "job.c", at))
	gone := <-changes
	require.Equal(t, "job.c", gone.Key)
	require.Nil(t, gone.Value)
	require.Greater(t, gone.Revision, at)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// Random returns size random bytes.
func Random(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails, by its documentation
	return content
}

func objects(t *testing.T, s records.Store) {
	t.Helper()
	ctx := t.Context()
	for name, size := range map[string]int{"audio-empty": 0, "audio-small": 10, "audio-large": 3<<20 + 7} {
		content := Random(size)
		require.NoError(t, records.PutObject(ctx, s, name, bytes.NewReader(content)))
		require.True(t, bytes.Equal(content, Content(t, s, name)), name)
	}
	names, err := s.Objects(ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"audio-empty", "audio-small", "audio-large"}, names)
	require.NoError(t, s.DeleteObject(ctx, "audio-large"))
	require.NoError(t, s.DeleteObject(ctx, "audio-never"))
	_, err = s.Object(ctx, "audio-large")
	require.ErrorIs(t, err, records.ErrMissing)
	_, err = s.Object(ctx, "audio-never")
	require.ErrorIs(t, err, records.ErrMissing)
}

// sought writes two objects concurrently, so that their pieces interleave, and reads
// both from many offsets.
func sought(t *testing.T, s records.Store) {
	t.Helper()
	ctx := t.Context()
	first, second := Random(2<<20+5), Random(2<<20+5)
	turns := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		done <- records.PutObject(ctx, s, "audio-first", &alternating{Reader: bytes.NewReader(first), turns: turns, takes: true})
	}()
	require.NoError(t, records.PutObject(ctx, s, "audio-second", &alternating{Reader: bytes.NewReader(second), turns: turns}))
	close(turns)
	require.NoError(t, <-done)
	for name, content := range map[string][]byte{"audio-first": first, "audio-second": second} {
		object, err := s.Object(ctx, name)
		require.NoError(t, err)
		for _, at := range []int64{2<<20 + 4, 0, 1 << 20, 1<<20 - 3, 256 << 10, 2<<20 - 1, 2<<20 + 5, 5} {
			got, err := object.Seek(at, io.SeekStart)
			require.NoError(t, err)
			require.Equal(t, at, got)
			part := make([]byte, 300<<10)
			n, err := io.ReadFull(object, part)
			if err != nil {
				require.Contains(t, []error{io.EOF, io.ErrUnexpectedEOF}, err)
			}
			require.True(t, bytes.Equal(content[at:min(len(content), int(at)+len(part))], part[:n]), "%s at %d", name, at)
		}
		end, err := object.Seek(-5, io.SeekEnd)
		require.NoError(t, err)
		rest, err := io.ReadAll(object)
		require.NoError(t, err)
		require.Equal(t, content[end:], rest)
		_, err = object.Seek(-1, io.SeekStart)
		require.Error(t, err)
		require.NoError(t, s.DeleteObject(ctx, name))
	}
}

// alternating is a reader that alternates with another one after every 256 KiB.
type alternating struct {
	*bytes.Reader
	turns chan struct{}
	takes bool
	read  int
}

// Read implements io.Reader.
func (a *alternating) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	for a.read += n; a.read >= 256<<10; a.read -= 256 << 10 {
		if a.takes {
			<-a.turns
		} else {
			a.turns <- struct{}{}
		}
	}
	return n, err
}

func replacedObject(t *testing.T, s records.Store) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, records.PutObject(ctx, s, "audio-twice", bytes.NewReader(make([]byte, 600<<10))))
	require.NoError(t, records.PutObject(ctx, s, "audio-twice", bytes.NewReader([]byte("new"))))
	require.Equal(t, "new", string(Content(t, s, "audio-twice")))
	require.NoError(t, s.DeleteObject(ctx, "audio-twice"))
}

func staged(t *testing.T, s records.Store) {
	t.Helper()
	ctx := t.Context()
	content := Random(700 << 10)
	one, err := s.Stage(ctx, bytes.NewReader(content))
	require.NoError(t, err)
	require.EqualValues(t, len(content), one.Size())
	read, err := io.ReadAll(one.Open(ctx))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, read))
	names, err := s.Objects(ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"audio-empty", "audio-small"}, names)
	require.NoError(t, s.Tidy(ctx))
	require.NoError(t, one.Commit(ctx, "audio-staged"))
	require.NoError(t, one.Discard(ctx), "it does nothing any more")
	require.True(t, bytes.Equal(content, Content(t, s, "audio-staged")))
	require.NoError(t, s.DeleteObject(ctx, "audio-staged"))
	one, err = s.Stage(ctx, bytes.NewReader(content))
	require.NoError(t, err)
	require.NoError(t, one.Discard(ctx))
	_, err = io.ReadAll(one.Open(ctx))
	require.Error(t, err, "its bytes are gone")
}

// broken stores from readers that fail at once, within a piece and between pieces, each
// with a custom error and with io.ErrUnexpectedEOF.
func broken(t *testing.T, s records.Store) {
	t.Helper()
	for _, failure := range []error{io.ErrNoProgress, io.ErrUnexpectedEOF} {
		for _, before := range []int{0, 10, 300 << 10, 512 << 10} {
			source := io.MultiReader(bytes.NewReader(make([]byte, before)), failing{failure})
			require.ErrorIs(t, records.PutObject(t.Context(), s, "audio-broken", source), failure)
			_, err := s.Object(t.Context(), "audio-broken")
			require.ErrorIs(t, err, records.ErrMissing)
		}
	}
}

type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
