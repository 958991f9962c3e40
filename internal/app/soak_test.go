package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/audioldm"
	"github.com/grym-synth/grym-synth/services/audioprocessor"
	"github.com/grym-synth/grym-synth/services/gama"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

// go test ./internal/app -run UnderLoad -faults 60s -v.
var faultsFor = flag.Duration("faults", 0, "inject faults for so long at each rate, under load; 0 skips it")

// load keeps tasks of a service coming and counts how they end.
type load struct{ done, failed atomic.Int64 }

// run sends tasks from so many callers until ctx ends. Each waits for its answer,
// and where there is an interval for the rest of that too.
func (l *load) run(ctx context.Context, s *system, task services.Task, callers int, interval time.Duration) *sync.WaitGroup {
	var work sync.WaitGroup
	for range callers {
		work.Go(func() {
			for ctx.Err() == nil {
				next := time.After(interval)
				result, err := s.orchestrator.Execute(ctx, task, services.DiscardSink{})
				if err = errors.Join(err, result.Audio.Remove()); err == nil {
					l.done.Add(1)
				} else {
					l.failed.Add(1)
				}
				select {
				case <-next:
				case <-ctx.Done():
				}
			}
		})
	}
	return &work
}

// faulty fails, panics, runs short of memory, dawdles, hangs until it is asked to
// stop, or answers NaN, for a part of the speech service's runs.
func faulty(part float64) onnx.Interceptor {
	return func(ctx context.Context, graph string, run func() error) error {
		if !strings.HasPrefix(graph, "wav2vec2") || rand.Float64() >= part {
			return run()
		}
		switch rand.IntN(6) {
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
		case 4:
			return errors.Join(run(), onnx.ErrPoisoned)
		default:
			<-ctx.Done()
			return ctx.Err()
		}
	}
}

// trial is a server under load, one of whose services gets faults.
type trial struct {
	t      *testing.T
	s      *system
	began  time.Time
	seen   int
	speech load
	others map[string]*load
	// whole and cut are the speech model's file as it should be, and damaged.
	file       string
	whole, cut []byte
}

// say writes a line of the timeline.
func (r *trial) say(at time.Time, format string, args ...any) {
	r.t.Helper()
	r.t.Logf("TIMELINE %6.1fs %s", at.Sub(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// report logs what happened to the speech service.
func (r *trial) report() {
	r.t.Helper()
	events := speech(r.t, r.s).Events()
	for _, e := range events[min(r.seen, len(events)):] {
		r.say(e.At, "%s -> %s: %s", e.From, e.To, e.Cause)
	}
	r.seen = len(events)
}

// write puts a model file in place of another at once, as a careful operator would.
func (r *trial) write(data []byte) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.file+".new", data, 0o600))
	require.NoError(r.t, os.Rename(r.file+".new", r.file))
}

// damage cuts the model's file short for a part of the seconds until ctx ends, and
// unloads the model as an eviction would, so that it shows.
func (r *trial) damage(ctx context.Context, part float64) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.write(r.whole)
			return
		}
		if rand.Float64() >= part {
			r.write(r.whole)
			continue
		}
		r.write(r.cut)
		bounded, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_ = speech(r.t, r.s).Unload(bounded, "wav2vec2-tiny")
		cancel()
	}
}

// phase injects faults into a part of what speech does, and gives what the other
// services did a second.
func (r *trial) phase(part float64) map[string]float64 {
	t := r.t
	t.Helper()
	r.s.runtime.Intercept(faulty(part))
	r.say(time.Now(), "faults in %.0f %% of the runs", 100*part)
	ctx, stop := context.WithTimeout(t.Context(), *faultsFor)
	defer stop()
	began, done, failed := time.Now(), r.speech.done.Load(), r.speech.failed.Load()
	before := make(map[string]int64)
	for name, other := range r.others {
		before[name] = other.done.Load()
	}
	r.damage(ctx, part)
	rates := make(map[string]float64)
	for name, other := range r.others {
		rates[name] = float64(other.done.Load()-before[name]) / time.Since(began).Seconds()
		require.Zero(t, other.failed.Load(), "the faults of one service are not those of another: %s", name)
	}
	r.report()
	r.say(time.Now(), "speech: %d well, %d failed or refused; others a second: %v; breaker %s", r.speech.done.Load()-done, r.speech.failed.Load()-failed, rounded(rates), speech(t, r.s).Guard.State())
	return rates
}

func rounded(rates map[string]float64) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		list = append(list, fmt.Sprintf("%s %.2f", name, rates[name]))
	}
	return list
}

