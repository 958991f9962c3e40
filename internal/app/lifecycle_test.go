package app

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
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
