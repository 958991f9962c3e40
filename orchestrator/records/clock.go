package records

import (
	"sync"
	"time"
)

// tolerance is the difference between two clocks that counts as drift.
const tolerance = time.Minute

// Clock measures the age of stored data. It follows the system's clock, except when that
// jumps: then it goes on at its own pace, and approaches the system's clock by half of
// the time that passes. Data is therefore not deleted because the clock was set forward,
// and not retained for ever because it was set back. Safe for concurrent use.
type Clock struct {
	// wall returns the system's time, passed the time since the process started.
	wall   func() time.Time
	passed func() time.Duration

	mu   sync.Mutex
	at   time.Time
	last time.Duration
}

// NewClock returns a clock that follows the given system's time; passed returns the time
// that has passed since some moment, which no change of the system's time affects.
func NewClock(wall func() time.Time, passed func() time.Duration) *Clock {
	return &Clock{wall: wall, passed: passed, at: wall().Round(0), last: passed()}
}

// systemClock returns a clock that follows this system's time.
func systemClock() *Clock {
	start := time.Now()
	return NewClock(time.Now, func() time.Duration { return time.Since(start) })
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := c.passed()
	since := passed - c.last
	c.last, c.at = passed, c.at.Add(since)
	wall := c.wall().Round(0)
	switch ahead := wall.Sub(c.at); {
	case ahead.Abs() <= tolerance:
		c.at = wall
	case ahead > 0:
		c.at = c.at.Add(min(since/2, ahead))
	default:
		c.at = c.at.Add(-min(since/2, -ahead))
	}
	return c.at
}

// Passed reports whether a moment has passed, by this clock and the system's.
func (c *Clock) Passed(moment time.Time) bool {
	return !moment.After(c.Now()) && !moment.After(c.wall())
}

// Due reports whether a moment that was set at most a delay before it has come. One that
// lies further ahead was set before the system's clock was set back.
func (c *Clock) Due(moment time.Time, delay time.Duration) bool {
	now := c.wall()
	return !moment.After(now) || moment.After(now.Add(delay+tolerance))
}
