package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// upgrade rewrites the records of a data folder of an older format in the current one,
// once. It runs while requests are served; if it is interrupted, the next process starts it
// again.
type upgrade struct {
	database *records.Database
	// steps are done in order.
	steps []step
	dir   *datadir.Dir
	log   *slog.Logger
	group lifecycle.Group
}

// step is a part of the upgrade, for which every record of the store is known. Since the
// upgrade may be interrupted at any point, a step must be repeatable.
type step struct {
	name string
	// run returns how many records it changed.
	run func(ctx context.Context) (int, error)
}

// Start starts the upgrade, if one is needed, and returns at once.
func (u *upgrade) Start(ctx context.Context) error {
	if u.dir.Format() == datadir.Format || !u.database.Store().Exclusive() {
		return u.group.Start(ctx)
	}
	return u.group.Start(ctx, u.run)
}

// Stop stops the upgrade and waits for it.
func (u *upgrade) Stop(ctx context.Context) error { return u.group.Stop(ctx) }

// run retries until the upgrade is complete.
func (u *upgrade) run(ctx context.Context) {
	if !u.database.AwaitReady(ctx) {
		return
	}
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		n, err := u.once(ctx)
		if err == nil {
			u.log.Info("data folder upgraded", "version", datadir.Format, "records", n)
			return
		}
		if ctx.Err() == nil {
			u.log.Error("the data folder could not be upgraded; trying again", "error", err, "wait", wait)
		}
		records.Pause(ctx, wait)
	}
}

// once does every step, and then records the format.
func (u *upgrade) once(ctx context.Context) (n int, err error) {
	for _, step := range u.steps {
		changed, err := step.run(ctx)
		n += changed
		if err != nil {
			return n, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return n, u.dir.Migrated()
}
