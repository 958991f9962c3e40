package jobs

import (
	"sync"
	"time"
)

// unknownSpeed is the estimate per MiB of input for a kind of job that has not run yet.
const unknownSpeed = time.Second

// leastInput is the assumed size of the input of jobs without one.
const leastInput = 64 << 10

// speeds remembers how long each kind of job takes by the size of its input.
// Safe for concurrent use.
type speeds struct {
	mu sync.Mutex
	// perMiB is a moving average of the run time for each MiB, by service, task
	// and model.
	perMiB map[kindOfJob]time.Duration
}

type kindOfJob struct{ service, task, model string }

func newSpeeds() *speeds { return &speeds{perMiB: make(map[kindOfJob]time.Duration)} }

func kindOf(job Job) kindOfJob { return kindOfJob{job.Service, job.Task, job.Model} }

// expect estimates how long a job runs.
func (s *speeds) expect(job Job) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	each, known := s.perMiB[kindOf(job)]
	if !known {
		each = unknownSpeed
	}
	return time.Duration(float64(each) * float64(max(job.AudioBytes, leastInput)) / (1 << 20))
}

// learn records how long a job ran.
func (s *speeds) learn(job Job, ran time.Duration) {
	each := time.Duration(float64(ran) / (float64(max(job.AudioBytes, leastInput)) / (1 << 20)))
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := kindOf(job)
	before, known := s.perMiB[kind]
	if !known {
		before = each
	}
	s.perMiB[kind] = before + (each-before)/4
}

// left estimates the remaining time of a run from its progress, or from the speed of
// earlier runs before there is enough progress.
func (s *speeds) left(job Job, fraction float64, ran time.Duration) time.Duration {
	if fraction >= 0.02 {
		return time.Duration(float64(ran) * (1 - fraction) / fraction)
	}
	return max(0, s.expect(job)-ran)
}
