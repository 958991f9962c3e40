package services

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAMeterCountsTheTimeWithARunSlot(t *testing.T) {
	t.Parallel()
	var m Meter
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	m.End(at(1))
	require.Zero(t, m.Worked(at(5)))
	m.Begin(at(5))
	require.Equal(t, 2*time.Second, m.Worked(at(7)))
	require.Zero(t, m.Worked(at(4)))
	m.End(at(8))
	m.End(at(9))
	require.Equal(t, 3*time.Second, m.Worked(at(20)))
	m.Begin(at(20))
	require.Equal(t, 4*time.Second, m.Worked(at(21)))

	require.Nil(t, MeterOf(t.Context()))
	MeterOf(t.Context()).Begin(at(1)) // does nothing
	MeterOf(t.Context()).End(at(1))
	require.Same(t, &m, MeterOf(WithMeter(t.Context(), &m)))
}
