package orchestrator

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// conductor is an echo whose tasks only run other tasks.
type conductor struct{ echo }

func (c *conductor) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	work, err := c.echo.Prepare(ctx, task)
	return conducting{work}, err
}

type conducting struct{ services.Work }

func (conducting) Coordinates() {}

// A task that runs others holds nothing while they wait, and one that panics is a fault.
func TestACoordinatorHoldsNoLease(t *testing.T) {
	t.Parallel()
	service := &conductor{}
	o, d, seen := setup(&service.echo, passGuard{})
	entry, err := o.registry.Lookup("echo")
	require.NoError(t, err)
	entry.Service = service
	service.run = func(ctx context.Context, _ services.Sink) error {
		_, held := services.LeaseOf(ctx).Slot()
		require.False(t, held)
		require.Len(t, o.Tasks(services.Caller{All: true}), 1)
		return services.Yield(ctx)
	}
	_, err = o.Execute(t.Context(), task, services.DiscardSink{})
	require.NoError(t, err)
	require.Equal(t, desk{}, *d)
	require.True(t, (*seen)[0].Started)
	service.run = func(context.Context, services.Sink) error { panic(errors.New("ouch")) }
	_, err = o.Execute(t.Context(), task, services.DiscardSink{})
	require.Equal(t, services.KindInternal, services.KindOf(err), err)
	require.Empty(t, o.Tasks(services.Caller{All: true}))
	ctx, cancel := context.WithCancel(t.Context())
	service.run = func(ctx context.Context, _ services.Sink) error { cancel(); return services.Yield(ctx) }
	_, err = o.Execute(ctx, task, services.DiscardSink{})
	require.ErrorIs(t, err, context.Canceled)
}

// The parts of a task are logged at the level debug, unless they fail.
func TestPartsAreNotLogged(t *testing.T) {
	t.Parallel()
	service := &echo{}
	o, _, _ := setup(service, passGuard{})
	var lines bytes.Buffer
	o.log = slog.New(slog.NewTextHandler(&lines, nil))
	for _, c := range []struct {
		ctx    context.Context
		fault  error
		logged bool
	}{
		{t.Context(), nil, true},
		{services.WithPart(t.Context()), nil, false},
		{services.WithPart(t.Context()), errors.New("ouch"), true},
	} {
		lines.Reset()
		service.run = func(context.Context, services.Sink) error { return c.fault }
		_, err := o.Execute(c.ctx, task, services.DiscardSink{})
		require.Equal(t, c.fault == nil, err == nil)
		require.Equal(t, c.logged, bytes.Contains(lines.Bytes(), []byte("task ended")), lines.String())
	}
}
