package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrStarted is returned by the Start of a part that was started or stopped before.
var ErrStarted = errors.New("was started or stopped before")

// Part is something that runs between a start and a stop. It is started at most once.
type Part interface {
	// Start starts the part and returns without waiting for its end. It returns ErrStarted
	// if the part was started or stopped before. ctx limits the start only; the part
	// outlives it.
	Start(ctx context.Context) error
	// Stop stops the part and waits for it, or returns ctx's error if that ends first. It
	// also releases the resources of a part that was never started, and can be repeated.
	Stop(ctx context.Context) error
}

// Funcs is a Part made of two functions; nil does nothing.
type Funcs struct {
	OnStart, OnStop func(ctx context.Context) error
}

// Start implements Part.
func (f Funcs) Start(ctx context.Context) error {
	if f.OnStart == nil {
		return nil
	}
	return f.OnStart(ctx)
}

// Stop implements Part.
func (f Funcs) Stop(ctx context.Context) error {
	if f.OnStop == nil {
		return nil
	}
	return f.OnStop(ctx)
}

// List starts parts in the order in which they were added, and stops them in reverse order.
// The zero value is empty. It is safe for concurrent use.
type List struct {
	mu    sync.Mutex
	parts []part
	begun bool // started or stopped
}

type part struct {
	Part
	name  string
	grace time.Duration
}

// Add appends a part to the list. When it is stopped it has at least the grace time, even
// if the context of the stop has ended. Parts must be added before Start.
func (l *List) Add(name string, grace time.Duration, p Part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = append(l.parts, part{p, name, grace})
}

// Start starts the parts. If one fails, it returns that error, which names the part, and
// starts no others; the caller must stop the list even then.
func (l *List) Start(ctx context.Context) error {
	l.mu.Lock()
	parts := l.parts
	again := l.begun
	l.begun = true
	l.mu.Unlock()
	if again {
		return ErrStarted
	}
	for _, p := range parts {
		if err := p.Start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
	}
	return nil
}

// Stop stops every part, including those that were not started, and returns all errors,
// each with the part's name. It can be repeated.
func (l *List) Stop(ctx context.Context) error {
	l.mu.Lock()
	l.begun = true
	parts := l.parts
	l.mu.Unlock()
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		if err := parts[i].stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", parts[i].name, err))
		}
	}
	return errors.Join(errs...)
}

// stop stops a part within the rest of ctx's time, or its grace time if that is longer.
func (p part) stop(ctx context.Context) error {
	deadline, bounded := ctx.Deadline()
	if least := time.Now().Add(p.grace); ctx.Err() != nil || bounded && deadline.Before(least) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(context.WithoutCancel(ctx), least)
		defer cancel()
	}
	return p.Stop(ctx)
}
