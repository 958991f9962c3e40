package orchestrator

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// unitModel is what a unit should be, by a table instead of its code.
type unitModel struct {
	state    services.State
	isolated bool
	held     bool
}

// unitSteps are the steps that recovery, the monitor and operators take.
var unitSteps = map[string]func(unit *Unit, entry *Registration, m *unitModel){
	"isolate": func(unit *Unit, _ *Registration, m *unitModel) {
		unit.Isolate("isolate", time.Minute)
		m.state, m.isolated = services.StateRecovering, true
	},
	"give up": func(unit *Unit, _ *Registration, m *unitModel) {
		unit.GiveUp("give up", time.Minute)
		m.state, m.isolated = services.StateUnavailable, true
	},
	"fail": func(unit *Unit, _ *Registration, m *unitModel) {
		unit.Fail("fail")
		m.state, m.isolated = services.StateUnavailable, false
	},
	"degrade": func(unit *Unit, _ *Registration, m *unitModel) {
		unit.Degrade("degrade")
		if m.state == services.StateReady {
			m.state = services.StateDegraded
		}
	},
	"restore": func(unit *Unit, _ *Registration, m *unitModel) {
		unit.Restore("restore")
		m.state, m.isolated = services.StateReady, false
		if m.held {
			m.state = services.StateDegraded
		}
	},
	"hold": func(unit *Unit, entry *Registration, m *unitModel) {
		if err := entry.OpenBreaker(unit.Model(), "hold"); err != nil {
			panic(err)
		}
		m.held = true
		if m.state == services.StateReady {
			m.state = services.StateDegraded
		}
	},
	"reset": func(unit *Unit, entry *Registration, m *unitModel) {
		if err := entry.ResetBreaker(unit.Model()); err != nil {
			panic(err)
		}
		m.held = false
		if m.isolated || m.state == services.StateDegraded {
			m.state, m.isolated = services.StateReady, false
		}
	},
	"canary": func(unit *Unit, _ *Registration, m *unitModel) {
		unit.succeeded(true)
		if m.state == services.StateUnavailable && !m.isolated {
			m.state = services.StateReady
		}
	},
}

// TestEveryStateOfAUnitIsLeft takes random steps and compares the unit with the table after
// each. From every state a restoration leads back to a unit that takes tasks.
func TestEveryStateOfAUnitIsLeft(t *testing.T) {
	t.Parallel()
	names := make([]string, 0, len(unitSteps))
	for name := range unitSteps {
		names = append(names, name)
	}
	slices.Sort(names)
	seen := make(map[services.State]int)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		var steps []services.Transition
		log, keeper := slog.New(slog.DiscardHandler), make(statedGuards)
		registry := NewRegistry(log, func(step services.Transition) { steps = append(steps, step) })
		entry := registry.Register(newChoir("good"), &statedGuard{health: services.HealthHealthy}, keeper)
		require.NoError(t, entry.Initialize(t.Context()))
		_, leave, err := entry.enter("good")
		require.NoError(t, err)
		unit := []*Unit{entry.Unit, entry.Units()[0]}[seed%2]
		m := unitModel{state: services.StateReady}
		steps = nil
		for i := range 100 {
			name := names[r.IntN(len(names))]
			before := m.state
			count := len(steps)
			unitSteps[name](unit, entry, &m)
			at := fmt.Sprintf("seed %d, step %d: %s", seed, i, name)
			require.Equal(t, m.state, unit.State(), at)
			require.Equal(t, m.isolated, unit.Isolated(), at)
			err := unit.admits()
			require.Equal(t, m.isolated, err != nil, at)
			if m.isolated {
				require.Equal(t, services.KindUnavailable, services.KindOf(err))
			}
			if before == m.state {
				require.LessOrEqual(t, len(steps)-count, 2, at) // it may pass through ready
			} else {
				last := steps[len(steps)-1]
				require.Equal(t, []any{"echo", unit.Model(), m.state}, []any{last.Service, last.Model, last.To}, at)
			}
			known := unit.steps()
			require.LessOrEqual(t, len(known), maxTransitions)
			latest := min(len(known), len(steps))
			require.True(t, slices.Equal(steps[len(steps)-latest:], known[len(known)-latest:]), at)
			seen[m.state]++
		}
		unit.Restore("well again")
		require.NoError(t, unit.admits())
		leave()
		registry.Shutdown(t.Context())
		unit.Restore("too late")
		require.False(t, unit.Isolated())
		require.Error(t, unit.admits(), "it is stopped for good")
	}
	require.Len(t, seen, 4, "ready, degraded, recovering and unavailable")
}

func TestALimitedNumberOfStepsIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newChoir("good")
		o, entry, _, _ := rehearse(service)
		require.Empty(t, sing(t, o, "good"))
		unit := entry.Units()[0]
		for range maxTransitions {
			time.Sleep(time.Second)
			unit.Isolate("again", 0)
			unit.Restore("again")
		}
		require.Len(t, unit.steps(), maxTransitions)
		time.Sleep(time.Second)
		entry.Degrade("slow")
		all := entry.Events()
		require.Len(t, all, maxTransitions+3, "those of a model do not displace the service's own")
		require.True(t, slices.IsSortedFunc(all, func(a, b services.Transition) int { return a.At.Compare(b.At) }))
		require.Equal(t, services.StateDegraded, all[len(all)-1].To)
		status := entry.Status()
		require.Equal(t, []any{services.StateDegraded, "slow", time.Now()}, []any{status.State, status.LastError, status.Since})
		require.Empty(t, unit.Status().LastError)

		unit.Isolate("gone", 30*time.Second)
		var fault *services.Fault
		require.ErrorAs(t, unit.admits(), &fault)
		require.Equal(t, 30*time.Second, fault.RetryAfter)
		require.ErrorContains(t, fault.Err, "gone")
		time.Sleep(time.Minute)
		require.ErrorAs(t, unit.admits(), &fault)
		require.Equal(t, time.Second, fault.RetryAfter)
	})
}

// TestModelsAreDrainedOneByOne has drains of a service and of two of its models.
func TestModelsAreDrainedOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newChoir("a", "b")
		o, entry, _, _ := rehearse(service)
		var saved [][]Drain
		began := time.Now().UTC()
		old := Drain{Service: "gone", Model: "x", Since: began}
		o.registry.KeepDrains([]Drain{old}, func(list []Drain) error { saved = append(saved, list); return nil })
		require.Equal(t, []Drain{old}, o.registry.Drains())
		require.Empty(t, entry.Drains(), "of another service")
		require.Equal(t, services.KindNotFound, services.KindOf(entry.Drain("none", "")))
		require.Empty(t, saved)
		require.NoError(t, entry.Drain("b", "upgrade"))
		time.Sleep(time.Minute)
		require.NoError(t, entry.Drain("a", ""))
		require.NoError(t, entry.Drain("b", "later"))
		a, b := Drain{Service: "echo", Model: "a", Since: began.Add(time.Minute)}, Drain{Service: "echo", Model: "b",
			Reason: "later", Since: began}
		require.Equal(t, []ActiveDrain{{Drain: a}, {Drain: b}}, entry.Drains(), "the first of two drains began it")
		require.Equal(t, []Drain{a, b, old}, saved[len(saved)-1])
		for model, want := range map[string]services.Kind{"": "", "echo-tiny": "", "a": services.KindUnavailable, "b": services.KindUnavailable} {
			require.Equal(t, want, sing(t, o, model), model)
			require.Equal(t, want != "", o.Held(services.Task{Service: "echo", Model: model}), model)
			_, drained := entry.Drained(model)
			require.Equal(t, want != "", drained)
		}
		_, err := o.Execute(t.Context(), services.Task{Service: "echo", Model: "b"}, services.DiscardSink{})
		var fault *services.Fault
		require.ErrorAs(t, err, &fault)
		require.Equal(t, "model b of service echo is drained by an operator: later", fault.Message)
		require.Equal(t, drainedRetry, fault.RetryAfter)
	})
}

func TestADrainOfTheDefaultModelIsThatOfTasksWithoutOne(t *testing.T) {
	t.Parallel()
	service := newChoir("a")
	o, entry, _, _ := rehearse(service)
	require.NoError(t, entry.Drain("echo-tiny", ""))
	require.Equal(t, services.KindUnavailable, sing(t, o, ""))
	require.Zero(t, service.starts, "it is refused before the start")
	require.Empty(t, sing(t, o, "a"))
	require.True(t, o.Held(services.Task{Service: "echo"}))
	require.NoError(t, entry.Drain("", "all"))
	require.Equal(t, services.KindUnavailable, sing(t, o, "a"))
	drain, drained := entry.Drained("a")
	require.Equal(t, []any{true, ""}, []any{drained, drain.Model}, "the service's own comes first")
	o.registry.KeepDrains(o.registry.Drains(), func([]Drain) error { return errBroken })
	err := entry.Resume("")
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "service echo is resumed, but this could not be saved")
	require.Equal(t, services.KindUnavailable, sing(t, o, ""), "that of the model is in force")
	require.Error(t, entry.Resume("echo-tiny"))
	require.Empty(t, sing(t, o, ""))
	require.False(t, o.Held(services.Task{Service: "nobody"}))
	require.False(t, o.Held(services.Task{Name: "sing"}))
	_, drained = mustLookup(t, shelves(t, Names{}), "files").Drained("")
	require.False(t, drained)
}