// newTrial builds the system with a speech model on disk, since an embedded one
// cannot be damaged, and loads it.
func newTrial(t *testing.T, interval time.Duration) *trial {
	t.Helper()
	s := inProcess(t, func(cfg *config.Config) {
		modeltest.CopySpeech(t, cfg.DataDir, "wav2vec2-tiny", func(data []byte) []byte { return data })
		cfg.SystemHardening.HealthMonitoring.CheckInterval = interval
		cfg.SystemHardening.ErrorRecovery.Delay = 500 * time.Millisecond
		cfg.SystemHardening.ErrorRecovery.Timeout = 5 * time.Second
		cfg.Hardening.StallTimeout, cfg.Hardening.Breaker.Delay = 2*time.Second, 2*time.Second
	})
	files, err := filepath.Glob(filepath.Join(s.cfg.DataDir, "models", "wav2vec2-tiny", "*.onnx"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return &trial{t: t, s: s, began: time.Now(), file: files[0], whole: whole, cut: whole[:len(whole)/2], others: make(map[string]*load)}
}

// TestOneServicesFaultsUnderLoad injects faults into speech at growing rates while
// the other services work as fast as they can, and prints a timeline. Each minute
// of faults is held against the undisturbed ones before and after it.
func TestOneServicesFaultsUnderLoad(t *testing.T) {
	if *faultsFor == 0 {
		t.Skip("takes minutes; -faults 60s runs it")
	}
	interval := 5 * time.Second
	r := newTrial(t, interval)
	ctx, stop := context.WithCancel(t.Context())
	work := []*sync.WaitGroup{r.speech.run(ctx, r.s, services.Task{ID: "speech", Service: wav2vec2.Name, Name: tasks.Transcribe, Audio: recording(clips + "clip09.wav")}, 2, 200*time.Millisecond)}
	tasks := map[string]services.Task{
		audioprocessor.Name: {Service: audioprocessor.Name, Name: tasks.Convert, Params: []byte(`{"sample_rate":16000,"channels":1}`), Audio: audiofile.Tone(44100, 5*time.Second)},
	}
	for _, name := range []string{audioldm.Name, gama.Name} {
		entry, err := r.s.registry.Lookup(name)
		require.NoError(t, err)
		tasks[name] = entry.Service.(services.Canary).CanaryTask()
	}
	for name, task := range tasks {
		task.ID = name
		r.others[name] = &load{}
		work = append(work, r.others[name].run(ctx, r.s, task, 1, 0))
	}
	for name := range tasks {
		if name == audioprocessor.Name {
			continue // it has no model
		}
		entry, err := r.s.registry.Lookup(name)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return entry.Status().ModelsLoaded > 0 }, time.Minute, 50*time.Millisecond, name)
	}
	before := r.phase(0)
	for _, part := range []float64{0.01, 0.2, 1} {
		rates := r.phase(part)
		r.comesBack(2 * interval)
		after := r.phase(0)
		for name, rate := range rates {
			undisturbed := (before[name] + after[name]) / 2
			r.say(time.Now(), "with faults in %.0f %%, %s kept %.0f %% of its throughput", 100*part, name, 100*rate/undisturbed)
			if rate < 0.9*undisturbed {
				t.Errorf("%s kept %.2f of %.2f a second", name, rate, undisturbed)
			}
		}
		before = after
	}
	stop()
	for _, w := range work {
		w.Wait()
	}
	for _, state := range []string{"open", "half-open", "closed"} {
		require.Positive(t, r.breaker(state), "the breaker never was %s", state)
	}
}

// comesBack ends the faults and waits for the speech service.
func (r *trial) comesBack(within time.Duration) {
	t := r.t
	t.Helper()
	r.s.runtime.Intercept(nil)
	ended := time.Now()
	r.say(ended, "faults end; speech is %s", speech(t, r.s).State())
	require.Eventually(t, func() bool {
		return speech(t, r.s).State() == services.StateReady && speech(t, r.s).Guard.State() == "closed"
	}, within, 20*time.Millisecond, "not back within %s", within)
	r.report()
	r.say(time.Now(), "ready again after %s", time.Since(ended).Round(10*time.Millisecond))
}

// breaker counts the speech service's breaker's changes to a state.
func (r *trial) breaker(state string) (count float64) {
	families, err := r.s.metrics.Gather()
	require.NoError(r.t, err)
	for _, family := range families {
		if family.GetName() != "grym_breaker_transitions_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["service"] == wav2vec2.Name && labels["to"] == state {
				count += metric.GetCounter().GetValue()
			}
		}
	}
	return count
}
