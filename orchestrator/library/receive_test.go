package library_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// counting is a store that counts the recordings that are written to it, and how often one
// is opened.
type counting struct {
	*recordstest.Memory
	written, opened int
}

func (c *counting) Object(ctx context.Context, name string) (records.Object, error) {
	c.opened++
	return c.Memory.Object(ctx, name)
}

func (c *counting) Stage(ctx context.Context, r io.Reader) (records.Staged, error) {
	c.written++
	return c.Memory.Stage(ctx, r)
}

// newCounting returns a started library over a store that counts.
func newCounting(t *testing.T) (*library.Library, *counting) {
	t.Helper()
	log, store := slog.New(slog.DiscardHandler), &counting{Memory: recordstest.NewMemory()}
	db := records.NewDatabase(store, log)
	l := library.New(library.DefaultConfig(), db, log)
	require.NoError(t, db.Start(t.Context()))
	require.True(t, db.AwaitReady(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Stop(context.Background())) })
	return l, store
}

func receive(t *testing.T, l *library.Library, content string) *library.Incoming {
	t.Helper()
	in, err := l.Receive(t.Context(), strings.NewReader(content), library.About{Owner: "alice", ContentType: "audio/wav"})
	require.NoError(t, err)
	require.EqualValues(t, len(content), in.Size())
	return in
}

// alice is the owner of the recordings.
var alice = services.Caller{Key: "alice"}

// TestAShortRecordingThatIsThereIsNotWritten stores recordings below, at and beyond the
// length below which they are received in memory.
func TestAShortRecordingThatIsThereIsNotWritten(t *testing.T) {
	t.Parallel()
	const short = 128 << 10
	for length, writes := range map[int]int{0: 1, 7: 1, short - 1: 1, short: 2, 3 * short: 2} {
		l, store := newCounting(t)
		content := strings.Repeat("x", length)
		for range 2 {
			recording, _, err := l.Save(t.Context(), receive(t, l, content), "alice")
			require.NoError(t, err)
			require.EqualValues(t, length, recording.Bytes)
		}
		require.Equal(t, writes, store.written, "%d bytes", length)
		file, _, err := l.Open(t.Context(), alice, receive(t, l, content).ID)
		require.NoError(t, err)
		stored, err := io.ReadAll(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.Equal(t, content, string(stored))
	}
}

// TestAShortRecordingThatIsDeletedMeanwhileIsWritten deletes it between its arrival and
// the moment in which it is saved.
func TestAShortRecordingThatIsDeletedMeanwhileIsWritten(t *testing.T) {
	t.Parallel()
	l, store := newCounting(t)
	first, _, err := l.Save(t.Context(), receive(t, l, "sound"), "alice")
	require.NoError(t, err)
	again := receive(t, l, "sound")
	require.NoError(t, l.Delete(t.Context(), alice, first.ID))
	_, created, err := l.Save(t.Context(), again, "alice")
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, 2, store.written)
	require.EqualValues(t, 5, l.Bytes())
}

// TestABrokenUploadIsNoShortRecording ends with the error that a body which breaks off has.
func TestABrokenUploadIsNoShortRecording(t *testing.T) {
	t.Parallel()
	l, store := newCounting(t)
	broken := io.MultiReader(strings.NewReader("sou"), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err := l.Receive(t.Context(), broken, library.About{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Zero(t, store.written)
}

// TestAShortRecordingIsReadOnce counts the reads of a stored recording that is opened again
// and again, as by each preparation of a task.
func TestAShortRecordingIsReadOnce(t *testing.T) {
	t.Parallel()
	l, store := newCounting(t)
	in := receive(t, l, "sound")
	_, _, err := l.Save(t.Context(), in, "")
	require.NoError(t, err)
	read := func(source *library.Source) {
		file, err := source.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, "sound", string(content))
		require.NoError(t, file.Close())
	}
	read(in.Source(t.Context()))
	require.Zero(t, store.opened, "the upload is in memory")
	source, err := l.Source(t.Context(), in.ID)
	require.NoError(t, err)
	read(source)
	read(source)
	require.Equal(t, 1, store.opened)
}

// TestAShortRecordingBeyondTheQuotaIsRefused has a reader that returns its end with the
// last bytes.
func TestAShortRecordingBeyondTheQuotaIsRefused(t *testing.T) {
	t.Parallel()
	s := over(recordstest.NewMemory(), func(c *library.Config) { c.Quota = 4 })
	s.start(t)
	defer s.stop(t)
	_, err := s.Receive(t.Context(), iotest.DataErrReader(strings.NewReader("sound")), library.About{})
	require.Equal(t, services.KindFull, services.KindOf(err))
}
