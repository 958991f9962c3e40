package app

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/internal/config"
	"github.com/grym-synth/grym-synth/orchestrator"
	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
	"github.com/grym-synth/grym-synth/services/wav2vec2"
)

// recording is a file on disk as a task's input.
type recording string

func (r recording) Open() (io.ReadSeekCloser, error) { return os.Open(string(r)) }
func (r recording) Size() int64 {
	info, err := os.Stat(string(r))
	if err != nil {
		return 0
	}
	return info.Size()
}

// quick makes monitors and recovery react within tenths of a second.
func quick(cfg *config.Config) {
	cfg.SystemHardening.HealthMonitoring.CheckInterval = 200 * time.Millisecond
	cfg.SystemHardening.ErrorRecovery.Delay = 50 * time.Millisecond
	cfg.SystemHardening.ErrorRecovery.Timeout = time.Second
	cfg.Hardening.StallTimeout = 300 * time.Millisecond
	cfg.Hardening.Breaker.Failures = 3
}

// intercept puts a fault in place of the engine's runs from the first run of a task on. A
// canary of the health monitor that comes before would take the fault for itself.
func intercept(s *system, fault func(ctx context.Context, run func() error) error) {
	var begun atomic.Bool
	s.runtime.Intercept(func(ctx context.Context, _ string, run func() error) error {
		if services.IsCanary(ctx) && !begun.Load() {
			return run()
		}
		begun.Store(true)
		return fault(ctx, run)
	})
}

// speak runs one transcription and echoes once, which must always succeed.
func speak(t *testing.T, s *system) error {
	t.Helper()
	_, err := s.orchestrator.Execute(t.Context(), services.Task{ID: "echo", Service: "echo", Name: "say"}, services.DiscardSink{})
	require.NoError(t, err, "the fault of one service is not that of another")
	_, err = s.orchestrator.Execute(t.Context(), services.Task{
		ID: "speech", Service: wav2vec2.Name, Name: tasks.Transcribe, Audio: recording(clips + "clip09.wav"),
	}, services.DiscardSink{})
	return err
}

func speech(t *testing.T, s *system) *orchestrator.Registration {
	t.Helper()
	entry, err := s.registry.Lookup(wav2vec2.Name)
	require.NoError(t, err)
	return entry
}

// becomes waits until the speech service has a state.
func becomes(t *testing.T, s *system, state services.State) {
	t.Helper()
	require.Eventually(t, func() bool { return speech(t, s).State() == state }, 20*time.Second, 10*time.Millisecond, "never %s", state)
}

// life records the states of the speech service.
func life(t *testing.T, s *system) string {
	t.Helper()
	var states []string
	for _, step := range speech(t, s).Events() {
		states = append(states, string(step.To))
	}
	return strings.Join(states, " ")
}

func TestAServiceWhoseEngineFailsIsCutOffAndComesBack(t *testing.T) {
	s := inProcess(t, quick)
	require.NoError(t, speak(t, s))
	intercept(s, func(context.Context, func() error) error { return errors.New("injected") })
	for range 3 {
		require.Equal(t, services.KindInternal, services.KindOf(speak(t, s)))
	}
	becomes(t, s, services.StateUnavailable)
	err := speak(t, s)
	require.Equal(t, services.KindUnavailable, services.KindOf(err))
	require.ErrorContains(t, err, "3 attempts to recover it failed")
	require.Contains(t, s.views().HealthView().Reasons[0], "service wav2vec2 is unavailable")
	s.runtime.Intercept(nil)
	becomes(t, s, services.StateReady)
	require.NoError(t, speak(t, s))
	require.True(t, strings.HasPrefix(life(t, s), "initializing ready recovering unavailable"), life(t, s))
	require.Equal(t, "closed", speech(t, s).Guard.State())
}

func TestAPanicInTheEngineIsOneFailedTask(t *testing.T) {
	s := inProcess(t, quick)
	panics := 1
	intercept(s, func(_ context.Context, run func() error) error {
		if panics--; panics == 0 {
			panic("injected")
		}
		return run()
	})
	require.Equal(t, services.KindInternal, services.KindOf(speak(t, s)))
	require.NoError(t, speak(t, s))
}

func TestAPanicWhileAServiceStartsIsAFailedStart(t *testing.T) {
	s := inProcess(t, quick)
	s.runtime.Intercept(func(context.Context, string, func() error) error { panic("injected") })
	require.ErrorContains(t, s.restart(t.Context(), wav2vec2.Name, ""), "could not start")
	s.runtime.Intercept(nil)
	require.NoError(t, s.restart(t.Context(), wav2vec2.Name, ""))
	require.NoError(t, speak(t, s))
}

