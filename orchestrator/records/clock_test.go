package records

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// simulated is a system's time that a test sets.
type simulated struct {
	wall   time.Time
	passed time.Duration
}

// pass lets time pass.
func (s *simulated) pass(d time.Duration) { s.wall, s.passed = s.wall.Add(d), s.passed+d }

func (s *simulated) clock() *Clock {
	return NewClock(func() time.Time { return s.wall }, func() time.Duration { return s.passed })
}

func TestTheClockDoesNotJump(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for name, jump := range map[string]time.Duration{"forth": 24 * time.Hour, "back": -24 * time.Hour} {
		s := &simulated{wall: start}
		c := s.clock()
		s.pass(time.Hour)
		require.Equal(t, s.wall, c.Now(), name)
		s.wall = s.wall.Add(30 * time.Second)
		require.Equal(t, s.wall, c.Now(), "drift is followed")
		before := c.Now()
		s.wall = s.wall.Add(jump)
		require.Equal(t, before, c.Now(), name)
		s.pass(time.Hour)
		toward := 30 * time.Minute * time.Duration(cmp.Compare(jump, 0))
		require.Equal(t, before.Add(time.Hour+toward), c.Now(), name)
		// The clock is set right again.
		s.wall = s.wall.Add(-jump)
		s.pass(time.Minute)
		require.WithinDuration(t, s.wall, c.Now(), 31*time.Minute, name)
		s.wall = s.wall.Add(jump)
		for range 3 * 24 {
			s.pass(time.Hour)
			c.Now()
		}
		require.Equal(t, s.wall, c.Now(), "a change that stays is followed in the end: %s", name)
	}
}

func TestMoments(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	s := &simulated{wall: start}
	c := s.clock()
	soon := start.Add(time.Minute)
	require.False(t, c.Passed(soon))
	require.False(t, c.Due(soon, time.Minute))
	s.wall = start.Add(24 * time.Hour)
	require.False(t, c.Passed(soon), "the clock was set forward")
	require.True(t, c.Due(soon, time.Minute), "earlier does no harm")
	require.True(t, c.Passed(start))
	s.wall = start.Add(-24 * time.Hour)
	require.False(t, c.Passed(soon))
	require.False(t, c.Passed(start), "the clock was set back")
	require.True(t, c.Due(soon, time.Minute), "a minute's delay does not become a day")
	require.False(t, c.Due(s.wall.Add(2*time.Minute), time.Minute), "within the tolerance")
	require.True(t, c.Due(s.wall.Add(2*time.Minute+1), time.Minute))
}
