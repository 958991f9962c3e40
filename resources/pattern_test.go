package resources

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestThePatternTellsHowAServiceTakesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		for i := range 300 {
			lease := acquire(t, m, request(services.Bytes(1+i%100)*services.KiB))
			time.Sleep(time.Second)
			lease.Release()
		}
		_, err := m.Acquire(t.Context(), request(200*mb))
		require.Equal(t, services.KindTooLarge, services.KindOf(err))
		p := m.Patterns()["echo"]
		require.Equal(t, uint64(300), p.Leases)
		require.InDelta(t, 60, p.PerMinute, 1, "one a second")
		require.Equal(t, map[Refusal]uint64{RefusedTooLarge: 1, RefusedQueueFull: 0, RefusedDeadline: 0}, p.Refused)
		// The latest 256 of 1, 2, ... 100, 1, ...: 45 to 100 once and all twice before.
		require.Equal(t, 100*services.KiB, p.BytesMax)
		require.InDelta(t, float64(54*services.KiB), float64(p.BytesP50), float64(6*services.KiB))
		require.Equal(t, 100*services.KiB, p.Peak)
		require.Equal(t, time.Second, p.HeldP50)
		require.Zero(t, p.WaitP95)
		require.Zero(t, p.Efficiency(), "nothing was measured")
	})
}

func TestCleanupsOfTheLastHourAreARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, KeepAlive: time.Minute})
		var resident services.Resident
		resident = m.Hold(t.Context(), "echo", "tiny", 20*mb, func(context.Context) error { resident.Release(); return nil })
		time.Sleep(2 * time.Minute)
		m.Cleanup()
		require.Equal(t, uint64(1), m.Usage().Cleanups.LastHour.Models)
		require.Equal(t, 20*mb, m.Usage().Cleanups.LastHour.Bytes)
		time.Sleep(2 * time.Hour)
		require.Zero(t, m.Usage().Cleanups.LastHour.Models)
		require.Equal(t, uint64(1), m.Usage().Cleanups.Models)
	})
}

func TestWhatIsNoModelIsListedByItsKind(t *testing.T) {
	t.Parallel()
	files := func() []Resource { return []Resource{{ID: "file/x", Type: "file"}} }
	m := managerOf(DefaultConfig(), Dependencies{Sources: []func() []Resource{files}})
	for _, id := range []string{"conversation/a", "conversation/b"} {
		m.Hold(t.Context(), "echo", id, mb, nil)
	}
	list := m.Inventory()
	require.Len(t, list, 3)
	require.Equal(t, "echo/conversation/a", list[0].ID)
	require.Equal(t, "conversation", list[0].Type)
	require.Equal(t, "a", list[0].Name)
	require.Equal(t, "file/x", list[2].ID)
	require.Empty(t, m.Usage().Services[0].Models, "a conversation has no arena")
}
