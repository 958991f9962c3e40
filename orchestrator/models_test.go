package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

// choir is a service of several models, each of which may be broken.
type choir struct {
	echo
	models   []string
	broken   map[string]bool
	unloaded []string
	sang     []string
}

func newChoir(models ...string) *choir {
	return &choir{models: append([]string{"echo-tiny"}, models...), broken: make(map[string]bool)}
}

func (c *choir) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *choir) Models() (list []services.ModelStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range c.models {
		list = append(list, services.ModelStatus{Name: name, State: services.StateReady})
	}
	return list
}

// Initialize does nothing where the service is started.
func (c *choir) Initialize(ctx context.Context) error {
	if c.Initialized() {
		return nil
	}
	return c.echo.Initialize(ctx)
}

func (c *choir) LoadModel(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.models, name) {
		return services.Faultf(services.KindNotFound, "no such model")
	}
	if c.broken[name] {
		return errors.New("broken")
	}
	return nil
}

func (c *choir) UnloadModel(_ context.Context, name string) error {
	c.change(func() { c.unloaded = append(c.unloaded, name) })
	return nil
}

func (c *choir) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	model := cmp.Or(task.Model, "echo-tiny")
	if !slices.Contains(c.models, model) {
		return nil, services.Faultf(services.KindNotFound, "no such model")
	}
	return servicetest.Work{On: model, Needs: 1, Do: func(context.Context, services.Sink) (services.TaskResult, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sang = append(c.sang, model)
		if c.broken[model] {
			return services.TaskResult{}, errors.New("broken")
		}
		return services.TaskResult{Model: model}, nil
	}}, nil
}

func (c *choir) CanaryTask() services.Task { return services.Task{Service: "echo", Name: "say"} }

// book is a keeper that records the units it watches.
type book struct {
	mu        sync.Mutex
	watched   []string
	forgotten []string
	guard     passGuard
}

func (b *book) Watch(unit *Unit) Guard {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watched = append(b.watched, unit.Model())
	return b.guard
}

func (b *book) Forget(unit *Unit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgotten = append(b.forgotten, unit.Model())
}

func rehearse(service services.ModelService) (*Orchestrator, *Registration, *book, *events) {
	log := slog.New(slog.DiscardHandler)
	registry, keeper, seen := NewRegistry(log), &book{}, &events{}
	entry := registry.Register(service, passGuard{}, keeper)
	return New(Dependencies{Registry: registry, Admission: &desk{}, Observers: []Observer{seen}, Log: log}), entry, keeper, seen
}

// sing runs a task with a model and returns its error's kind.
func sing(t *testing.T, o *Orchestrator, model string) services.Kind {
	t.Helper()
	_, err := o.Execute(t.Context(), services.Task{ID: "1", Service: "echo", Name: "say", Model: model}, services.DiscardSink{})
	return services.KindOf(err)
}

func TestAnIsolatedModelRefusesOnlyItself(t *testing.T) {
	t.Parallel()
	service := newChoir("bad", "good")
	o, entry, keeper, seen := rehearse(service)
	service.broken["bad"] = true
	require.Equal(t, services.KindInternal, sing(t, o, "bad"))
	require.Equal(t, "bad", (*seen)[0].Model, "a failure is counted for its model")
	require.Empty(t, sing(t, o, "good"))
	require.Empty(t, sing(t, o, ""))
	require.Empty(t, sing(t, o, "echo-tiny"))
	require.Equal(t, []string{"bad", "good"}, keeper.watched, "the default model is the service's own")

	entry.Units()[0].GiveUp("tried in vain", 7*time.Second)
	_, err := o.Execute(t.Context(), services.Task{Service: "echo", Model: "bad"}, services.DiscardSink{})
	var fault *services.Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, services.KindUnavailable, fault.Kind)
	require.InDelta(t, 7, fault.RetryAfter.Seconds(), 1)
	require.Equal(t, "model bad of service echo is unavailable", fault.Message)
	for _, other := range []string{"", "good", "echo-tiny"} {
		require.Empty(t, sing(t, o, other))
	}
	require.Equal(t, services.StateReady, entry.State())
	status := entry.Status()
	require.Equal(t, services.StateReady, status.State)
	for _, model := range entry.Models() {
		require.Equal(t, model.Name == "bad", model.State == services.StateUnavailable)
		require.Equal(t, model.Name == "bad", model.Problem != "")
	}
	events := entry.Events()
	require.Equal(t, "bad", events[len(events)-1].Model)
	require.Empty(t, events[0].Model)

	// Its canary passes, and is one of that model.
	service.change(func() { service.sang = nil })
	require.Error(t, o.Canary(t.Context(), "echo", "bad"))
	require.Equal(t, []string{"bad"}, service.sang)
	service.change(func() { service.broken["bad"] = false })
	require.NoError(t, o.Canary(t.Context(), "echo", "bad"))
	require.NoError(t, entry.Units()[0].Reload(t.Context()))
	require.Equal(t, []string{"bad"}, service.unloaded, "the others stay loaded")
}

