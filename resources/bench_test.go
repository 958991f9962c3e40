package resources

import (
	"context"
	"runtime"
	"testing"

	"github.com/grym-synth/grym-synth/services"
)

// BenchmarkLease measures what a task pays for its lease where nobody waits.
func BenchmarkLease(b *testing.B) {
	m := newManager()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		lease, err := m.Acquire(ctx, request(mb))
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}

// BenchmarkLeaseContended has more callers than run slots.
func BenchmarkLeaseContended(b *testing.B) {
	m := newManager()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, err := m.Acquire(context.Background(), request(mb))
			if err != nil {
				b.Error(err)
				return
			}
			lease.Release()
		}
	})
}

// crowd makes a manager with a task of the service small at work and so many behind it.
func crowd(b *testing.B, waiting int, priority services.Priority) (*Manager, services.Lease) {
	b.Helper()
	m := newManager()
	running, err := m.Acquire(context.Background(), services.Claim{Service: "small", Bytes: mb})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	for range waiting {
		go func() {
			if lease, err := m.Acquire(ctx, services.Claim{Service: "small", Bytes: mb, Priority: priority}); err == nil {
				lease.Release()
			}
			done <- struct{}{}
		}()
	}
	for m.Usage().Waiting < waiting {
		runtime.Gosched()
	}
	b.Cleanup(func() {
		cancel()
		for range waiting {
			<-done
		}
		running.Release()
	})
	return m, running
}

// BenchmarkLeaseBesideAQueue takes leases while tasks of another service wait.
func BenchmarkLeaseBesideAQueue(b *testing.B) {
	m, _ := crowd(b, 200, services.PriorityNormal)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		lease, err := m.Acquire(ctx, request(mb))
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}

// BenchmarkYieldAlone yields without a waiting task.
func BenchmarkYieldAlone(b *testing.B) {
	_, running := crowd(b, 0, services.PriorityNormal)
	ctx := context.Background()
	for b.Loop() {
		if err := running.Yield(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkYieldToNobody has less urgent tasks wait, which a yield passes over.
func BenchmarkYieldToNobody(b *testing.B) {
	_, running := crowd(b, 200, services.PriorityLow)
	ctx := context.Background()
	for b.Loop() {
		if err := running.Yield(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
