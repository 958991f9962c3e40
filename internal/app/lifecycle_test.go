package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/internal/datadir"
	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
)

// TestAFailedBuildLeavesNothingOpen fails after the engine has been opened, of which a
// process can have only one.
func TestAFailedBuildLeavesNothingOpen(t *testing.T) {
	cfg := config.Default()
	cfg.DataDir = t.TempDir()
	cfg.Tracing.Enabled, cfg.Tracing.Endpoint = true, "no url"
	_, err := build(cfg, t.TempDir(), nil, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "no url")
	cfg.Tracing.Enabled = false
	s, err := build(cfg, t.TempDir(), nil, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, s.parts.Stop(t.Context()), "never started")
}

func TestPartsStartAndStop(t *testing.T) {
	discard := slog.New(slog.DiscardHandler)
	for name, build := range map[string]func(t *testing.T) lifecycle.Part{
		"pruner":   func(*testing.T) lifecycle.Part { return &pruner{every: time.Hour, follow: func(context.Context) {}} },
		"reloader": func(*testing.T) lifecycle.Part { return &reloader{log: discard} },
		"upgrade": func(t *testing.T) lifecycle.Part {
			t.Helper()
			dir, err := datadir.Open(t.TempDir())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, dir.Close()) })
			cfg := config.Default()
			cfg.DataDir = t.TempDir()
			stored, err := openStorage(cfg, discard)
			require.NoError(t, err)
			return &upgrade{database: stored.database, dir: dir, log: discard}
		},
	} {
		t.Run(name, func(t *testing.T) { lifecycletest.Stress(t, 20, build) })
	}
}
