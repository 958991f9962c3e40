package natsstore

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func roomy(string) (services.Bytes, error) { return math.MaxInt64, nil }

// open opens a store in a folder, which is closed with the test.
func open(t *testing.T, dir string) *Store {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dir = dir
	s := New(cfg, roomy, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Start(t.Context()))
	require.Empty(t, s.Problem())
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t *testing.T, s *Store) {
	t.Helper()
	require.NoError(t, s.Stop(context.Background()))
}

func put(t *testing.T, s *Store, name string, content []byte) {
	t.Helper()
	require.NoError(t, records.PutObject(t.Context(), s, name, bytes.NewReader(content)))
}

func TestTheStoreInTheProcess(t *testing.T) { //nolint:tparallel // its parts build on each other
	t.Parallel()
	recordstest.Conform(t, open(t, t.TempDir()))
}

func TestNothingOfAReplacedObjectStays(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	put(t, s, "audio-twice", make([]byte, 600<<10))
	put(t, s, "audio-twice", []byte("new"))
	info, err := s.link.pieces.Info(t.Context(), jetstream.WithSubjectFilter(s.link.pieceSubject("*")))
	require.NoError(t, err)
	pieces := uint64(0)
	for _, n := range info.State.Subjects {
		pieces += n
	}
	require.EqualValues(t, 1, pieces)
}

func TestAnObjectThatLostAPieceIsDamaged(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := t.Context()
	for lost := range 3 {
		put(t, s, "audio-damaged", make([]byte, 600<<10))
		info, err := s.link.describe(ctx, "audio-damaged")
		require.NoError(t, err)
		first, err := s.link.pieces.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(s.link.pieceSubject(info.NUID)))
		require.NoError(t, err)
		require.NoError(t, s.link.pieces.DeleteMsg(ctx, first.Sequence+uint64(lost)))
		object, err := s.Object(ctx, "audio-damaged")
		require.NoError(t, err)
		_, err = io.ReadAll(object)
		require.ErrorIs(t, err, errDamaged, "piece %d", lost)
	}
}

func TestAReadingGoesOnWhenTheStoreIsOpenedAnew(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	content := recordstest.Random(1 << 20)
	put(t, s, "audio-a", content)
	object, err := s.Object(t.Context(), "audio-a")
	require.NoError(t, err)
	start := make([]byte, 300<<10)
	_, err = io.ReadFull(object, start)
	require.NoError(t, err)
	s.reopen(s.link)
	rest, err := io.ReadAll(object)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, append(start, rest...)))
}

// TestStartAndStop starts and stops stores in every order at once.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	for range 6 {
		cfg := DefaultConfig()
		cfg.Dir = t.TempDir()
		s := New(cfg, roomy, slog.New(slog.DiscardHandler))
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { _ = s.Start(t.Context()) }) // one at most succeeds
			all.Go(func() { assert.NoError(t, s.Stop(t.Context())) })
		}
		all.Wait()
		shut(t, s)
		require.Error(t, s.Start(t.Context()), "a stopped store stays stopped")
		_, _, err := s.Read(t.Context(), "job.a")
		require.Equal(t, services.KindUnavailable, services.KindOf(err))
	}
}

func TestWhatWasWrittenSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	at, err := first.Create(t.Context(), "job.a", []byte("kept"))
	require.NoError(t, err)
	require.NoError(t, records.PutObject(t.Context(), first, "audio-a", strings.NewReader("sound")))
	shut(t, first)
	_, _, err = first.Read(t.Context(), "job.a")
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	second := open(t, dir)
	value, read, err := second.Read(t.Context(), "job.a")
	require.NoError(t, err)
	require.Equal(t, "kept", string(value))
	require.Equal(t, at, read)
	require.Equal(t, "sound", string(recordstest.Content(t, second, "audio-a")))
}

func TestAStoreThatCannotOpenSaysSo(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(cfg.Dir, nil, 0o600))
	s := New(cfg, roomy, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { shut(t, s) })
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
	ctx, bucket := t.Context(), s.link.records
	meets := func(refusals int, wins string) {
		c := &contended{KeyValue: bucket, refusals: refusals}
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
	require.ErrorIs(t, err, records.ErrExists)
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
	require.ErrorIs(t, err, records.ErrConflict)
}

func TestAStoreThatIsNotOpenStillReportsAFullDisk(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(cfg.Dir, nil, 0o600))
	free := services.Bytes(0)
	s := New(cfg, func(string) (services.Bytes, error) { return free, nil }, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { shut(t, s) })
	require.Equal(t, services.KindFull, services.KindOf(s.Room(1)))
	free = math.MaxInt64
	require.Equal(t, services.KindUnavailable, services.KindOf(s.Room(1)))
}
