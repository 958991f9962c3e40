package resources

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// asked acquires in the background and sends the lease or the fault.
func asked(t *testing.T, m *Manager, claim services.Claim) (<-chan *Lease, <-chan error) {
	t.Helper()
	leases, faults := make(chan *Lease, 1), make(chan error, 1)
	go func() {
		lease, err := m.Acquire(t.Context(), claim)
		if err != nil {
			faults <- err
			return
		}
		leases <- lease.(*Lease)
	}()
	synctest.Wait()
	return leases, faults
}

// TestATaskThatWaitedForALoadNeedsItNoMore has two tasks ask for a model before it
// is loaded. With the load of the second still counted, nothing would ever fit.
func TestATaskThatWaitedForALoadNeedsItNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		first := acquire(t, m, onModel(85*mb)) // 30 of weights: 45 to load them, 40 to run
		leases, _ := asked(t, m, onModel(85*mb))
		require.Equal(t, 1, m.Usage().Waiting)
		m.Hold(services.WithLease(t.Context(), first), "echo", "tiny", 30*mb, nil)
		first.Release()
		require.Equal(t, Usage{Budget: 100 * mb, Leased: 40 * mb, Resident: 30 * mb, Running: 1}, totals(m))
		(<-leases).Release()
		require.Equal(t, Usage{Budget: 100 * mb, Retained: 40 * mb, Resident: 30 * mb}, totals(m))
	})
}

// TestTwoThatWereToLoadLeaveOneRunBehind grants two tasks the bytes of a load that
// one of them does.
func TestTwoThatWereToLoadLeaveOneRunBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		first, second := acquire(t, m, onModel(40*mb)), acquire(t, m, onModel(40*mb)) // 20 of weights, 10 to run
		m.Hold(services.WithLease(t.Context(), first), "echo", "tiny", 20*mb, nil)
		second.Release()
		first.Release()
		require.Equal(t, Usage{Budget: 100 * mb, Resident: 20 * mb, Retained: 20 * mb}, totals(m), "two runs of ten at once")
	})
}

// TestAModelThatGoesMeanwhileIsCountedAgain unloads the model that a waiting task
// found loaded.
func TestAModelThatGoesMeanwhileIsCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		resident := m.Hold(t.Context(), "echo", "tiny", 20*mb, nil)
		other := acquire(t, m, services.Claim{Service: "echo", Model: "other", Bytes: 75 * mb})
		leases, _ := asked(t, m, onModel(10*mb))
		require.Equal(t, 1, m.Usage().Waiting)
		resident.Release()
		synctest.Wait()
		require.Equal(t, 1, m.Usage().Waiting, "25 are free, and it needs 10 and 30 to load")
		other.Release()
		lease := <-leases
		require.Equal(t, 40*mb, lease.Bytes())
		lease.Release()
	})
}

// TestWhatCanNeverFitIsToldSo shrinks the budget under a waiting task.
func TestWhatCanNeverFitIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		first := acquire(t, m, request(60*mb))
		_, faults := asked(t, m, request(60*mb))
		leases, _ := asked(t, m, request(30*mb))
		m.Tune(DefaultConfig(), Budget{Bytes: 50 * mb})
		fault := <-faults
		require.Equal(t, services.KindTooLarge, services.KindOf(fault))
		require.ErrorContains(t, fault, "echo may use 52428800")
		first.Release()
		(<-leases).Release()
	})
}

// TestTheLastResortIsTheModelItself has what the model's largest run left behind
// stand in the way of the next, with nothing else to unload.
func TestTheLastResortIsTheModelItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		var resident services.Resident
		resident = m.Hold(t.Context(), "echo", "tiny", 20*mb, func(context.Context) error { resident.Release(); return nil })
		acquire(t, m, onModel(75*mb)).Release()
		// Another thing of the service takes the rest and cannot be given back.
		m.Hold(t.Context(), "echo", "kept/one", 10*mb, func(context.Context) error { return services.ErrInUse })
		leases, faults := asked(t, m, onModel(76*mb))
		time.Sleep(time.Second)
		select {
		case lease := <-leases:
			lease.Release()
		case fault := <-faults:
			require.Equal(t, services.KindTooLarge, services.KindOf(fault), "76, and 30 to load it again")
		default:
			t.Fatal("it waits for ever")
		}
		require.NoError(t, m.Stop(context.Background()))
	})
}
