package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/hardening/performance"
	"github.com/grym-synth/grym-synth/resources"
	"github.com/grym-synth/grym-synth/services"
)

// ramp is a simulated machine with a core for each run, whose one service gets tasks at
// random times, on a fake clock.
type ramp struct {
	*budget
	random *rand.Rand
	tasks  sync.WaitGroup

	mu   sync.Mutex
	busy time.Duration // of all cores
	// widths are the numbers of runs at each sample.
	widths []int
}

// simulate has tasks arrive at a rate, per second, for a time. Each takes two seconds on
// average.
func simulate(t *testing.T, seed uint64, most int, lasts time.Duration, rate func(at time.Duration) float64) *ramp {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	r := &ramp{random: rand.New(rand.NewPCG(seed, 5))}
	r.budget = &budget{memory: resources.NewManager(resources.DefaultConfig(), resources.Budget{Bytes: services.GiB},
		resources.Dependencies{Metrics: prometheus.NewRegistry(), Log: log})}
	r.memory.Limit("echo", resources.ServiceLimit{MaxMemory: services.GiB, Runs: 1, MaxRuns: most})
	monitor := performance.New(performance.DefaultConfig(), performance.Dependencies{
		Usage: func() performance.ProcessUsage {
			usage := r.memory.Usage()
			r.mu.Lock()
			defer r.mu.Unlock()
			s := usage.Services[0]
			return performance.ProcessUsage{CPU: r.busy, Resident: services.MiB, Budget: services.GiB, Waiting: s.Waiting,
				Services: []performance.ServiceUse{{Name: "echo", Waiting: s.Waiting, Running: s.Running, Arrived: s.Arrived}}}
		},
		Sampled: func(sample performance.Sample, forecasts []performance.Forecast) {
			// As many cores as runs, whatever this machine has.
			r.advise(most, sample, forecasts)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.widths = append(r.widths, r.memory.Runs("echo"))
		},
		Metrics: prometheus.NewRegistry(), Log: log,
	})
	monitor.Watch("echo")
	require.NoError(t, monitor.Start(t.Context()))
	began := time.Now()
	for at := time.Duration(0); at < lasts; at = time.Since(began) {
		if now := rate(at); now > 0.001 {
			time.Sleep(time.Duration(r.random.ExpFloat64() / now * float64(time.Second)))
			r.task(t.Context(), time.Duration(r.random.ExpFloat64()*2*float64(time.Second)))
			continue
		}
		time.Sleep(time.Second)
	}
	r.tasks.Wait()
	require.NoError(t, monitor.Stop(t.Context()))
	require.NoError(t, r.memory.Stop(context.Background()))
	return r
}

// task runs one task beside others.
func (r *ramp) task(ctx context.Context, work time.Duration) {
	r.tasks.Go(func() {
		lease, err := r.memory.Acquire(ctx, services.Claim{Service: "echo", Bytes: services.KiB})
		if err != nil {
			return
		}
		defer lease.Release()
		for left := work; left > 0; left -= time.Second / 10 {
			step := min(left, time.Second/10)
			time.Sleep(step)
			r.mu.Lock()
			r.busy += step
			r.mu.Unlock()
		}
	})
}

// steps returns how often the width grew and shrank, and how often it changed its
// direction.
func (r *ramp) steps() (wider, narrower, turns int) {
	last := 0
	for i := 1; i < len(r.widths); i++ {
		step := r.widths[i] - r.widths[i-1]
		if step == 0 {
			continue
		}
		if step > 0 {
			wider++
		} else {
			narrower++
		}
		if last*step < 0 {
			turns++
		}
		last = step
	}
	return wider, narrower, turns
}

// TestARampChangesTheWidthOnceInEachDirection raises the demand from nothing to four fifths of
// four slots and lowers it again, in forty minutes and in two hours.
func TestARampChangesTheWidthOnceInEachDirection(t *testing.T) {
	t.Parallel()
	for _, lasts := range []time.Duration{40 * time.Minute, 2 * time.Hour} {
		for _, most := range []int{2, 4} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("%s, %d, %d", lasts, most, seed), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						peak := 0.8 * float64(most) / 2
						r := simulate(t, seed, most, lasts+20*time.Minute, func(at time.Duration) float64 {
							part := at.Seconds() / lasts.Seconds()
							return max(peak*2*min(part, 1-part), 0.01)
						})
						wider, narrower, turns := r.steps()
						t.Logf("%d widenings, %d narrowings, %d turns", wider, narrower, turns)
						require.Equal(t, most-1, wider)
						require.Equal(t, most-1, narrower)
						require.Equal(t, 1, turns)
						require.Equal(t, 1, r.widths[len(r.widths)-1])
					})
				})
			}
		}
	}
}

// TestASteadyDemandNearAStepDoesNotFlap has the demand be as much as fits into one, two or
// three slots with a fifth free.
func TestASteadyDemandNearAStepDoesNotFlap(t *testing.T) {
	t.Parallel()
	for _, slots := range []float64{0.8, 1.6, 2.4} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%g, %d", slots, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := simulate(t, seed, 4, 2*time.Hour, func(time.Duration) float64 { return slots / 2 })
					wider, narrower, turns := r.steps()
					t.Logf("%d widenings, %d narrowings, %d turns", wider, narrower, turns)
					require.LessOrEqual(t, turns, 2, "in two hours")
				})
			})
		}
	}
}
