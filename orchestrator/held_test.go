package orchestrator

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// statedGuard is a guard with a health and a hold.
type statedGuard struct {
	passGuard
	health services.HealthStatus
	hold   *services.Hold
}

func (g *statedGuard) Health() services.Health { return services.Health{Status: g.health} }
func (g *statedGuard) Hold(reason string)      { g.hold = &services.Hold{Reason: reason} }
func (g *statedGuard) Reset()                  { g.hold = nil }
func (g *statedGuard) Held() (hold services.Hold, held bool) {
	if g.hold != nil {
		hold = *g.hold
	}
	return hold, g.hold != nil
}

// statedGuards is a keeper of such guards, by model.
type statedGuards map[string]*statedGuard

func (k statedGuards) Watch(unit *Unit) Guard {
	k[unit.Model()] = &statedGuard{health: services.HealthHealthy}
	return k[unit.Model()]
}

func (k statedGuards) Forget(*Unit) {}

// registerStated registers a service whose guards have a health and a hold.
func registerStated(service services.ModelService) (*Orchestrator, *Registration, statedGuards) {
	log, keeper := slog.New(slog.DiscardHandler), make(statedGuards)
	registry := NewRegistry(log)
	entry := registry.Register(service, &statedGuard{health: services.HealthHealthy}, keeper)
	return New(Dependencies{Registry: registry, Admission: &desk{}, Log: log}), entry, keeper
}

// TestAHeldModelIsNotForgotten has more models than may have a guard, and an operator who
// holds one; else the next task of the model would run.
func TestAHeldModelIsNotForgotten(t *testing.T) {
	t.Parallel()
	service := newChoir()
	for i := range maxModels + 10 {
		service.models = append(service.models, fmt.Sprint("m", i))
	}
	o, entry, keeper := registerStated(service)
	require.NoError(t, entry.OpenBreaker("m0", "maintenance"))
	require.Empty(t, sing(t, o, "m1"))
	keeper["m1"].health = services.HealthFailing
	for i := range maxModels {
		require.Empty(t, sing(t, o, fmt.Sprint("m", i+2)))
	}
	require.Len(t, entry.Units(), maxModels)
	require.NotNil(t, entry.find("m0"))
	require.NotNil(t, entry.find("m1"), "the healthy go first")
	require.Nil(t, entry.find("m2"))
	for _, unit := range entry.Units() {
		unit.Guard.Hold("")
	}
	require.Equal(t, services.KindBusy, sing(t, o, "m2"), "all are held")
}

func TestAHoldIsAStateOfTheUnit(t *testing.T) {
	t.Parallel()
	o, entry, _ := registerStated(newChoir("good"))
	require.Empty(t, sing(t, o, ""))
	require.NoError(t, entry.OpenBreaker("", ""))
	require.Equal(t, "degraded an operator has opened its circuit breaker", string(entry.State())+" "+entry.Status().LastError)
	entry.Restore("recovered")
	require.Equal(t, services.StateDegraded, entry.State())
	require.NoError(t, entry.ResetBreaker(""))
	require.Equal(t, services.StateReady, entry.State())
	entry.Restore("recovered")
	require.Equal(t, services.StateReady, entry.State())

	entry.Isolate("it broke", 0)
	require.Equal(t, services.KindUnavailable, sing(t, o, ""))
	require.NoError(t, entry.ResetBreaker(""))
	require.Empty(t, sing(t, o, ""))
	require.False(t, entry.Isolated())
}

func TestModelsAreListedWithTheirHealth(t *testing.T) {
	t.Parallel()
	o, entry, keeper := registerStated(newChoir("good", "unused"))
	require.Empty(t, sing(t, o, "good"))
	keeper["good"].health = services.HealthUnproven
	var seen []services.HealthStatus
	for _, m := range entry.Models() {
		seen = append(seen, m.Health)
	}
	require.Equal(t, []services.HealthStatus{services.HealthHealthy, services.HealthUnproven, ""}, seen)
}

// TestACanarysSuccessIsNotATasks has a canary before the first task.
func TestACanarysSuccessIsNotATasks(t *testing.T) {
	t.Parallel()
	o, entry, _ := registerStated(newChoir())
	require.NoError(t, o.Canary(t.Context(), "echo", ""))
	require.True(t, entry.Status().LastSuccess.IsZero())
	require.Empty(t, sing(t, o, ""))
	at := entry.Status().LastSuccess
	require.False(t, at.IsZero())
	require.NoError(t, o.Canary(t.Context(), "echo", ""))
	require.Equal(t, at, entry.Status().LastSuccess)
}
