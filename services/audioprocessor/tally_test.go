package audioprocessor

import (
	"sync"
	"testing"
)

// TestTasksMayBeginWhileOthersAreAwaited has more waiters and tasks than a WaitGroup
// allows.
func TestTasksMayBeginWhileOthersAreAwaited(t *testing.T) {
	t.Parallel()
	var running tally
	<-running.none()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2000 {
				running.begin()
				running.end()
			}
		})
		all.Go(func() {
			for range 2000 {
				<-running.none()
			}
		})
	}
	all.Wait()
	<-running.none()
}
