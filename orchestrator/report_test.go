package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/servicetest"
)

// measuredTicket is a lease that counts successes.
type measuredTicket struct {
	ticket
	succeeded *int
}

func (l *measuredTicket) Gauge() services.Gauge { return nil }
func (l *measuredTicket) Succeeded()            { *l.succeeded++ }

type measuredDesk struct {
	desk
	succeeded int
	claims    []services.Claim
}

func (d *measuredDesk) Acquire(_ context.Context, claim services.Claim) (services.Lease, error) {
	d.held++
	d.claims = append(d.claims, claim)
	return &measuredTicket{ticket{&d.desk}, &d.succeeded}, nil
}

// tracing is a tracer that records the names of spans and the errors they end with.
type tracing struct {
	mu    sync.Mutex
	ended []string
}

type tracedSpan struct {
	name string
	of   *tracing
}

func (t *tracing) Begin(ctx context.Context, name string, _ ...slog.Attr) (context.Context, services.Span) {
	return ctx, &tracedSpan{name, t}
}
func (*tracedSpan) Rename(string)                     {}
func (*tracedSpan) Note(...slog.Attr)                 {}
func (*tracedSpan) Step(string, time.Time, time.Time) {}
func (*tracedSpan) TraceID() string                   { return "feed" }
func (s *tracedSpan) End(err error) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.ended = append(s.of.ended, fmt.Sprint(s.name, " ", err))
}

// TestWhatIsReportedOfATask has a task that waits, works, fails and is repeated.
func TestWhatIsReportedOfATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen, d, traced := &events{}, &measuredDesk{}, &tracing{}
		log := slog.New(slog.DiscardHandler)
		registry := NewRegistry(log)
		service := &scripted{}
		registry.Register(service, passGuard{}, nil)
		o := New(Dependencies{Registry: registry, Admission: d, Observers: []Observer{seen}, Tracer: traced, Log: log})
		var fails error
		service.prepare = func(services.Task) (services.Work, error) {
			time.Sleep(3 * time.Second)
			return servicetest.Work{On: "echo-tiny", Needs: 5, Do: func(context.Context, services.Sink) (services.TaskResult, error) {
				time.Sleep(2 * time.Second)
				return services.TaskResult{}, fails
			}}, nil
		}
		deadline := time.Now().Add(time.Hour)
		one := services.Task{ID: "1", Service: "echo", Name: "say", Priority: services.PriorityHigh, Deadline: deadline,
			Caller: services.Caller{Key: "k"}}
		_, err := o.Execute(t.Context(), one, services.DiscardSink{})
		require.NoError(t, err)
		require.Equal(t, services.Claim{
			Service: "echo", Model: "echo-tiny", Task: "say", Bytes: 5, Priority: services.PriorityHigh, Deadline: deadline, Tenant: "k",
		}, d.claims[0])
		event := (*seen)[0]
		require.Equal(t, []any{"1", "echo", "echo-tiny", "feed", true, 3 * time.Second, 2 * time.Second},
			[]any{event.TaskID, event.Service, event.Model, event.TraceID, event.Started, event.Queued, event.Ran})
		require.Equal(t, 1, d.succeeded)
		require.Equal(t, []string{"prepare <nil>", "wait for lease <nil>", "attempt <nil>", "task <nil>"}, traced.ended)

		traced.ended, fails = nil, errBroken
		_, err = o.Execute(t.Context(), one, services.DiscardSink{})
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, 1, d.succeeded, "its memory says nothing")
		require.Equal(t, []string{"attempt it is broken", "task it is broken"}, traced.ended[2:])
		require.ErrorIs(t, (*seen)[1].Err, errBroken)
		require.Zero(t, d.held)

		one.Deadline = time.Now().Add(4 * time.Second)
		_, err = o.Execute(t.Context(), one, services.DiscardSink{})
		require.ErrorIs(t, err, errBroken)
		service.prepare = func(services.Task) (services.Work, error) { panic("broken") }
		_, err = o.Execute(t.Context(), one, services.DiscardSink{})
		require.Equal(t, services.KindInternal, services.KindOf(err))

		_, err = o.Execute(t.Context(), services.Task{Service: "invented", Name: "say"}, services.DiscardSink{})
		require.Error(t, err)
		last := (*seen)[len(*seen)-1]
		require.Equal(t, []string{"", ""}, []string{last.Service, last.Model}, "an invented name is no label")
		_, err = o.Execute(t.Context(), services.Task{Service: "echo", Name: "say", Model: "invented"}, services.DiscardSink{})
		require.Error(t, err)
		last = (*seen)[len(*seen)-1]
		require.Equal(t, []string{"echo", ""}, []string{last.Service, last.Model})
	})
}

