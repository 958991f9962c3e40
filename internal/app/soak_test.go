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

// go test ./internal/app -run UnderLoad -faults 60s -v
var faultsFor = flag.Duration("faults", 0, "inject faults for so long at each rate, under load; 0 skips it")

// load runs tasks of a service continuously and counts their outcomes.
type load struct{ done, failed atomic.Int64 }

// run sends tasks from a number of callers until ctx ends. Each waits for its result, and
// for the rest of the interval if there is one.
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

// faulty makes a fraction of the speech service's runs fail, panic, run out of memory, run
// slowly, hang until cancelled, or return NaN.
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

// trial is a server under load with one service that gets faults.
type trial struct {
	t      *testing.T
	s      *system
	began  time.Time
	seen   int
	speech load
	others map[string]*load
	// whole and cut are the intact and the damaged model file.
	file       string
	whole, cut []byte
}

// say writes a line of the timeline.
func (r *trial) say(at time.Time, format string, args ...any) {
	r.t.Helper()
	r.t.Logf("TIMELINE %6.1fs %s", at.Sub(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// report logs the state changes of the speech service.
func (r *trial) report() {
	r.t.Helper()
	events := speech(r.t, r.s).Events()
	for _, e := range events[min(r.seen, len(events)):] {
		r.say(e.At, "%s -> %s: %s", e.From, e.To, e.Cause)
	}
	r.seen = len(events)
}

// write replaces a model file atomically, as an operator should.
func (r *trial) write(data []byte) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.file+".new", data, 0o600))
	require.NoError(r.t, os.Rename(r.file+".new", r.file))
}

// damage truncates the model file for a fraction of the time until ctx ends, and unloads
// the model as an eviction would, so that the damage has an effect.
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

// tally counts the tasks of the other services, and for how long.
type tally struct {
	took time.Duration
	done map[string]int64
}

// add adds another tally.
func (a *tally) add(b tally) {
	a.took += b.took
	if a.done == nil {
		a.done = make(map[string]int64)
	}
	for name, done := range b.done {
		a.done[name] += done
	}
}

// rates returns the tasks a second.
func (a *tally) rates() map[string]float64 {
	rates := make(map[string]float64)
	for name, done := range a.done {
		rates[name] = float64(done) / a.took.Seconds()
	}
	return rates
}

// phase injects faults into a fraction of the speech runs for a time, and returns what the
// other services did meanwhile.
func (r *trial) phase(part float64, span time.Duration) tally {
	t := r.t
	t.Helper()
	r.s.runtime.Intercept(faulty(part))
	r.say(time.Now(), "faults in %.0f %% of the runs", 100*part)
	ctx, stop := context.WithTimeout(t.Context(), span)
	defer stop()
	began, done, failed := time.Now(), r.speech.done.Load(), r.speech.failed.Load()
	before := make(map[string]int64)
	for name, other := range r.others {
		before[name] = other.done.Load()
	}
	r.damage(ctx, part)
	did := tally{took: time.Since(began), done: make(map[string]int64)}
	for name, other := range r.others {
		did.done[name] = other.done.Load() - before[name]
		require.Zero(t, other.failed.Load(), "the faults of one service are not those of another: %s", name)
	}
	r.report()
	r.say(time.Now(), "speech: %d well, %d failed or refused; others a second: %v; breaker %s", r.speech.done.Load()-done,
		r.speech.failed.Load()-failed, rounded(did.rates()), speech(t, r.s).Guard.State())
	return did
}

func rounded(rates map[string]float64) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		list = append(list, fmt.Sprintf("%s %.2f", name, rates[name]))
	}
	return list
}

// newTrial builds the system with a speech model on disk, because the embedded one cannot
// be damaged, and loads it.
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

// TestOneServicesFaultsUnderLoad injects faults into speech at increasing rates while the
// other services run at full speed, and prints a timeline. Each minute of faults is
// compared with the undisturbed minutes before and after it.
func TestOneServicesFaultsUnderLoad(t *testing.T) {
	if *faultsFor == 0 {
		t.Skip("takes minutes; -faults 60s runs it")
	}
	interval := 5 * time.Second
	r := newTrial(t, interval)
	ctx, stop := context.WithCancel(t.Context())
	work := []*sync.WaitGroup{r.speech.run(ctx, r.s, services.Task{ID: "speech", Service: wav2vec2.Name, Name: tasks.Transcribe,
		Audio: recording(clips + "clip09.wav")}, 2, 200*time.Millisecond)}
	tasks := map[string]services.Task{
		audioprocessor.Name: {Service: audioprocessor.Name, Name: tasks.Convert, Params: []byte(`{"sample_rate":16000,"channels":1}`),
			Audio: audiofile.Tone(44100, 5*time.Second)},
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
	r.phase(0, min(faultSlice, *faultsFor)) // warms up
	for _, part := range []float64{0.01, 0.2, 1} {
		r.compare(part, 2*interval)
	}
	stop()
	for _, w := range work {
		w.Wait()
	}
	for _, state := range []string{"open", "half-open", "closed"} {
		require.Positive(t, r.breaker(state), "the breaker never was %s", state)
	}
}

// faultSlice is for how long faults are injected at once.
const faultSlice = 15 * time.Second

// compare injects faults into a fraction of the speech runs, in slices with as much
// undisturbed time between them, so that a machine whose speed changes slowly does so for
// both, and compares the throughput of the other services.
func (r *trial) compare(part float64, back time.Duration) {
	t := r.t
	t.Helper()
	var faulty, undisturbed tally
	for faulty.took < *faultsFor {
		span := min(faultSlice, *faultsFor)
		if len(faulty.done) == 0 {
			undisturbed.add(r.phase(0, span/2))
		}
		faulty.add(r.phase(part, span))
		r.comesBack(back)
		if faulty.took >= *faultsFor {
			span /= 2
		}
		undisturbed.add(r.phase(0, span))
	}
	for name, rate := range faulty.rates() {
		whole := undisturbed.rates()[name]
		r.say(time.Now(), "with faults in %.0f %%, %s kept %.0f %% of its throughput", 100*part, name, 100*rate/whole)
		if rate < 0.9*whole {
			t.Errorf("%s kept %.2f of %.2f a second", name, rate, whole)
		}
	}
}

// comesBack ends the faults and waits for the speech service to recover.
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

// breaker counts the changes of the speech service's circuit breaker to a state.
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
