package cli

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// toolbox is scripted StoreTools.
type toolbox struct {
	report StoreReport
	err    error
	calls  []string
}

func (b *toolbox) Check(_ context.Context, scratch string) (StoreReport, error) {
	b.calls = append(b.calls, "check in "+scratch)
	return b.report, b.err
}

func (b *toolbox) BackUp(_ context.Context, file string) (StoreBackup, error) {
	b.calls = append(b.calls, "back up to "+file)
	return b.outcome()
}

func (b *toolbox) Restore(_ context.Context, file string) (StoreBackup, error) {
	b.calls = append(b.calls, "restore "+file)
	return b.outcome()
}

func (b *toolbox) outcome() (StoreBackup, error) {
	return StoreBackup{Files: 3, Bytes: 4096, Created: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}, b.err
}

func TestTheStoreIsChecked(t *testing.T) {
	t.Parallel()
	var c called
	c.tools.report = StoreReport{Records: map[string]int{"ref": 2, "job": 5}, Objects: 3, Bytes: 9000, Noted: 7}
	require.Equal(t, result{ExitOK, `records of kind job: 5
records of kind ref: 2
records: 7
records in the ledger: 7
sounds and results: 3, of 9000 bytes
faults: 0
`, ""}, run(t, &c, "store", "check", "--data-dir", "x"))
	require.Equal(t, map[string]string{"dataDir": "x"}, c.settings.Values)
	c.tools.report.Noted, c.tools.report.Faults = -1, []string{"record job.a is missing"}
	got := run(t, &c, "store", "check", "--scratch", "/large")
	require.Equal(t, ExitFailure, got.code)
	require.Contains(t, got.out, "there is no ledger yet\n")
	require.Contains(t, got.out, "faults: 1\n  record job.a is missing\n")
	require.Equal(t, "grym-synth: the store has faults: 1\n", got.err)
	require.Equal(t, []string{"check in " + os.TempDir(), "check in /large"}, c.tools.calls)
	c.tools.err = errors.New("no data folder")
	require.Equal(t, result{ExitFailure, "", "grym-synth: no data folder\n"}, run(t, &c, "store", "check"))
}

func TestTheStoreIsBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	var c called
	require.Equal(t, result{ExitOK, "backed up: 3 files of 4096 bytes, of 2026-11-30T09:00:00Z\n", ""}, run(t, &c, "store", "backup", "a.tar"))
	require.Equal(t, result{ExitOK, "restored: 3 files of 4096 bytes, of 2026-11-30T09:00:00Z\n", ""}, run(t, &c, "store", "restore", "a.tar"))
	require.Equal(t, []string{"back up to a.tar", "restore a.tar"}, c.tools.calls)
	c.tools.err = errors.New("a.tar exists")
	require.Equal(t, result{ExitFailure, "", "grym-synth: a.tar exists\n"}, run(t, &c, "store", "backup", "a.tar"))
	for _, args := range [][]string{{"store"}, {"store", "backup"}, {"store", "restore", "a", "b"}, {"store", "mend"}} {
		require.Equal(t, ExitMisuse, run(t, &c, args...).code, args)
	}
	require.Len(t, c.tools.calls, 3)
}