func TestTheServicesOwnUnitRefusesNoOtherModel(t *testing.T) {
	t.Parallel()
	service := newChoir("good")
	o, entry, _, _ := rehearse(service)
	require.Empty(t, sing(t, o, "good"))
	entry.Isolate("it failed", time.Second)
	require.Equal(t, services.KindUnavailable, sing(t, o, ""))
	require.Equal(t, services.KindUnavailable, sing(t, o, "echo-tiny"))
	require.Empty(t, sing(t, o, "good"))
	require.NoError(t, entry.Unit.Reload(t.Context()))
	require.Equal(t, []string{"echo-tiny"}, service.unloaded)
	require.Equal(t, 1, service.starts, "the service was not shut down")
}

func TestADefaultModelThatDoesNotStartTakesNoOtherDown(t *testing.T) {
	t.Parallel()
	service := newChoir("good")
	service.startErr = errors.New("no file")
	o, entry, _, _ := rehearse(service)
	require.Empty(t, sing(t, o, "good"))
	require.Equal(t, services.KindUnavailable, sing(t, o, ""))
	require.Empty(t, sing(t, o, "good"))
	require.Equal(t, services.StateUnavailable, entry.State())
	require.Equal(t, 2, service.starts, "another model does not try the start again and again")
	require.NoError(t, entry.Load(t.Context(), "good"))
}

func TestMadeUpNamesMakeNothing(t *testing.T) {
	t.Parallel()
	o, entry, keeper, seen := rehearse(newChoir("good"))
	for i := range 100 {
		name := fmt.Sprint("made-up-", i)
		require.Equal(t, services.KindNotFound, sing(t, o, name))
		require.Equal(t, services.KindNotFound, services.KindOf(entry.Load(t.Context(), name)))
		_, err := entry.Hold(name)
		require.Equal(t, services.KindNotFound, services.KindOf(err))
		require.Equal(t, services.KindNotFound, services.KindOf(entry.OpenBreaker(name, "")))
		require.Equal(t, services.KindNotFound, services.KindOf(entry.ResetBreaker(name)))
	}
	require.Empty(t, keeper.watched)
	require.Empty(t, entry.Units())
	for _, event := range *seen {
		require.Empty(t, event.Model)
	}
}

func TestAModelIsForgottenWhenItsFolderHasGone(t *testing.T) {
	t.Parallel()
	service := newChoir("bad", "good")
	o, entry, keeper, _ := rehearse(service)
	require.Empty(t, sing(t, o, "bad"))
	require.Empty(t, sing(t, o, "good"))
	bad, leave, err := entry.enter("bad")
	require.NoError(t, err)
	service.change(func() { service.models = []string{"echo-tiny", "good"} })
	entry.Prune()
	require.Empty(t, keeper.forgotten, "it is in use")
	leave()
	entry.Prune()
	require.Equal(t, []string{"bad"}, keeper.forgotten)
	require.Equal(t, services.StateStopped, bad.State(), "a recovery under way ends")
	bad.Isolate("late", time.Second)
	require.Equal(t, services.StateStopped, bad.State())
	require.Len(t, entry.Units(), 1)

	service.change(func() { service.models = append(service.models, "bad") })
	require.Empty(t, sing(t, o, "bad"), "a folder of that name begins anew")
}

