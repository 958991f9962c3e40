package api

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/orchestrator/batches"
	"github.com/grym-synth/grym-synth/orchestrator/jobs"
	"github.com/grym-synth/grym-synth/orchestrator/library"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/services"
)

// checker is an executor that only checks.
type checker func(ctx context.Context) error

func (c checker) Check(ctx context.Context, _ services.Task) error {
	if err := c(ctx); err != nil {
		return services.Invalidf("params", "%v", err)
	}
	return nil
}

func (c checker) Execute(context.Context, services.Task, services.Sink) (services.TaskResult, error) {
	panic("nothing is executed")
}

// batchesOver returns batches in a store that accept items for which check returns nil, and
// never run, with the library of their recordings.
func batchesOver(t *testing.T, store records.Store, check checker) (*batches.Manager, *library.Library) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db := records.NewDatabase(store, log)
	lib := library.New(library.DefaultConfig(), db, log)
	lib.SetProbe(func(services.AudioSource) (library.Facts, string) { return library.Facts{}, "audio/wav" })
	manager := jobs.NewManager(jobs.DefaultConfig(), jobs.Dependencies{
		Database: db, Library: lib, Executor: check, Ageing: time.Second, Log: log,
		Bind: func(task services.Task) (services.Task, error) { return task, nil },
	})
	many := batches.New(batches.DefaultConfig(), batches.Dependencies{Database: db, Library: lib, Jobs: manager, Log: log})
	require.NoError(t, db.Start(t.Context()))
	t.Cleanup(func() { assert.NoError(t, db.Stop(context.Background())) })
	require.True(t, db.AwaitReady(t.Context()))
	return many, lib
}
