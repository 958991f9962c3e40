package jobs

import (
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// backlog counts waiting jobs and how often one leaves the queue.
type backlog struct {
	jobs int
	// last is when a job left, every the average time between two that left while others
	// waited; zero before the first.
	last  time.Time
	every time.Duration
}

// came counts a job that joined.
func (b *backlog) came() { b.jobs++ }

// left counts a job that left, and returns how many still wait.
func (b *backlog) left(now time.Time) int {
	b.jobs--
	if !b.last.IsZero() {
		gap := now.Sub(b.last)
		if b.every == 0 {
			b.every = gap
		}
		b.every += (gap - b.every) / 8
	}
	b.last = now
	if b.jobs == 0 {
		b.last = time.Time{} // until the next comes, nothing can leave
	}
	return b.jobs
}

const (
	// leastPause and longestPause bound the Retry-After of a full queue; the second one is
	// also that before anything is known.
	leastPause, longestPause = time.Second, time.Minute
)

// pause returns the time until a job is expected to leave.
func (b *backlog) pause() time.Duration {
	if b == nil || b.every == 0 {
		return longestPause
	}
	return min(max(b.every, leastPause), longestPause)
}

// Queue is the state of the queue for one owner.
type Queue struct {
	// Own jobs wait, of All; Limit is the most that may wait. Owners is how many have
	// waiting jobs.
	Own, All, Limit, Owners int
	// Full is set if a further job of the owner would be refused.
	Full bool
}

// Detail returns the state in words.
func (q Queue) Detail() string {
	own := fmt.Sprintf("%d of the waiting jobs are yours", q.Own)
	switch {
	case !q.Full && q.All >= q.Limit:
		return fmt.Sprintf("the job queue is full of other callers' jobs: %d wait and the limit is %d; there is a place for you, as %s",
			q.All, q.Limit, own)
	case !q.Full:
		return fmt.Sprintf("the job queue has room: %d wait and the limit is %d; %s", q.All, q.Limit, own)
	case q.Own*q.Owners >= q.All:
		return fmt.Sprintf("the job queue is full of your own jobs: %d wait and the limit is %d; %s", q.All, q.Limit, own)
	default:
		return fmt.Sprintf("the job queue is full of the jobs of %d callers: %d wait and the limit is %d; %s", q.Owners, q.All, q.Limit, own)
	}
}

// queue returns the state of the queue for an owner. The limit is that of all owners
// together, but each has a place for one job, and those with less than an equal part of the
// limit have places until twice as many wait. So one owner cannot fill the queue for the
// others.
func (x *index) queue(owner string, limit int) (q Queue, pause time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	q = Queue{All: x.all.jobs, Limit: limit, Owners: len(x.backlogs)}
	mine := x.backlogs[owner]
	if mine != nil {
		q.Own = mine.jobs
	}
	share := limit / max(q.Owners, 1)
	q.Full = q.Own > 0 && q.All >= limit && (q.Own >= share || q.All >= 2*limit)
	if q.Own >= share {
		return q, mine.pause()
	}
	return q, x.all.pause()
}

// Queue returns the state of the queue for an owner.
func (m *Manager) Queue(owner string) Queue {
	q, _ := m.index.queue(owner, m.cfg.MaxQueued)
	return q
}

// admit returns a fault if the queue has no place for another job of the owner.
func (m *Manager) admit(owner string) error {
	q, pause := m.index.queue(owner, m.cfg.MaxQueued)
	if !q.Full {
		return nil
	}
	return &services.Fault{Kind: services.KindBusy, Message: q.Detail(), RetryAfter: pause}
}