func TestModelsWithAGuardAreBounded(t *testing.T) {
	t.Parallel()
	service := newChoir()
	for i := range maxModels + 10 {
		service.models = append(service.models, fmt.Sprint("m", i))
	}
	o, entry, keeper, _ := rehearse(service)
	require.Empty(t, sing(t, o, "m0"))
	entry.Units()[0].Degrade("it has a problem")
	for i := range maxModels + 9 {
		require.Empty(t, sing(t, o, fmt.Sprint("m", i+1)))
	}
	require.Len(t, entry.Units(), maxModels)
	require.NotContains(t, keeper.forgotten, "m0", "the healthy go first")
	require.Equal(t, "m1", keeper.forgotten[0])
	var held []func()
	for _, unit := range entry.Units() {
		_, leave, err := entry.enter(unit.Model())
		require.NoError(t, err)
		held = append(held, leave)
	}
	require.Equal(t, services.KindBusy, sing(t, o, "m1"), "all are in use")
	for _, leave := range held {
		leave()
	}
	require.Empty(t, sing(t, o, "m1"))
}

func TestOneModelIsRestarted(t *testing.T) {
	t.Parallel()
	service := newChoir("bad", "good")
	o, entry, _, _ := rehearse(service)
	require.Empty(t, sing(t, o, "bad"))
	bad := entry.Units()[0]
	service.change(func() { service.broken["bad"] = true })
	require.ErrorContains(t, bad.Restart(t.Context(), "bad"), "model bad of service echo could not be loaded")
	bad.Fail("the restart failed")
	require.Equal(t, services.StateUnavailable, bad.State())
	require.Equal(t, services.KindInternal, sing(t, o, "bad"), "its guard judges it")
	bad.GiveUp("tried in vain", time.Second)
	require.Equal(t, services.KindUnavailable, sing(t, o, "bad"))
	service.change(func() { service.broken["bad"] = false })
	require.NoError(t, bad.Restart(t.Context(), "bad"))
	require.Equal(t, services.KindUnavailable, sing(t, o, "bad"), "it stays isolated")
	bad.Fail("the restart failed")
	require.Empty(t, sing(t, o, "bad"))
	require.Equal(t, services.StateReady, bad.State(), "a task succeeded")
	require.Equal(t, []string{"bad", "bad"}, service.unloaded)
	require.NoError(t, entry.Unit.Restart(t.Context(), "echo-tiny"))
	require.Equal(t, services.StateReady, entry.State())
}

func TestAStartDoesNotRestoreAnIsolatedService(t *testing.T) {
	t.Parallel()
	service := &slowStart{begun: make(chan struct{}), end: make(chan struct{})}
	registry := NewRegistry(slog.New(slog.DiscardHandler))
	entry := registry.Register(service, passGuard{}, nil)
	started := make(chan error, 1)
	go func() { started <- entry.Initialize(context.Background()) }()
	<-service.begun
	entry.Isolate("it failed", time.Second)
	close(service.end)
	require.NoError(t, <-started)
	require.Equal(t, services.StateRecovering, entry.State())
	require.True(t, entry.Isolated())
}

// slowStart is a service whose start waits.
type slowStart struct {
	echo
	begun, end chan struct{}
}

func (s *slowStart) Initialize(ctx context.Context) error {
	close(s.begun)
	<-s.end
	return s.echo.Initialize(ctx)
}

func TestWhileAServiceRestartsAsAWholeNoModelRuns(t *testing.T) {
	t.Parallel()
	service := newChoir("good")
	o, entry, _, _ := rehearse(service)
	require.Empty(t, sing(t, o, "good"))
	entry.halt(true)
	require.Equal(t, services.KindUnavailable, sing(t, o, "good"))
	require.NoError(t, entry.Unit.Restart(t.Context(), ""))
	require.Empty(t, sing(t, o, "good"))
	require.Empty(t, o.Registry().Shutdown(t.Context()))
	require.Equal(t, services.KindUnavailable, sing(t, o, "good"))
}
