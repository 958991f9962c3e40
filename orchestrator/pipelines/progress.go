package pipelines

import (
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// states returns the states of the steps, in the order of the definition.
func (r *run) states() []services.StepProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]services.StepProgress, 0, len(r.steps))
	for _, defined := range r.plan.Definition.Steps {
		s := r.steps[defined.ID]
		one := services.StepProgress{
			ID: defined.ID, Status: s.status, Progress: s.fraction(), Started: s.began, Ended: s.closed, Error: s.err,
		}
		if s.node.items != nil {
			one.Done, one.Total = s.done, s.total
		}
		list = append(list, one)
	}
	return list
}

// fraction returns the progress of a step. The run's mu is held.
func (s *step) fraction() float64 {
	switch {
	case s.status == StepWaiting:
		return 0
	case s.status != StepRunning:
		return 1
	case s.total == 0:
		return 0
	}
	sum := float64(s.done)
	for _, one := range s.fractions {
		sum += one
	}
	return min(sum/float64(s.total), 1)
}

// report passes the progress of the whole to the sink.
func (r *run) report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sum float64
	var names []string
	for _, n := range r.plan.steps {
		s := r.steps[n.ID]
		sum += s.fraction()
		switch {
		case s.status != StepRunning:
		case s.waits != "":
			names = append(names, n.ID+" waits: "+s.waits)
		case n.items != nil:
			names = append(names, fmt.Sprintf("%s %d/%d", n.ID, s.done, s.total))
		default:
			names = append(names, n.ID)
		}
	}
	r.sink.Progress(sum/float64(len(r.plan.steps)), services.Clip(strings.Join(names, ", "), 200))
}
