package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
)

// upgrade rewrites the records of a data folder of version 0.1.0 in the current format,
// once. It runs while requests are served; if it is interrupted, the next process starts it
// again.
type upgrade struct {
	database *records.Database
	library  *library.Library
	dir      *datadir.Dir
	log      *slog.Logger
	group    lifecycle.Group
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

// once does every step; each can be repeated.
func (u *upgrade) once(ctx context.Context) (n int, err error) {
	if n, err = u.library.Adopt(ctx); err != nil {
		return n, err
	}
	if n, err = u.database.Upgrade(ctx); err != nil {
		return n, err
	}
	return n, u.dir.Migrated()
}
