package natsstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func roomy(string) (services.Bytes, error) { return math.MaxInt64, nil }

// open opens a store in a folder, which is closed with the test.
func open(t *testing.T, dir string) *Store {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dir = dir
	s := Open(t.Context(), cfg, roomy, slog.New(slog.DiscardHandler))
	require.Empty(t, s.Problem())
	t.Cleanup(s.Close)
	return s
}

// stored reads an object whole.
func stored(t *testing.T, s *Store, name string) []byte {
	t.Helper()
	object, err := s.Object(t.Context(), name)
	require.NoError(t, err)
	content, err := io.ReadAll(object)
	require.NoError(t, err)
	require.NoError(t, object.Close())
	return content
}

// conform is what every store must do, wherever it keeps things. Its parts build
// on each other.
func conform(t *testing.T, s *Store) { //nolint:thelper // it is the test
	ctx := t.Context()
	t.Run("a record is created once", func(t *testing.T) {
		at, err := s.Create(ctx, "job.a", []byte("1"))
		require.NoError(t, err)
		_, err = s.Create(ctx, "job.a", []byte("2"))
		require.ErrorIs(t, err, jobs.ErrExists)
		value, read, err := s.Read(ctx, "job.a")
		require.NoError(t, err)
		require.Equal(t, "1", string(value))
		require.Equal(t, at, read)
	})
	t.Run("a record is replaced at its revision only", func(t *testing.T) {
		at, err := s.Create(ctx, "job.b", []byte("1"))
		require.NoError(t, err)
		next, err := s.Replace(ctx, "job.b", []byte("2"), at)
		require.NoError(t, err)
		require.Greater(t, next, at)
		_, err = s.Replace(ctx, "job.b", []byte("3"), at)
		require.ErrorIs(t, err, jobs.ErrConflict)
		require.ErrorIs(t, s.Delete(ctx, "job.b", at), jobs.ErrConflict)
		require.NoError(t, s.Delete(ctx, "job.b", next))
		_, _, err = s.Read(ctx, "job.b")
		require.ErrorIs(t, err, jobs.ErrMissing)
		_, err = s.Replace(ctx, "job.b", []byte("4"), next)
		require.ErrorIs(t, err, jobs.ErrConflict)
		_, err = s.Create(ctx, "job.b", []byte("5"))
		require.NoError(t, err, "a deleted record's key is free")
	})
	t.Run("a missing record is told apart from a failure", func(t *testing.T) {
		_, _, err := s.Read(ctx, "job.never")
		require.ErrorIs(t, err, jobs.ErrMissing)
		_, _, err = s.Read(ctx, "job.a b*>")
		require.ErrorIs(t, err, jobs.ErrMissing)
	})
	t.Run("a watch tells what is there and what comes", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		changes := make(chan jobs.Change, 100)
		ended := make(chan error, 1)
		go func() { ended <- s.Watch(ctx, func(c jobs.Change) { changes <- c }) }()
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
		require.Equal(t, jobs.Change{Key: "job.c", Value: []byte("x"), Revision: at}, <-changes)
		require.NoError(t, s.Delete(ctx, "job.c", at))
		gone := <-changes
		require.Equal(t, "job.c", gone.Key)
		require.Nil(t, gone.Value)
		require.Greater(t, gone.Revision, at)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	t.Run("objects of any size come back as they were", func(t *testing.T) {
		for name, size := range map[string]int{"audio-empty": 0, "audio-small": 10, "audio-large": 3<<20 + 7} {
			content := make([]byte, size)
			_, _ = rand.Read(content)
			require.NoError(t, s.PutObject(ctx, name, bytes.NewReader(content)))
			require.True(t, bytes.Equal(content, stored(t, s, name)), name)
		}
		names, err := s.Objects(ctx)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"audio-empty", "audio-small", "audio-large"}, names)
		require.NoError(t, s.DeleteObject(ctx, "audio-large"))
		require.NoError(t, s.DeleteObject(ctx, "audio-never"))
		_, err = s.Object(ctx, "audio-large")
		require.ErrorIs(t, err, jobs.ErrMissing)
		_, err = s.Object(ctx, "audio-never")
		require.ErrorIs(t, err, jobs.ErrMissing)
	})
	t.Run("an object is replaced, and nothing of it stays", func(t *testing.T) {
		require.NoError(t, s.PutObject(ctx, "audio-twice", bytes.NewReader(make([]byte, 600<<10))))
		require.NoError(t, s.PutObject(ctx, "audio-twice", bytes.NewReader([]byte("new"))))
		require.Equal(t, "new", string(stored(t, s, "audio-twice")))
		info, err := s.link.pieces.Info(ctx, jetstream.WithSubjectFilter(s.link.pieceSubject("*")))
		require.NoError(t, err)
		pieces := uint64(0)
		for _, n := range info.State.Subjects {
			pieces += n
		}
		require.EqualValues(t, 2, pieces, "of audio-small and audio-twice")
		require.NoError(t, s.DeleteObject(ctx, "audio-twice"))
	})
	t.Run("an object that lost a piece is damaged", func(t *testing.T) {
		require.NoError(t, s.PutObject(ctx, "audio-damaged", bytes.NewReader(make([]byte, 600<<10))))
		info, err := s.link.describe(ctx, "audio-damaged")
		require.NoError(t, err)
		first, err := s.link.pieces.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(s.link.pieceSubject(info.NUID)))
		require.NoError(t, err)
		require.NoError(t, s.link.pieces.DeleteMsg(ctx, first.Sequence))
		object, err := s.Object(ctx, "audio-damaged")
		require.NoError(t, err)
		_, err = io.ReadAll(object)
		require.ErrorIs(t, err, errDamaged)
		require.NoError(t, s.DeleteObject(ctx, "audio-damaged"))
	})
	t.Run("an object whose source breaks off does not exist", func(t *testing.T) {
		broken := io.MultiReader(bytes.NewReader(make([]byte, 300<<10)), failingReader{})
		require.ErrorIs(t, s.PutObject(ctx, "audio-broken", broken), errBroken)
		_, err := s.Object(ctx, "audio-broken")
		require.ErrorIs(t, err, jobs.ErrMissing)
	})
	t.Run("tidying takes nothing that is needed", func(t *testing.T) {
		require.NoError(t, s.Tidy(ctx))
		require.Len(t, stored(t, s, "audio-small"), 10)
	})
}

