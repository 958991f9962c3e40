package hardening

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLimitsOfTheSettings has each limit and what is just beyond it.
func TestLimitsOfTheSettings(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	const least = math.SmallestNonzeroFloat64
	above, below := math.Nextafter(1, 2), math.Nextafter(0, -1)
	for _, c := range []struct {
		key    string
		change func(c *Config, value float64)
		good   []float64
		bad    []float64
	}{
		{"retry.maxRetries", func(c *Config, v float64) { c.Retry.MaxRetries = int(v) }, []float64{0, 1}, []float64{-1}},
		{"retry.delay", func(c *Config, v float64) { c.Retry.Delay = time.Duration(v) }, []float64{1}, []float64{0, -1}},
		{
			"retry.maxDelay", func(c *Config, v float64) { c.Retry.MaxDelay = c.Retry.Delay + time.Duration(v) }, []float64{1, 2},
			[]float64{0, -1},
		},
		{"retry.jitter", func(c *Config, v float64) { c.Retry.Jitter = v }, []float64{0, 0.5, 1}, []float64{below, above, math.NaN()}},
		{"breaker.failures", func(c *Config, v float64) { c.Breaker.Failures = int(v) }, []float64{1}, []float64{0, -1}},
		{"breaker.failureRate", func(c *Config, v float64) { c.Breaker.FailureRate = v }, []float64{least, 1}, []float64{0, above, math.NaN()}},
		{"breaker.minCalls", func(c *Config, v float64) { c.Breaker.MinCalls = int(v) }, []float64{1}, []float64{0, -1}},
		{"breaker.period", func(c *Config, v float64) { c.Breaker.Period = time.Second + time.Duration(v) }, []float64{0}, []float64{-1}},
		{"breaker.delay", func(c *Config, v float64) { c.Breaker.Delay = time.Duration(v) }, []float64{1}, []float64{0, -1}},
		{"breaker.trials", func(c *Config, v float64) { c.Breaker.Trials = int(v) }, []float64{1}, []float64{0, -1}},
		{"health.window", func(c *Config, v float64) { c.Health.Window = time.Second + time.Duration(v) }, []float64{0}, []float64{-1}},
		{
			"health.failureRate", func(c *Config, v float64) { c.Health.FailureRate, c.Health.DegradedRate = v, min(v, 0.1) },
			[]float64{least, 1}, []float64{above},
		},
		{"health.minCalls", func(c *Config, v float64) { c.Health.MinCalls = int(v) }, []float64{1, mostOutcomes},
			[]float64{0, mostOutcomes + 1}},
		{
			"health.degradedRate", func(c *Config, v float64) { c.Health.FailureRate, c.Health.DegradedRate = 1, v }, []float64{least, 1},
			[]float64{0, above, math.NaN()},
		},
		{"health.trials", func(c *Config, v float64) { c.Health.Trials = int(v) }, []float64{1}, []float64{0}},
		{"timeout", func(c *Config, v float64) { c.Timeout = time.Duration(v) }, []float64{1}, []float64{0, -1}},
		{
			"stallTimeout", func(c *Config, v float64) { c.StallTimeout = 100*time.Millisecond + time.Duration(v) }, []float64{0},
			[]float64{-1},
		},
	} {
		for _, value := range c.good {
			cfg := DefaultConfig()
			c.change(&cfg, value)
			require.Empty(t, cfg.Validate(), "%s: %v", c.key, value)
		}
		for _, value := range c.bad {
			cfg := DefaultConfig()
			c.change(&cfg, value)
			errs := cfg.Validate()
			require.Len(t, errs, 1, "%s: %v", c.key, value)
			require.ErrorContains(t, errs[0], c.key+": must be ", "%v", value)
		}
	}
	cfg := DefaultConfig()
	cfg.Health.FailureRate = 0
	require.ErrorContains(t, cfg.Validate()[0], "health.failureRate: must be above 0")
	require.Len(t, Config{}.Validate(), 15, "each bad value is named")
}

func TestLimitsOfRecovery(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultRecoveryConfig().Validate())
	for _, c := range []struct {
		change func(*RecoveryConfig)
		want   string
	}{
		{func(c *RecoveryConfig) { c.MaxAttempts = 1 }, ""},
		{func(c *RecoveryConfig) { c.MaxAttempts = 0 }, "maxAttempts: must be at least 1, got 0"},
		{func(c *RecoveryConfig) { c.Delay = 1 }, ""},
		{func(c *RecoveryConfig) { c.Delay = 0 }, "delay: must be above zero, got 0s"},
		{func(c *RecoveryConfig) { c.MaxDelay = c.Delay }, ""},
		{func(c *RecoveryConfig) { c.MaxDelay = c.Delay - 1 }, "maxDelay: must be at least delay (1s), got 999.999999ms"},
		{func(c *RecoveryConfig) { c.Timeout = time.Second }, ""},
		{func(c *RecoveryConfig) { c.Timeout = time.Second - 1 }, "timeout: must be at least 1s, got 999.999999ms"},
	} {
		cfg := DefaultRecoveryConfig()
		c.change(&cfg)
		errs := cfg.Validate()
		if c.want == "" {
			require.Empty(t, errs)
			continue
		}
		require.Len(t, errs, 1)
		require.EqualError(t, errs[0], c.want)
	}
	require.Len(t, RecoveryConfig{MaxDelay: -1}.Validate(), 4)
}

// TestDelaysOfAttempts doubles up to the maximum, and continues at the interval.
func TestDelaysOfAttempts(t *testing.T) {
	t.Parallel()
	r := &Recovery{cfg: RecoveryConfig{MaxAttempts: 6, Delay: time.Second, MaxDelay: 5 * time.Second}, interval: time.Minute}
	for attempts, want := range []time.Duration{
		0, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second, time.Minute, time.Minute,
	} {
		require.Equal(t, want, r.delay(&managed{attempts: attempts}), attempts)
	}
	r.cfg = RecoveryConfig{MaxAttempts: 100, Delay: 1, MaxDelay: time.Hour}
	require.Equal(t, time.Duration(1<<16), r.delay(&managed{attempts: 60}), "it does not overflow")
	m := &managed{attempts: 3, took: 7 * time.Second}
	r.cfg = DefaultRecoveryConfig()
	began := time.Now()
	require.Equal(t, time.Minute+7*time.Second, r.schedule(m))
	require.WithinDuration(t, began.Add(time.Minute), m.due, 10*time.Second)
}

// TestIntervalsOfTheWatchdog has intervals and timeouts from short to long.
func TestIntervalsOfTheWatchdog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		enabled      bool
		check, stall time.Duration
		limit, watch time.Duration
	}{
		{true, 30 * time.Second, 2 * time.Minute, 22500 * time.Millisecond, 3750 * time.Millisecond},
		{true, 100 * time.Millisecond, time.Hour, 750 * time.Millisecond, 125 * time.Millisecond},
		{true, time.Hour, time.Hour, 45 * time.Minute, 5 * time.Second},
		{true, time.Hour, time.Second, 45 * time.Minute, 250 * time.Millisecond},
		{false, time.Second, time.Hour, 750 * time.Millisecond, 5 * time.Second},
		{false, time.Second, 20 * time.Millisecond, 750 * time.Millisecond, 10 * time.Millisecond},
	} {
		m := &Monitor{cfg: MonitorConfig{Enabled: c.enabled, CheckInterval: c.check, StallTimeout: c.stall}}
		require.Equal(t, []time.Duration{c.limit, c.watch}, []time.Duration{m.silenceLimit(), m.watchInterval()}, "%+v", c)
	}
}
