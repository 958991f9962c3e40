package api

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
)

func TestServerStartsAndStops(t *testing.T) {
	t.Parallel()
	lifecycletest.Stress(t, 20, func(t *testing.T) lifecycle.Part {
		cfg := DefaultConfig()
		cfg.Listen = "127.0.0.1:0"
		listener, err := Listen(t.Context(), cfg)
		require.NoError(t, err)
		return NewServer(cfg, listener, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	})
}
