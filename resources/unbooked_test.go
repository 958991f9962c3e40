package resources

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// holder is a probe of a process that holds what the test says.
type holder struct{ held services.Bytes }

func (h *holder) Held() (services.Bytes, error) { return h.held, nil }

// tight makes a manager of 100 MiB in a group of 200, of which 32 are a margin and
// 68 the room for what is not booked.
func tight(held services.Bytes) (*Manager, *holder) {
	probe := &holder{held: held}
	m := managerOf(DefaultConfig(), Dependencies{Probe: probe})
	m.Tune(m.cfg, Budget{Bytes: 100 * mb, Bound: "cgroup", Limit: 200 * mb})
	return m, probe
}

func TestMemoryThatIsNotBookedIsTakenFromTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, probe := tight(60 * mb)
		first := acquire(t, m, request(40*mb))
		probe.held = 148 * mb // 40 of them booked: 108, 40 more than there is room for
		time.Sleep(unbookedEvery)
		leases, _ := asked(t, m, request(50*mb))
		time.Sleep(time.Second)
		require.Equal(t, 1, m.Usage().Waiting, "100 less 40 that run less 40 that nobody booked")
		probe.held = 60 * mb
		first.Release()
		require.Equal(t, 1, m.Usage().Running, "60 are free now")
		(<-leases).Release()
	})
}

func TestWhatWasSeenFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, probe := tight(128 * mb) // 60 beyond the room
		first := acquire(t, m, request(20*mb))
		probe.held = 20 * mb
		leases, _ := asked(t, m, request(60*mb))
		time.Sleep(time.Second)
		require.Equal(t, 1, m.Usage().Waiting)
		for range 12 {
			time.Sleep(10 * time.Second)
			m.Cleanup()
		}
		synctest.Wait()
		require.Equal(t, 2, m.Usage().Running)
		first.Release()
		(<-leases).Release()
	})
}

func TestUnloadingIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, probe := tight(148 * mb) // 40 beyond, once 40 are booked
		var resident services.Resident
		resident = m.Hold(t.Context(), "echo", "tiny", 40*mb, func(context.Context) error {
			probe.held = 30 * mb
			resident.Release()
			return nil
		})
		acquire(t, m, services.Claim{Service: "echo", Model: "other", Bytes: 90 * mb}).Release()
		require.Empty(t, m.Inventory())
	})
}

func TestWhereNothingCanMakeRoomOneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := tight(150 * mb)
		_, err := m.Acquire(t.Context(), request(50*mb))
		require.Equal(t, services.KindBusy, services.KindOf(err))
		require.ErrorContains(t, err, "memory is short")
	})
}
