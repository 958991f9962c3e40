package main

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audioprocessor"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

// go test . -run UnderLoad -faults 60s -v.
var faultsFor = flag.Duration("faults", 0, "inject faults for so long at each rate, under load; 0 skips it")

// load keeps tasks of a service coming and counts how they end.
type load struct{ done, failed atomic.Int64 }

// run sends a task every interval from so many callers, each waiting for its
// answer first, until ctx ends.
func (l *load) run(ctx context.Context, s *system, task services.Task, callers int, interval time.Duration) *sync.WaitGroup {
	var work sync.WaitGroup
	for range callers {
		work.Go(func() {
			ticker := time.NewTicker(interval)
			defer ticker.Stop()
			for ctx.Err() == nil {
				result, err := s.orchestrator.Execute(ctx, task, services.DiscardSink{})
				if err = errors.Join(err, result.Audio.Remove()); err == nil {
					l.done.Add(1)
				} else {
					l.failed.Add(1)
				}
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return &work
}

// faulty fails, panics, runs short of memory, dawdles or hangs until it is told
// to stop, for a part of the runs.
func faulty(part float64) func(context.Context, string, func() error) error {
	return func(ctx context.Context, _ string, run func() error) error {
		if rand.Float64() >= part {
			return run()
		}
		switch rand.IntN(5) {
		case 0:
			return errors.New("injected")
		case 1:
			panic("injected")
		case 2:
			return errors.New("Failed to allocate memory for requested buffer of size 1")
		case 3:
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
			return run()
		default:
			<-ctx.Done()
			return ctx.Err()
		}
	}
}

// TestOneServicesFaultsUnderLoad injects faults into speech at growing rates while
// conversions go on, and prints a timeline.
func TestOneServicesFaultsUnderLoad(t *testing.T) {
	if *faultsFor == 0 {
		t.Skip("takes minutes; -faults 60s runs it")
	}
	interval := 5 * time.Second
	s := inProcess(t, func(cfg *config.Config) {
		cfg.SystemHardening.HealthMonitoring.CheckInterval = interval
		cfg.SystemHardening.ErrorRecovery.Delay = 500 * time.Millisecond
		cfg.SystemHardening.ErrorRecovery.Timeout = 5 * time.Second
		cfg.Hardening.StallTimeout, cfg.Hardening.Breaker.Delay = 2*time.Second, 2*time.Second
	})
	began := time.Now()
	seen := 0
	timeline := func() {
		events := speech(t, s).Events()
		for _, e := range events[min(seen, len(events)):] {
			t.Logf("TIMELINE %6.1fs %s -> %s: %s", e.At.Sub(began).Seconds(), e.From, e.To, e.Cause)
		}
		seen = len(events)
	}
	sound := filepath.Join(t.TempDir(), "tone.wav")
	require.NoError(t, os.WriteFile(sound, wav(44100, 2, 44100*5), 0o600))

	ctx, stop := context.WithCancel(t.Context())
	var words, conversions load
	speaking := words.run(ctx, s, services.Task{ID: "speech", Service: wav2vec2.Name, Name: services.TaskTranscribe, Audio: recording(clips + "clip09.wav")}, 2, 200*time.Millisecond)
	converting := conversions.run(ctx, s, services.Task{ID: "convert", Service: audioprocessor.Name, Name: services.TaskConvert, Params: []byte(`{"sample_rate":16000,"channels":1}`), Audio: recording(sound)}, 1, 250*time.Millisecond)
	phase := func(name string, part float64) float64 {
		s.runtime.Intercept(faulty(part))
		t.Logf("TIMELINE %6.1fs faults in %s of the runs", time.Since(began).Seconds(), name)
		done, failed, other, broken := words.done.Load(), words.failed.Load(), conversions.done.Load(), conversions.failed.Load()
		time.Sleep(*faultsFor)
		timeline()
		throughput := float64(conversions.done.Load()-other) / faultsFor.Seconds()
		t.Logf("TIMELINE %6.1fs speech: %d well, %d failed or refused; conversions: %.2f a second, %d failed; breaker %s", time.Since(began).Seconds(),
			words.done.Load()-done, words.failed.Load()-failed, throughput, conversions.failed.Load()-broken, speech(t, s).Guard.State())
		require.Equal(t, broken, conversions.failed.Load(), "the faults of one service are not those of another")
		return throughput
	}
	undisturbed := phase("none", 0)
	for _, p := range []struct {
		name string
		part float64
	}{{"1 %", 0.01}, {"20 %", 0.2}, {"100 %", 1}} {
		require.GreaterOrEqual(t, phase(p.name, p.part), 0.9*undisturbed)
	}
	s.runtime.Intercept(nil)
	ended := time.Now()
	t.Logf("TIMELINE %6.1fs faults end", ended.Sub(began).Seconds())
	require.Eventually(t, func() bool {
		return speech(t, s).State() == services.StateReady && speech(t, s).Guard.State() == "closed"
	}, 2*interval, 20*time.Millisecond, "not back within two intervals")
	timeline()
	t.Logf("TIMELINE %6.1fs ready again after %s", time.Since(began).Seconds(), time.Since(ended).Round(10*time.Millisecond))
	stop()
	speaking.Wait()
	converting.Wait()
}
