package ledger

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// what returns the unacknowledged losses by key.
func what(l *Ledger) map[string]What {
	found := make(map[string]What)
	for _, loss := range l.Losses() {
		found[loss.Key] = loss.What
	}
	return found
}

func TestAWorseLossReplacesAnother(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	l.Lose([]Loss{{Key: "audio.a", What: LostContent}, {Key: "audio.b", What: LostContent}, {Key: "job.c", What: LostRecord}})
	l.Lose([]Loss{{Key: "audio.a", What: LostRecord}, {Key: "audio.b", What: LostChange}, {Key: "job.c", What: LostContent}})
	require.Equal(t, map[string]What{"audio.a": LostRecord, "audio.b": LostChange, "job.c": LostContent}, what(l))
	require.Equal(t, what(l), what(again(t, l)))
}

func TestAContentThatWasDeletedCanBeLostAgain(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	l.Put(entry("audio.a", 1), true)
	l.Lose([]Loss{{Key: "audio.a", What: LostContent}})
	l.Acknowledge()
	l.Drop("audio.a")
	l = again(t, l)
	l.Lose([]Loss{{Key: "audio.a", What: LostContent}})
	require.Equal(t, map[string]What{"audio.a": LostContent}, what(l))
}

func TestNothingIsAcknowledgedTwice(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	size := l.size
	require.Zero(t, l.Acknowledge())
	require.Equal(t, size, l.size)
}

func TestADamagedLedgerIsTrustedAgainAfterItWasReplaced(t *testing.T) {
	t.Parallel()
	name := file(t)
	l := opened(t, name)
	l.Put(entry("job.a", 5), true)
	require.True(t, l.Current(5))
	require.False(t, l.Current(4), "the store went back")
	require.NoError(t, l.Close())
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	raw[len(raw)-3] ^= 1
	require.NoError(t, os.WriteFile(name, append(raw, "0 {}\n"...), 0o600))
	l = opened(t, name)
	require.False(t, l.Current(5))
	require.NoError(t, l.Rebase([]Entry{entry("job.a", 5)}, 6))
	require.True(t, l.Current(6))
	require.EqualValues(t, 6, l.Mark())
	require.Equal(t, map[string]bool{"job.b": true}, l.Compare(map[string]uint64{"job.a": 5, "job.b": 6}).Revived)
	require.Equal(t, map[string]What{ledgerKey: LostLines}, what(again(t, l)), "until it is acknowledged")
}

func TestAProblemEndsWithTheNextEntry(t *testing.T) {
	t.Parallel()
	l := opened(t, file(t))
	l.problem = "the ledger cannot be synced"
	l.Put(entry("job.a", 1), true)
	require.Empty(t, l.Problem())
	require.Equal(t, 1, again(t, l).Len())
}

func TestAnEmptyFileIsDamaged(t *testing.T) {
	t.Parallel()
	name := file(t)
	require.NoError(t, opened(t, name).Close())
	require.NoError(t, os.Truncate(name, 0))
	l, err := Read(name)
	require.NoError(t, err)
	require.Equal(t, map[string]What{ledgerKey: LostLines}, what(l))
}