var errBroken = io.ErrNoProgress

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errBroken }

func TestTheStoreInTheProcess(t *testing.T) { //nolint:tparallel // its parts build on each other
	t.Parallel()
	conform(t, open(t, t.TempDir()))
}

func TestWhatWasWrittenSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	at, err := first.Create(t.Context(), "job.a", []byte("kept"))
	require.NoError(t, err)
	require.NoError(t, first.PutObject(t.Context(), "audio-a", bytes.NewReader([]byte("sound"))))
	first.Close()
	_, _, err = first.Read(t.Context(), "job.a")
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	second := open(t, dir)
	value, read, err := second.Read(t.Context(), "job.a")
	require.NoError(t, err)
	require.Equal(t, "kept", string(value))
	require.Equal(t, at, read)
	require.Equal(t, "sound", string(stored(t, second, "audio-a")))
}

func TestAStoreThatCannotOpenSaysSo(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(cfg.Dir, nil, 0o600))
	s := Open(t.Context(), cfg, roomy, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	require.Contains(t, s.Problem(), "jobs.dir")
	_, err := s.Create(t.Context(), "job.a", nil)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
}

// contended are records that another writer is always about to write: as many
// writes as said are refused although nothing can be read yet.
type contended struct {
	jetstream.KeyValue
	refusals int
	// wins has the other write arrive, instead of failing, at the last refusal.
	wins []byte
}

func (c *contended) refuse(ctx context.Context, key string, at uint64) error {
	if c.refusals == 0 {
		return nil
	}
	c.refusals--
	if c.refusals == 0 && c.wins != nil {
		var err error
		if at == 0 {
			_, err = c.KeyValue.Create(ctx, key, c.wins)
		} else {
			_, err = c.KeyValue.Update(ctx, key, c.wins, at)
		}
		if err != nil {
			return err
		}
	}
	return jetstream.ErrKeyExists
}

func (c *contended) Create(ctx context.Context, key string, value []byte, options ...jetstream.KVCreateOpt) (uint64, error) {
	if err := c.refuse(ctx, key, 0); err != nil {
		return 0, err
	}
	return c.KeyValue.Create(ctx, key, value, options...)
}

func (c *contended) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := c.refuse(ctx, key, revision); err != nil {
		return 0, err
	}
	return c.KeyValue.Update(ctx, key, value, revision)
}

func TestAWriteThatMeetsAnotherUnderWayWaitsForItsEnd(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx, records := t.Context(), s.link.records
	meets := func(refusals int, wins string) {
		c := &contended{KeyValue: records, refusals: refusals}
		if wins != "" {
			c.wins = []byte(wins)
		}
		s.link.records = c
	}
	meets(2, "")
	first, err := s.Create(ctx, "job.a", []byte("1"))
	require.NoError(t, err, "the other write failed")
	meets(2, "theirs")
	_, err = s.Create(ctx, "job.b", []byte("1"))
	require.ErrorIs(t, err, jobs.ErrExists)
	value, _, err := s.Read(ctx, "job.b")
	require.NoError(t, err, "what exists can be read")
	require.Equal(t, "theirs", string(value))
	meets(2, "ours")
	_, err = s.Create(ctx, "job.c", []byte("ours"))
	require.NoError(t, err, "the other write was an earlier try of this one")

	meets(2, "")
	second, err := s.Replace(ctx, "job.a", []byte("2"), first)
	require.NoError(t, err)
	meets(2, "theirs")
	_, err = s.Replace(ctx, "job.a", []byte("3"), second)
	require.ErrorIs(t, err, jobs.ErrConflict)
}

func TestAStoreThatIsNotOpenStillTellsOfAFullDisk(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(cfg.Dir, nil, 0o600))
	free := services.Bytes(0)
	s := Open(t.Context(), cfg, func(string) (services.Bytes, error) { return free, nil }, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	require.Equal(t, services.KindFull, services.KindOf(s.Room(1)))
	free = math.MaxInt64
	require.Equal(t, services.KindUnavailable, services.KindOf(s.Room(1)))
}
