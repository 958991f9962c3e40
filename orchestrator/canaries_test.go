package orchestrator

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

func TestCanaries(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	o, _, d, _ := script(t, s)
	dir := t.TempDir()
	var made string
	var asked services.Task
	s.prepare = func(task services.Task) (services.Work, error) {
		asked = task
		return servicetest.Work{On: "echo-tiny", Needs: 5, Do: func(context.Context, services.Sink) (services.TaskResult, error) {
			return services.TaskResult{Audio: &services.Artifact{Path: made}}, nil
		}}, nil
	}
	made = filepath.Join(dir, "sound")
	require.NoError(t, os.WriteFile(made, nil, 0o600))
	require.NoError(t, o.Canary(t.Context(), "echo", ""))
	require.NoFileExists(t, made)
	require.Equal(t, []any{"canary-echo", services.PriorityHigh, ""}, []any{asked.ID, asked.Priority, asked.Model})
	require.Empty(t, s.models)
	require.ErrorIs(t, o.Canary(t.Context(), "echo", "echo-tiny"), os.ErrNotExist, "its sound cannot be removed")
	require.Equal(t, []any{"canary-echo-echo-tiny", "echo-tiny"}, []any{asked.ID, asked.Model})
	require.Equal(t, []string{"echo-tiny"}, s.models)

	require.Equal(t, services.KindNotFound, services.KindOf(o.Canary(t.Context(), "nobody", "")))
	plainO, _ := registerPlain(newFaulty())
	require.NoError(t, plainO.Canary(t.Context(), "echo", ""), "it has none")

	d.err = errBroken
	require.ErrorIs(t, o.Canary(t.Context(), "echo", ""), errBroken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := o.Canary(ctx, "echo", "")
	require.Equal(t, services.KindBusy, services.KindOf(err), "it waited all the time")
	require.ErrorContains(t, err, "the canary did not get to run")
	require.Empty(t, o.Tasks(services.Caller{All: true}))
}