// TestACoordinatorThatWasCancelledDoesNotBegin is cancelled while it is prepared.
func TestACoordinatorThatWasCancelledDoesNotBegin(t *testing.T) {
	t.Parallel()
	s := &scripted{}
	o, _, _, _ := script(t, s)
	everyone := services.Caller{All: true}
	s.prepare = func(services.Task) (services.Work, error) {
		list := o.Tasks(everyone)
		require.Len(t, list, 1)
		view, err := o.CancelTask(everyone, list[0].ID)
		require.NoError(t, err)
		require.Equal(t, ActivityCancelled, view.State)
		return conducting{servicetest.Work{On: "echo-tiny", Do: func(context.Context, services.Sink) (services.TaskResult, error) {
			panic("it must not run")
		}}}, nil
	}
	_, err := o.Execute(t.Context(), task, services.DiscardSink{})
	require.Equal(t, services.KindCancelled, services.KindOf(err))
	require.ErrorContains(t, err, "the task was cancelled by an operator")
}

// TestWhoSeesAndCancelsATask has the caller, another one, and an operator.
func TestWhoSeesAndCancelsATask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, _, _ := setup(&echo{run: func(ctx context.Context, sink services.Sink) error {
			sink.Progress(0.25, "listening")
			<-ctx.Done()
			return context.Cause(ctx)
		}}, passGuard{})
		mine, other, admin := services.Caller{Key: "mine"}, services.Caller{Key: "other"}, services.Caller{Key: "admin", All: true}
		for viewer, by := range map[*services.Caller]string{&mine: "its caller", &admin: "an operator"} {
			ended := make(chan error, 1)
			go func() {
				one := task
				one.Caller, one.Params = mine, []byte(`{}`)
				_, err := o.Execute(t.Context(), one, services.DiscardSink{})
				ended <- err
			}()
			synctest.Wait()
			require.Empty(t, o.Tasks(other))
			list := o.Tasks(*viewer)
			require.Len(t, list, 1)
			found, err := o.FindTask(*viewer, list[0].ID)
			require.NoError(t, err)
			require.Equal(t, list[0], found)
			require.Equal(t, []any{ActivityRunning, "listening", 0.25, services.Bytes(7), true, "echo-tiny", time.Now()},
				[]any{found.State, found.Stage, found.Fraction, found.Bytes, found.Slot, found.Task.Model, found.Started})
			require.Nil(t, found.Task.Params)
			for _, refused := range []error{second(o.FindTask(other, found.ID)), second(o.CancelTask(other, found.ID)),
				second(o.CancelTask(mine, "none"))} {
				require.Equal(t, services.KindNotFound, services.KindOf(refused))
			}
			entry := mustLookup(t, o.resolver, "echo")
			require.Equal(t, 1, entry.ledger.running("echo", "", "echo-tiny"))
			require.Equal(t, 1, entry.ledger.running("echo", "echo-tiny", "echo-tiny"))
			require.Zero(t, entry.ledger.running("echo", "other", "echo-tiny"))
			require.Zero(t, entry.ledger.running("nobody", "", ""))
			for range 2 { // the first one counts
				_, err = o.CancelTask(*viewer, found.ID)
				require.NoError(t, err)
			}
			require.EqualError(t, <-ended, "the task was cancelled by "+by)
			require.Empty(t, o.Tasks(admin))
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestATaskThatEndsInItsOwnWayIsNotCancelled has a task that succeeds or fails although it
// was cancelled.
func TestATaskThatEndsInItsOwnWayIsNotCancelled(t *testing.T) {
	t.Parallel()
	a := &active{cause: services.Faultf(services.KindCancelled, "by an operator")}
	require.NoError(t, a.verdict(nil))
	require.ErrorIs(t, a.verdict(errBroken), errBroken)
	require.ErrorIs(t, a.verdict(context.Canceled), a.cause)
	require.ErrorIs(t, (&active{}).verdict(context.Canceled), context.Canceled)

	partial := &run{partial: true}
	passing := &services.Fault{Kind: services.KindUnavailable, Transient: true, Err: errBroken}
	require.NoError(t, partial.settle(nil))
	require.ErrorIs(t, partial.settle(errBroken), errBroken)
	require.NotErrorIs(t, partial.settle(errors.New("x")), errBroken)
	settled := partial.settle(passing)
	require.False(t, services.IsTransient(settled), "part of the answer was sent")
	require.Equal(t, services.KindUnavailable, services.KindOf(settled))
	require.True(t, services.IsTransient((&run{}).settle(passing)))
}
