package services

import (
	"context"
	"time"
)

// StageClock measures the stages of a task's compute, and adds each part of one to the
// trace. One goroutine uses it.
type StageClock struct {
	span  Span
	mark  time.Time
	spent map[Stage]time.Duration
}

// NewStageClock returns a clock whose first part begins now. The parts become steps of
// what is under way in the context.
func NewStageClock(ctx context.Context) *StageClock {
	return &StageClock{span: SpanOf(ctx), mark: time.Now(), spent: make(map[Stage]time.Duration)}
}

// Skip leaves the time since the last part out: the next one begins now.
func (c *StageClock) Skip() { c.mark = time.Now() }

// Book ends a part of a stage, which began with the end of the one before.
func (c *StageClock) Book(stage Stage) {
	now := time.Now()
	c.spent[stage] += now.Sub(c.mark)
	c.span.Step(string(stage), c.mark, now)
	c.mark = now
}

// Times returns how long the stages took that were booked, in the order of the work.
func (c *StageClock) Times() (list []StageTime) {
	for _, stage := range Stages() {
		if spent, ok := c.spent[stage]; ok {
			list = append(list, StageTime{Stage: stage, Duration: spent})
		}
	}
	return list
}
