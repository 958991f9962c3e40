package app

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/records/recordstest"
	"github.com/grym-synth/grym-synth/services"
)

// TestAFullDiskIsAReason has the store and the spool on disks of their own.
func TestAFullDiskIsAReason(t *testing.T) {
	t.Parallel()
	store := recordstest.NewMemory()
	free := services.GiB
	d := newDisks("spool", store, slog.New(slog.DiscardHandler))
	d.free = func(dir string) (services.Bytes, error) {
		require.Equal(t, "spool", dir)
		return free, nil
	}
	d.look()
	require.Empty(t, d.Reasons())
	store.SetRoom(services.Faultf(services.KindFull, "7 bytes free"))
	d.look()
	require.Equal(t, []string{"the disk of the job store is full: 7 bytes free"}, d.Reasons())
	free = leastSpool - 1
	d.look()
	require.Len(t, d.Reasons(), 2)
	require.Contains(t, d.Reasons()[1], "the disk of the data folder is full")
	store.SetRoom(services.Faultf(services.KindUnavailable, "is being opened"))
	free = leastSpool
	d.look()
	require.Empty(t, d.Reasons(), "a store that does not answer is no full disk")
}
