package orchestrator

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// stopping is a service with a name and an end of its own.
type stopping struct {
	echo
	name string
	err  error
	ends *[]string
}

func (s *stopping) Describe() services.Description { return services.Description{Name: s.name} }

func (s *stopping) Shutdown(context.Context) error {
	*s.ends = append(*s.ends, s.name)
	s.started = false
	if s.err != nil && s.err.Error() == "panic" {
		panic("broken")
	}
	return s.err
}

func TestAShutdownThatFailsIsReportedAndTheOthersAreShutDown(t *testing.T) {
	t.Parallel()
	var ends []string
	stuck := errors.New("stuck")
	registry := NewRegistry(slog.New(slog.DiscardHandler))
	for _, s := range []*stopping{{name: "first"}, {name: "second", err: stuck}, {name: "third", err: errors.New("panic")}, {name: "last"}} {
		s.ends = &ends
		require.NoError(t, registry.Register(s, passGuard{}, nil).Initialize(t.Context()))
	}
	errs := registry.Shutdown(t.Context())
	require.Equal(t, []string{"last", "third", "second", "first"}, ends)
	require.Len(t, errs, 2)
	require.ErrorContains(t, errs[0], "shut down third")
	require.ErrorIs(t, errs[1], stuck)
	require.ErrorContains(t, errs[1], "shut down second")
	for _, entry := range registry.List() {
		require.Equal(t, services.StateStopped, entry.State(), entry.Name())
		require.Error(t, entry.Initialize(t.Context()), "it is stopped for good")
	}
}