func TestAShortAllocationIsTriedAgain(t *testing.T) {
	s := inProcess(t, quick)
	short := 2
	intercept(s, func(_ context.Context, run func() error) error {
		if short--; short >= 0 {
			return errors.New("Failed to allocate memory for requested buffer of size 1")
		}
		return run()
	})
	require.NoError(t, speak(t, s))
}

func TestAnAnswerThatHoldsNaNIsAFault(t *testing.T) {
	s := inProcess(t, quick)
	intercept(s, func(_ context.Context, run func() error) error { return errors.Join(run(), onnx.ErrPoisoned) })
	for range 3 {
		err := speak(t, s)
		require.Equal(t, services.KindInternal, services.KindOf(err))
		require.ErrorContains(t, err, "unusable result")
	}
	becomes(t, s, services.StateUnavailable)
	s.runtime.Intercept(nil)
	becomes(t, s, services.StateReady)
	require.NoError(t, speak(t, s))
}

func TestAHangThatObeysIsStoppedAndItsServiceRecovered(t *testing.T) {
	s := inProcess(t, quick)
	intercept(s, func(ctx context.Context, _ func() error) error {
		<-ctx.Done()
		return ctx.Err()
	})
	err := speak(t, s)
	require.Equal(t, services.KindTimeout, services.KindOf(err))
	require.ErrorContains(t, err, "no sign of life")
	require.NotEqual(t, services.StateReady, speech(t, s).State())
	s.runtime.Intercept(nil)
	becomes(t, s, services.StateReady)
	require.NoError(t, speak(t, s))
}

func TestAHangThatDoesNotObeyIsIsolatedAndKeepsItsLease(t *testing.T) {
	s := inProcess(t, quick)
	let := make(chan struct{})
	intercept(s, func(context.Context, func() error) error {
		<-let
		return errors.New("injected")
	})
	hung := make(chan error, 1)
	go func() { hung <- speak(t, s) }()
	becomes(t, s, services.StateUnavailable)
	usage := s.memory.Usage()
	require.Equal(t, 1, usage.Running, "its run slot stays taken")
	require.Positive(t, usage.Leased, "and its memory")
	require.Eventually(t, func() bool {
		for _, check := range s.monitor.Checks(wav2vec2.Name, "") {
			if strings.Contains(check.Detail, "was told to stop and has not") {
				return true
			}
		}
		return false
	}, 10*time.Second, 10*time.Millisecond, "health says so")
	for range 10 {
		require.Equal(t, services.KindUnavailable, services.KindOf(speak(t, s)))
	}
	close(let)
	require.Equal(t, services.KindTimeout, services.KindOf(<-hung))
	s.runtime.Intercept(nil)
	becomes(t, s, services.StateReady)
	require.NoError(t, speak(t, s))
	require.Zero(t, s.memory.Usage().Running)
}

func TestBrokenModelFilesAreFaultsOfTheService(t *testing.T) {
	s := inProcess(t, nil)
	modeltest.CopySpeech(t, s.cfg.DataDir, "cut", func(data []byte) []byte { return data[:len(data)/2] })
	modeltest.CopySpeech(t, s.cfg.DataDir, "nan", func(data []byte) []byte {
		// The weights are most of the file; this overwrites some with one number.
		for i := len(data) / 2; i < len(data)/2+4096; i++ {
			data[i] = 0xff
		}
		return data
	})
	for name, want := range map[string]struct {
		kind services.Kind
		says string
	}{
		"cut": {services.KindInvalid, "cannot be loaded"}, // which its header says
		"nan": {services.KindInternal, "unusable result"},
	} {
		_, err := s.orchestrator.Execute(t.Context(), services.Task{
			ID: name, Service: wav2vec2.Name, Name: tasks.Transcribe, Model: name, Audio: recording(clips + "clip09.wav"),
		}, services.DiscardSink{})
		require.Equal(t, want.kind, services.KindOf(err), name)
		require.ErrorContains(t, err, want.says)
	}
	require.NoError(t, speak(t, s))
}

func TestSwitchesOffAreOff(t *testing.T) {
	s := inProcess(t, func(cfg *config.Config) {
		quick(cfg)
		cfg.SystemHardening.HealthMonitoring.Enabled = false
		cfg.SystemHardening.ErrorRecovery.Enabled = false
		cfg.SystemHardening.ResourceManagement.Enabled = false
		cfg.SystemHardening.ResourceManagement.MaxMemory = 16 * services.MiB
	})
	require.NoError(t, speak(t, s), "memory is only counted")
	intercept(s, func(context.Context, func() error) error { return errors.New("injected") })
	for range 3 {
		require.Error(t, speak(t, s))
	}
	require.Equal(t, services.StateDegraded, speech(t, s).State(), "no recovery: the breaker alone acts")
	require.Equal(t, services.KindUnavailable, services.KindOf(speak(t, s)))
	require.Empty(t, s.monitor.Checks(wav2vec2.Name, ""))
	require.Empty(t, s.monitor.Checks("", ""))
}
