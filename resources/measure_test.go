package resources

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// counter is a gauge that shows what the test says.
type counter struct{ now, peak services.Bytes }

func (c *counter) Add(bytes services.Bytes) { c.now += bytes; c.peak = max(c.peak, c.now) }
func (c *counter) Peak() services.Bytes     { return c.peak }

// measuring returns a manager whose runs are measured.
func measuring() *Manager {
	return managerOf(DefaultConfig(), Dependencies{Gauge: func() services.Gauge { return new(counter) }})
}

// planned is a claim for a run of the model, without a load.
func planned(estimate services.Bytes, seconds float64) services.Claim {
	claim := onModel(estimate)
	claim.Task, claim.Plan = "hear", services.Plan{Runs: estimate, Sizes: []services.Size{{Name: "seconds", Value: seconds}}}
	return claim
}

// ran takes a lease, uses some memory, and returns what was leased.
func ran(t *testing.T, m *Manager, claim services.Claim, uses services.Bytes) services.Bytes {
	t.Helper()
	lease := acquire(t, m, claim)
	defer lease.Release()
	leased := lease.Bytes()
	lease.Gauge().Add(uses)
	lease.Gauge().Add(-uses)
	lease.Succeeded()
	return leased
}

func TestLeasesAreLearntFromWhatRunsUse(t *testing.T) {
	t.Parallel()
	m := measuring()
	require.Equal(t, 40*mb, ran(t, m, planned(40*mb, 10), 10*mb), "nothing is known yet")
	for range 10 {
		ran(t, m, planned(40*mb, 10), 10*mb)
	}
	leased := ran(t, m, planned(40*mb, 10), 10*mb)
	require.Greater(t, leased, 10*mb)
	require.Less(t, leased, 12*mb)
	one := m.Measurements()["echo"]
	require.Len(t, one, 12)
	require.Equal(t, Measurement{
		At: one[11].At, Model: "tiny", Task: "hear", Sizes: []services.Size{{Name: "seconds", Value: 10}},
		Estimated: 40 * mb, Reserved: leased, Used: 10 * mb,
	}, one[11])
	view := m.Usage().Services[0].Models[0]
	require.Equal(t, ModelUsage{Name: "tiny", Predicted: 40 * mb, Observed: 10 * mb, Correction: float64(leased) / float64(40*mb)}, view)

	other := planned(40*mb, 10)
	other.Task = "speak"
	require.Equal(t, 40*mb, ran(t, m, other, mb), "each task for itself")
	other.Model = "large"
	require.Equal(t, 40*mb, ran(t, m, other, mb), "and each model")
}

// TestRunsAtOnceAreMeasuredApart has another run use much more at the same time.
func TestRunsAtOnceAreMeasuredApart(t *testing.T) {
	t.Parallel()
	m := measuring()
	for range 10 {
		beside := acquire(t, m, planned(50*mb, 60))
		beside.Gauge().Add(45 * mb)
		ran(t, m, planned(40*mb, 10), 10*mb)
		beside.Release()
	}
	require.Less(t, ran(t, m, planned(40*mb, 10), 10*mb), 12*mb)
}

func TestOnlyRunsThatEndedWellAreLearntFrom(t *testing.T) {
	t.Parallel()
	m := measuring()
	for range 5 {
		lease := acquire(t, m, planned(40*mb, 10))
		lease.Gauge().Add(mb)
		lease.Release()
	}
	require.Equal(t, 40*mb, ran(t, m, planned(40*mb, 10), 0), "they were cancelled")
	require.Equal(t, 40*mb, ran(t, m, planned(40*mb, 10), mb), "it used nothing that was counted")
	require.Zero(t, newManager().Measurements()["echo"])
	unknown := onModel(40 * mb)
	require.Equal(t, 40*mb, acquireUnmeasured(t, m, unknown), "the service has no plan")
}

// acquireUnmeasured takes and ends a lease without a gauge.
func acquireUnmeasured(t *testing.T, m *Manager, claim services.Claim) services.Bytes {
	t.Helper()
	lease := acquire(t, m, claim)
	defer lease.Release()
	require.Nil(t, lease.Gauge())
	return lease.Bytes()
}

// TestWhatARunUsesBeyondItsLeaseIsBooked has a run that uses more than it reserved while
// another one asks for memory.
func TestWhatARunUsesBeyondItsLeaseIsBooked(t *testing.T) {
	t.Parallel()
	m := measuring()
	lease := acquire(t, m, planned(40*mb, 10))
	lease.Gauge().Add(70 * mb)
	second := acquire(t, m, services.Claim{Service: "small", Bytes: 20 * mb})
	require.Equal(t, 90*mb, m.Usage().Leased)
	require.Equal(t, 70*mb, lease.Bytes())
	lease.Succeeded()
	second.Release()
	lease.Release()
	p := m.Patterns()["echo"]
	require.Equal(t, uint64(1), p.Exceeded)
	require.InDelta(t, 1.0, p.Efficiency(), 1e-9, "never above one")
	ran(t, m, planned(40*mb, 10), 0) // too little is known of this one
	require.Equal(t, uint64(1), m.Patterns()["echo"].Measured)
}

func TestEfficiencyIsUsedOfReserved(t *testing.T) {
	t.Parallel()
	m := measuring()
	ran(t, m, planned(40*mb, 10), 30*mb)
	p := m.Patterns()["echo"]
	require.Equal(t, uint64(1), p.Measured)
	require.Zero(t, p.Exceeded)
	require.InDelta(t, 0.75, p.Efficiency(), 1e-9)
}

// TestTheLoadOfAModelIsNotCorrected leases a run with the load of its model.
func TestTheLoadOfAModelIsNotCorrected(t *testing.T) {
	t.Parallel()
	m := measuring()
	for range 10 {
		ran(t, m, planned(40*mb, 10), 10*mb)
	}
	run := ran(t, m, planned(40*mb, 10), 10*mb)
	loads := planned(40*mb, 10)
	loads.Bytes += 30 * mb
	leased := ran(t, m, loads, 10*mb)
	require.InDelta(t, float64(run+30*mb), float64(leased), float64(mb)/2)
}

// TestWhatStaysOfAMeasuredRunIsWhatItUsed has the engine keep a run's memory.
func TestWhatStaysOfAMeasuredRunIsWhatItUsed(t *testing.T) {
	t.Parallel()
	m := measuring()
	resident := m.Hold(t.Context(), "echo", "tiny", 5*mb, nil)
	ran(t, m, planned(40*mb, 10), 10*mb)
	require.Equal(t, 10*mb, totals(m).Retained)
	lease := acquire(t, m, planned(40*mb, 10))
	lease.Gauge().Add(15 * mb)
	ran(t, m, planned(40*mb, 10), 12*mb)
	lease.Release()
	require.Equal(t, 27*mb, totals(m).Retained, "both at once")
	resident.Release()
	require.Zero(t, totals(m).Retained)
}
