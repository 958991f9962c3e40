package natsstore

import (
	"log/slog"
	"math"
	"testing"

	"github.com/grym-synth/grym-synth/internal/lifecycle"
	"github.com/grym-synth/grym-synth/internal/lifecycle/lifecycletest"
	"github.com/grym-synth/grym-synth/services"
)

func TestStoreStartsAndStops(t *testing.T) {
	t.Parallel()
	lifecycletest.Stress(t, 5, func(t *testing.T) lifecycle.Part {
		t.Helper()
		cfg := DefaultConfig()
		cfg.Dir = t.TempDir()
		return New(cfg, func(string) (services.Bytes, error) { return math.MaxInt64, nil }, slog.New(slog.DiscardHandler))
	})
}
