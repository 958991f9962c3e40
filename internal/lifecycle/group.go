package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Group runs the goroutines of a part between its Start and its Stop. The zero value is
// ready to use. It is safe for concurrent use.
type Group struct {
	mu      sync.Mutex
	started bool
	stopped bool
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Start runs the functions until Stop, which cancels their context. It returns ErrStarted
// if the group was started or stopped before.
func (g *Group) Start(ctx context.Context, run ...func(ctx context.Context)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started || g.stopped {
		return ErrStarted
	}
	g.started = true
	ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, one := range run {
		g.running.Go(func() { one(ctx) })
	}
	return nil
}

// Stop cancels the functions and waits for them, or returns ctx's error if that ends first.
// It can be repeated.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.stopped = true
	if g.cancel != nil {
		g.cancel()
	}
	g.mu.Unlock()
	return Wait(ctx, &g.running)
}

// Wait waits for a group of goroutines, or returns ctx's error if that ends first.
func Wait(ctx context.Context, group *sync.WaitGroup) error {
	ended := make(chan struct{})
	go func() {
		group.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop: %w", ctx.Err())
	}
}

// Every calls fn once each interval until ctx ends.
func Every(ctx context.Context, interval time.Duration, fn func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			fn()
		}
	}
}
