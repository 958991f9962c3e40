package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func opened(t *testing.T, name string) *Ledger {
	t.Helper()
	l, err := Open(name, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// again closes a ledger and opens its file.
func again(t *testing.T, l *Ledger) *Ledger {
	t.Helper()
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	return opened(t, l.name)
}

func file(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "ledger", "records.log")
}

func entry(key string, revision uint64) Entry { return Entry{Key: key, Revision: revision} }

func TestEntriesOutliveTheProcess(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	require.True(t, l.Fresh())
	l.Put(Entry{Key: "job.a", Revision: 3, Note: json.RawMessage(`{"status":"queued"}`)}, true)
	l.Put(Entry{Key: "job.a", Revision: 5, Final: true, Note: json.RawMessage(`{"status":"failed"}`)}, true)
	l.Put(entry("ref.b", 6), false)
	l.Put(entry("ref.c", 7), true)
	before, known := l.Drop("ref.c")
	require.True(t, known)
	require.Equal(t, entry("ref.c", 7), before)
	_, known = l.Drop("ref.c")
	require.False(t, known)
	l = again(t, l)
	require.False(t, l.Fresh())
	require.Equal(t, 2, l.Len())
	a, known := l.Get("job.a")
	require.True(t, known)
	require.Equal(t, Entry{Key: "job.a", Revision: 5, Final: true, Note: json.RawMessage(`{"status":"failed"}`)}, a)
	require.EqualValues(t, 7, l.Mark(), "also of what was dropped")
	require.Empty(t, l.Losses())
	require.Empty(t, l.Problem())
}

func TestALaterStateIsNotReplacedByAnEarlierOne(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	l.Put(Entry{Key: "job.a", Revision: 5, Final: true}, true)
	l.Put(entry("job.a", 3), true)
	a, _ := l.Get("job.a")
	require.Equal(t, Entry{Key: "job.a", Revision: 5, Final: true}, a)
}

func TestProgressIsNotWritten(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	note := json.RawMessage(`{"status":"running"}`)
	l.Put(Entry{Key: "job.a", Revision: 1, Note: note}, false)
	size := l.size
	l.Put(Entry{Key: "job.a", Revision: 2, Note: note}, false)
	require.Equal(t, size, l.size)
	require.EqualValues(t, 2, l.Mark())
	l.Put(Entry{Key: "job.a", Revision: 3, Final: true, Note: note}, false)
	require.Greater(t, l.size, size)
	size = l.size
	l.Put(Entry{Key: "job.a", Revision: 4, Note: note}, false)
	require.Greater(t, l.size, size, "it began again")
	l.Put(entry("ref.a", 5), false)
	size = l.size
	l.Put(entry("ref.a", 6), false)
	require.Greater(t, l.size, size, "without a note every state counts")
}

func TestTheDifference(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	for i, key := range []string{"job.stays", "job.gone", "job.back", "job.later"} {
		l.Put(entry(key, uint64(10+i)), false)
	}
	have := map[string]uint64{"job.stays": 10, "job.back": 11, "job.later": 20, "ref.old": 13, "ref.new": 14}
	found := l.Compare(have)
	require.Equal(t, []Entry{entry("job.gone", 11)}, found.Missing)
	require.Equal(t, []Entry{entry("job.back", 12)}, found.Reverted)
	require.Equal(t, []string{"ref.new", "ref.old"}, found.Unknown)
	require.Equal(t, []string{"job.later"}, found.Later)
	require.Equal(t, map[string]bool{"ref.old": true}, found.Revived)

	require.NoError(t, l.Rebase([]Entry{entry("job.stays", 2), entry("ref.old", 5)}, 4))
	l = again(t, l)
	require.EqualValues(t, 5, l.Mark())
	found = l.Compare(map[string]uint64{"job.stays": 2, "ref.old": 5})
	require.Empty(t, found.Missing)
	require.Empty(t, found.Reverted)
	require.Empty(t, found.Unknown)
	l.Put(entry("job.stays", 6), true)
	a, _ := l.Get("job.stays")
	require.EqualValues(t, 6, a.Revision, "revisions begin again after a loss")
}

func TestLossesStayUntilTheyAreAcknowledged(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	l.Put(entry("audio.b", 1), true)
	l.Lose([]Loss{{Key: "job.a", What: LostRecord, Final: true}, {Key: "audio.b", What: LostContent}})
	first := l.Losses()
	require.Len(t, first, 2)
	l = again(t, l)
	require.Equal(t, first, l.Losses())
	l.Lose([]Loss{{Key: "audio.b", What: LostContent}})
	require.Equal(t, first, l.Losses(), "a known loss keeps its time")
	require.Equal(t, 2, l.Acknowledge())
	require.Zero(t, l.Acknowledge())
	require.Empty(t, l.Losses())
	l = again(t, l)
	require.Empty(t, l.Losses())
	l.Lose([]Loss{{Key: "job.a", What: LostRecord}})
	l.Lose([]Loss{{Key: "audio.b", What: LostContent}, {Key: "job.a", What: LostChange}})
	require.Equal(t, LostRecord, l.Losses()[0].What)
	require.Len(t, l.Losses(), 1, "the content is still missing, the record is missing again")
	l.Drop("audio.b")
	l.Lose([]Loss{{Key: "audio.b", What: LostContent}})
	require.Len(t, l.Losses(), 2, "another content")
	l = again(t, l)
	require.Len(t, l.Losses(), 2)
}

// TestAnyEndOfTheFile cuts the file after each byte: the complete lines count.
func TestAnyEndOfTheFile(t *testing.T) {
	t.Parallel()
	name := file(t)
	l := opened(t, name)
	for i := range 3 {
		l.Put(entry(fmt.Sprint("job.", i), uint64(i+1)), true)
	}
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	head := bytes.IndexByte(whole, '\n') + 1
	for end := head; end <= len(whole); end++ {
		require.NoError(t, os.WriteFile(name, whole[:end], 0o600))
		cut := opened(t, name)
		require.Empty(t, cut.Losses(), end)
		lines := bytes.Count(whole[head:end], []byte("\n"))
		require.Equal(t, lines, cut.Len(), end)
		cut.Put(entry("job.more", 9), true)
		require.Equal(t, lines+1, again(t, cut).Len(), end)
	}
	for _, damaged := range []string{"", string(whole[:head-1]), "x" + string(whole[1:]), string(whole[head:])} {
		require.NoError(t, os.WriteFile(name, []byte(damaged), 0o600))
		require.Len(t, opened(t, name).Losses(), 1, "%q", damaged)
		require.Len(t, opened(t, name).Losses(), 1, "until it is acknowledged: %q", damaged)
	}
}

// TestAnyFlippedByte changes each byte of the file: what is read is never wrong, and the
// loss is noted, unless it is in the last line, which may have been cut off.
func TestAnyFlippedByte(t *testing.T) {
	t.Parallel()
	name := file(t)
	l := opened(t, name)
	l.Put(entry("job.a", 1), true)
	l.Put(entry("job.b", 2), true)
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	for at := range whole {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		require.NoError(t, os.WriteFile(name, flipped, 0o600))
		cut := opened(t, name)
		if at == len(whole)-1 {
			require.Equal(t, 1, cut.Len(), "its end is missing")
			continue
		}
		require.Len(t, cut.Losses(), 1, at)
		require.Equal(t, LostLines, cut.Losses()[0].What)
		for _, e := range cut.entries {
			require.Contains(t, []Entry{entry("job.a", 1), entry("job.b", 2)}, e)
		}
		require.Empty(t, cut.Compare(map[string]uint64{"job.c": 1}).Revived, "the line may have been that of the record")
	}
}

func TestTheFileIsBounded(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	note := json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)
	for i := range 5000 {
		key := fmt.Sprint("job.", i)
		l.Put(Entry{Key: key, Revision: uint64(i + 1), Note: note}, false)
		if i > 0 {
			delete(l.entries, fmt.Sprint("job.", i-1)) // as if it had been dropped, without a sync
		}
		require.LessOrEqual(t, l.size, int64(leastLimit))
	}
	info, err := os.Stat(l.name)
	require.NoError(t, err)
	require.Equal(t, l.size, info.Size())
	l = again(t, l)
	require.EqualValues(t, 5000, l.Mark())
}

func TestALedgerThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	t.Parallel()
	name := file(t)
	l := opened(t, name)
	l.Put(entry("job.a", 1), true)
	// The file fails, and its folder is gone.
	require.NoError(t, l.file.Close())
	away := filepath.Dir(name) + "-away"
	require.NoError(t, os.Rename(filepath.Dir(name), away))
	l.Put(entry("job.b", 2), true)
	require.Contains(t, l.Problem(), "the ledger cannot be written")
	require.Equal(t, 2, l.Len())
	require.NoError(t, os.Rename(away, filepath.Dir(name)))
	l.Put(entry("job.c", 3), true)
	require.Empty(t, l.Problem())
	l.problem = "again"
	l.entries["job.last"] = entry("job.last", 4)
	require.Equal(t, 4, again(t, l).Len(), "the last chance is the end")
	l.Put(entry("job.d", 4), true)
	require.Equal(t, "the ledger is closed", l.Problem())
}

func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	name := file(t)
	_, err := Read(name)
	require.ErrorIs(t, err, fs.ErrNotExist)
	l := opened(t, name)
	l.Put(entry("job.a", 1), true)
	require.NoError(t, l.Close())
	whole, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, append(whole, "half a li"...), 0o600))
	read, err := Read(name)
	require.NoError(t, err)
	require.Equal(t, 1, read.Len())
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(whole)+"half a li", string(after))
	require.NoError(t, os.WriteFile(name, append([]byte("0 {}\n"), whole...), 0o600))
	read, err = Read(name)
	require.NoError(t, err)
	require.Len(t, read.Losses(), 1)
	require.NoError(t, os.WriteFile(name, whole[:1], 0o600))
	later, err := line{Version: 2}.encode()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, later, 0o600))
	_, err = Open(name, Options{})
	require.ErrorContains(t, err, "is version 2, and this program reads up to version 1")
}

func TestManyWritersShareASync(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			l.Put(entry(fmt.Sprint("job.", i), uint64(i+1)), true)
			if i%2 == 0 {
				l.Drop(fmt.Sprint("job.", i))
			}
		})
	}
	all.Wait()
	require.Equal(t, l.written, l.synced)
	require.Equal(t, 25, again(t, l).Len())
}

func TestSyncsAreAsFarApartAsTheInterval(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	l, err := Open(file(t), Options{SyncInterval: time.Second, Now: func() time.Time { return now }})
	require.NoError(t, err)
	l.Put(entry("job.a", 1), true)
	require.Equal(t, l.written, l.synced)
	l.Put(entry("job.b", 2), true)
	require.Less(t, l.synced, l.written)
	now = now.Add(-24 * time.Hour)
	l.Put(entry("job.c", 3), true)
	require.Equal(t, l.written, l.synced, "a clock that was set back does not end the syncs")
	require.NoError(t, l.Close())
}
