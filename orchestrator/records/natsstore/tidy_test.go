package natsstore

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
)

func TestTidyingLeavesWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	content := make([]byte, 300<<10)
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			if err := records.PutObject(t.Context(), s, fmt.Sprintf("audio-%d", i), bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
		})
		if err := s.Tidy(t.Context()); err != nil {
			t.Error(err)
		}
		s.link.sifted.Store(false)
	}
	writers.Wait()
	for i := range 20 {
		require.Len(t, recordstest.Content(t, s, fmt.Sprintf("audio-%d", i)), len(content))
	}
}

func TestListingDoesNotWaitForWhatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, records.PutObject(ctx, s, "audio-stays", bytes.NewReader([]byte("sound"))))
	deleting, ended := context.WithCancel(ctx)
	var deleter sync.WaitGroup
	deleter.Go(func() {
		defer ended()
		for i := range 200 {
			name := fmt.Sprintf("audio-%d", i)
			if err := records.PutObject(ctx, s, name, bytes.NewReader([]byte("sound"))); err != nil {
				t.Error(err)
				return
			}
			if err := s.DeleteObject(ctx, name); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for deleting.Err() == nil {
		s.link.sifted.Store(false)
		require.NoError(t, s.Tidy(ctx))
		names, err := s.Objects(ctx)
		require.NoError(t, err)
		require.Contains(t, names, "audio-stays")
	}
	deleter.Wait()
	names, err := s.Objects(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"audio-stays"}, names)
}

// count returns how many messages of a stream match a subject.
func count(t *testing.T, stream jetstream.Stream, filter string) int {
	t.Helper()
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(filter))
	require.NoError(t, err)
	return len(info.State.Subjects)
}

func TestTidyingRemovesOldMarksOfDeletedRecords(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	changes := make(chan records.Change, 100)
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, func(c records.Change) { changes <- c }) }()
	require.True(t, (<-changes).CaughtUp)
	for _, key := range []string{"job.old", "job.new", "job.again"} {
		at, err := s.Create(ctx, key, []byte("1"))
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, key, at))
		for (<-changes).Value != nil { // its creation is reported only if the watch is fast enough
		}
	}
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	for key, m := range s.left.old(time.Now().Add(time.Hour)) {
		if key != "job.new" {
			m.made = m.made.Add(-markerAge - time.Minute)
			s.left.markers[key] = m
		}
	}
	// Nobody watches: that it is back is not known yet.
	_, err := s.Create(t.Context(), "job.again", []byte("2"))
	require.NoError(t, err)
	require.NoError(t, s.Tidy(t.Context()))
	require.Zero(t, count(t, s.link.table, "$KV.*.job.old"))
	require.Equal(t, 1, count(t, s.link.table, "$KV.*.job.new"))
	value, _, err := s.Read(t.Context(), "job.again")
	require.NoError(t, err)
	require.Equal(t, "2", string(value))
	require.Len(t, s.left.markers, 1, "what is done is not done again")
}

func TestTheFirstTidyingRemovesWhatAnEarlierProcessLeft(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := t.Context()
	l := s.link
	// Pieces that nothing names, and the mark of an object that the object store's own client deleted.
	require.NoError(t, l.publish(ctx, &nats.Msg{Subject: l.pieceSubject("cut-off"), Data: []byte("sound")}, "cut-off-0"))
	for _, name := range []string{"audio-marked", "audio-stays"} {
		require.NoError(t, records.PutObject(ctx, s, name, bytes.NewReader([]byte("sound"))))
	}
	objects, err := l.js.ObjectStore(ctx, l.bucket)
	require.NoError(t, err)
	require.NoError(t, objects.Delete(ctx, "audio-marked"))
	require.Equal(t, 2, count(t, l.pieces, l.nameSubjects()))
	_, err = s.Object(ctx, "audio-marked")
	require.ErrorIs(t, err, records.ErrMissing)
	require.NoError(t, s.Tidy(ctx))
	require.Equal(t, 1, count(t, l.pieces, l.nameSubjects()))
	require.Equal(t, 1, count(t, l.pieces, l.pieceSubject("*")))
	require.Equal(t, "sound", string(recordstest.Content(t, s, "audio-stays")))
	require.NoError(t, s.DeleteObject(ctx, "audio-stays"))
	require.Zero(t, count(t, l.pieces, ">"), "a deleted object leaves nothing")
}
