package hardening_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/hardening"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// BenchmarkGuardAndLease measures the overhead per task of guard and lease together,
// against four policies of failsafe-go alone.
func BenchmarkGuardAndLease(b *testing.B) {
	nothing := func(context.Context) error { return nil }
	b.Run("failsafe-go", func(b *testing.B) {
		executor := failsafe.With[any](
			bulkhead.New[any](4),
			retrypolicy.NewBuilder[any]().WithMaxRetries(2).WithBackoff(50*time.Millisecond, 500*time.Millisecond).Build(),
			circuitbreaker.NewBuilder[any]().WithFailureThreshold(5).Build(),
			timeout.New[any](10*time.Minute),
		)
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if err := executor.WithContext(ctx).RunWithExecution(func(e failsafe.Execution[any]) error { return nothing(e.Context()) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("guard and lease", func(b *testing.B) {
		reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
		guard := hardening.NewGuard("echo", 4, hardening.DefaultConfig(), nil, hardening.NewGuardMetrics(reg), log)
		memory := resources.NewManager(resources.DefaultConfig(), resources.Budget{Bytes: services.GiB},
			resources.Dependencies{Metrics: reg, Log: log})
		memory.Limit("echo", resources.ServiceLimit{MaxMemory: services.GiB, Runs: 4})
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			lease, err := memory.Acquire(ctx, services.Claim{Service: "echo", Model: "parrot", Bytes: services.MiB})
			if err != nil {
				b.Fatal(err)
			}
			err = guard.Do(services.WithLease(ctx, lease), nothing)
			lease.Release()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
