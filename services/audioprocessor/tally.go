package audioprocessor

import "sync"

// tally counts running tasks. Unlike with a sync.WaitGroup, a task may begin while
// another goroutine waits for the end of those before.
type tally struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when no task runs; nil before the first
}

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		t.idle = make(chan struct{})
	}
	t.n++
}

func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 {
		close(t.idle)
	}
}

// none returns a channel that is closed as soon as no task runs.
func (t *tally) none() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		t.idle = make(chan struct{})
		close(t.idle)
	}
	return t.idle
}
