package resources

import (
	"math"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

// TestConfigurationLimits has each limit and what is just beyond it.
func TestConfigurationLimits(t *testing.T) {
	t.Parallel()
	require.Empty(t, DefaultConfig().Validate())
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string // "" where it is valid
	}{
		{"memory", func(c *Config) { c.MaxMemory = 16 * mb }, ""},
		{"less memory", func(c *Config) { c.MaxMemory = 16*mb - 1 }, "maxMemory: must be at least 16MiB"},
		{"reserve", func(c *Config) { c.Reserve = 0 }, ""},
		{"less reserve", func(c *Config) { c.Reserve = -1 }, "reserve: must not be negative"},
		{"queue", func(c *Config) { c.QueueLimit = 1 }, ""},
		{"no queue", func(c *Config) { c.QueueLimit = 0 }, "queueLimit: must be at least 1, got 0"},
		{"ageing", func(c *Config) { c.Ageing = 1 }, ""},
		{"no ageing", func(c *Config) { c.Ageing = 0 }, "ageing: must be above zero"},
		{"cleanup", func(c *Config) { c.CleanupInterval = time.Second }, ""},
		{"cleanup too often", func(c *Config) { c.CleanupInterval = time.Second - 1 }, "cleanupInterval: must be at least 1s"},
		{"on", func(c *Config) { c.Dynamic = On }, ""},
		{"off", func(c *Config) { c.Dynamic = Off }, ""},
		{"neither", func(c *Config) { c.Dynamic = "auto" }, `dynamic: must be on or off, got "auto"`},
		{"weights", func(c *Config) { c.Weights = []string{"a=0.01", "b=100"} }, ""},
		{"weight too small", func(c *Config) { c.Weights = []string{"a=0.009"} }, "weights: must be a list of ids"},
		{"weight too large", func(c *Config) { c.Weights = []string{"a=100.01"} }, "weights: must be a list of ids"},
		{"no number", func(c *Config) { c.Weights = []string{"a=NaN"} }, "weights: must be a list of ids"},
		{"no weight", func(c *Config) { c.Weights = []string{"a"} }, "weights: must be a list of ids"},
		{"nonsense", func(c *Config) { c.Weights = []string{"a=2x"} }, "weights: must be a list of ids"},
		{"no id", func(c *Config) { c.Weights = []string{"=2"} }, "weights: must be a list of ids"},
		{"twice", func(c *Config) { c.Weights = []string{"a=2", "b=3", "a=4"} }, `weights: must name each API key once, got "a" twice`},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		errs := cfg.Validate()
		if c.want == "" {
			require.Empty(t, errs, c.name)
			continue
		}
		require.Len(t, errs, 1, c.name)
		require.ErrorContains(t, errs[0], c.want, c.name)
	}
	weights, err := ParseWeights([]string{"a=2", "b=0.5"})
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"a": 2, "b": 0.5}, weights)
}

func TestTheLimitOfABudgetIsTheSmallerOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cgroup, machine services.Bytes
		want            Budget
	}{
		{1000 * mb, 2000 * mb, Budget{Bytes: 900 * mb, Bound: "cgroup", Limit: 1000 * mb}},
		{2000 * mb, 1000 * mb, Budget{Bytes: 900 * mb, Bound: "machine", Limit: 1000 * mb}},
		{1000 * mb, 1000 * mb, Budget{Bytes: 900 * mb, Bound: "cgroup", Limit: 1000 * mb}},
		{200 * mb, 1000 * mb, Budget{Bytes: 150 * mb, Bound: "cgroup", Limit: 200 * mb}}, // a quarter at most is reserved
		{1100 * mb, 5000 * mb, Budget{Bytes: 1000 * mb, Bound: "maxMemory", Limit: 1100 * mb}},
	} {
		got := FindBudget(Config{MaxMemory: 1000 * mb, Reserve: 100 * mb}, fixedProbe{machine: c.machine, cgroup: c.cgroup})
		require.Equal(t, c.want, got)
	}
}

// TestTheHeapIsLimitedUnlessItIs changes a setting of the process.
func TestTheHeapIsLimitedUnlessItIs(t *testing.T) { //nolint:paralleltest // it changes the process
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	limited := func(from int64, budget services.Bytes) services.Bytes {
		debug.SetMemoryLimit(from)
		LimitHeap(Budget{Bytes: budget})
		return services.Bytes(debug.SetMemoryLimit(-1))
	}
	require.Equal(t, 1000*mb, limited(math.MaxInt64, 4000*mb))
	require.Equal(t, leastHeap, limited(math.MaxInt64, 100*mb))
	require.Equal(t, 500*mb, limited(int64(500*mb), 4000*mb), "what the environment says counts")
}

func TestWhatTheManagerSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManager(func(c *Config) { c.QueueLimit, c.Dynamic = 7, Off })
		require.Equal(t, Off, m.Dynamic())
		require.Equal(t, 7, m.QueueLimit())
		require.Equal(t, 40*mb, m.Room("small"))
		require.Equal(t, Budget{Bytes: 100 * mb}, m.Budget())
		m.Limit("echo", ServiceLimit{MaxMemory: 300 * mb, Runs: 2})
		require.Equal(t, 100*mb, m.Room("echo"), "no more than the budget")
		require.Equal(t, services.Bytes(math.MaxInt64), newManager(func(c *Config) { c.Enabled = false }).Room("small"))
		require.Zero(t, m.Advice())
		advice := m.Adapt(Outlook{Cores: 2, IdleCores: 2})
		require.Equal(t, time.Now(), advice.At)
		require.Equal(t, advice, m.Advice())

		require.Zero(t, m.OldestWait())
		first := acquire(t, m, services.Claim{Service: "small"})
		order := make(chan string, 2)
		queued(t, m, order, "second", services.Claim{Service: "small"})
		time.Sleep(3 * time.Second)
		queued(t, m, order, "third", services.Claim{Service: "small"})
		time.Sleep(2 * time.Second)
		require.Equal(t, 5*time.Second, m.OldestWait())
		require.NoError(t, m.Stop(t.Context()))
		for range 2 {
			require.Contains(t, <-order, "the server is shutting down")
		}
		require.Zero(t, m.OldestWait())
		first.Release()
	})
}

// TestDeadlinesThatCannotBeMet has tasks of at least ten seconds in two slots.
func TestDeadlinesThatCannotBeMet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		running  int
		waiting  int
		deadline time.Duration
		refused  bool
	}{
		{"a slot is free", 1, 0, time.Nanosecond, false},
		{"a slot is free, and it is over", 1, 0, 0, true},
		{"nobody is ahead", 2, 0, time.Nanosecond, false},
		{"one is ahead, which shares with another", 2, 1, time.Nanosecond, false},
		{"two are ahead, one round", 2, 2, 10 * time.Second, true},
		{"two are ahead, and a little time", 2, 2, 10*time.Second + 1, false},
		{"three are ahead, one round", 2, 3, 10*time.Second + 1, false},
		{"four are ahead, two rounds", 2, 4, 20 * time.Second, true},
		{"four are ahead, and a little time", 2, 4, 20*time.Second + 1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newManager()
			past := acquire(t, m, request(mb))
			time.Sleep(10 * time.Second)
			past.Release()
			var held []*Lease
			for range c.running {
				held = append(held, acquire(t, m, request(mb)))
			}
			order := make(chan string, c.waiting+1)
			for range c.waiting {
				queued(t, m, order, "waits", request(mb))
			}
			claim := request(mb)
			claim.Deadline = time.Now().Add(c.deadline)
			queued(t, m, order, "asked", claim)
			got := ""
			if c.refused {
				got = <-order
				require.Contains(t, got, "this one would start after its deadline", c.name)
			} else if c.running == 2 {
				require.Empty(t, order, c.name)
			}
			for _, lease := range held {
				lease.Release()
			}
			synctest.Wait()
			requireRest(t, m)
		})
	}
}

// TestTurnsAreInterpolated has the three parts of the time at which the rounds of a flow
// reach a tag.
func TestTurnsAreInterpolated(t *testing.T) {
	t.Parallel()
	due := time.Unix(1000, 0)
	now := due.Add(100 * time.Second)
	w := &waiter{}
	f := &flow{rounds: 30 * time.Second, running: 2, fresh: []*waiter{w, w, w}}
	l := &Lease{flow: f, tag: 10 * time.Second, reached: 10 * time.Second, due: due}
	for more, want := range map[time.Duration]time.Time{
		0:                due,
		5 * time.Second:  due.Add(25 * time.Second), // a quarter of the rounds since, and of the time
		20 * time.Second: now,
		22 * time.Second: now.Add(5 * time.Second), // five tasks in two slots
		3000 * time.Hour: now.Add(farAhead),
	} {
		require.Equal(t, want, l.dueAfter(more, now), more)
	}
	f.running = 0
	require.Equal(t, now.Add(6*time.Second), l.dueAfter(22*time.Second, now), "one slot at least")

	l.settle(now)
	require.Equal(t, []any{due, 10 * time.Second}, []any{l.due, l.reached}, "the rounds have passed its tag")
	l.tag = 20 * time.Second
	l.settle(now)
	require.Equal(t, []any{due.Add(50 * time.Second), 20 * time.Second}, []any{l.due, l.reached})
	l.tag = 40 * time.Second
	l.settle(now)
	require.Equal(t, []any{now, 30 * time.Second}, []any{l.due, l.reached}, "they are yet to reach it")
}

// TestWhoIsAtWork has the moment at which a service counts as idle.
func TestWhoIsAtWork(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	require.False(t, (&account{}).atWork(now))
	require.True(t, (&account{running: 1}).atWork(now))
	require.True(t, (&account{backlog: []*flow{{}}}).atWork(now))
	require.True(t, (&account{worked: now.Add(1 - linger)}).atWork(now))
	require.False(t, (&account{worked: now.Add(-linger)}).atWork(now))
}

// TestWhoGoesFirst has the limits of the loads and of the work for which a service goes
// before another.
func TestWhoGoesFirst(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		name         string
		mine, theirs float64
		worked       []time.Duration // of the running tasks
		want         time.Duration
	}{
		{"no task runs", 0, 1, nil, 0},
		{"it has only begun", 0, 1, []time.Duration{0}, time.Second},
		{"it has worked", 0, 1, []time.Duration{600 * time.Millisecond}, 400 * time.Millisecond},
		{"the one that worked least counts", 0, 1, []time.Duration{2 * time.Second, 700 * time.Millisecond}, 300 * time.Millisecond},
		{"almost done", 0, 1, []time.Duration{shortWork - 1}, time.Millisecond},
		{"done", 0, 1, []time.Duration{shortWork}, 0},
		{"the other has only begun too", 0, leastLoad - 1e-9, []time.Duration{0}, 0},
		{"the other is at work", 0, leastLoad, []time.Duration{0}, 158733491}, // 10 s times the logarithm of 1.016
		{"as much load", 0.4, 0.5, []time.Duration{0}, 0},
		{"a little less", 0.4 - 1e-6, 0.5, []time.Duration{0}, time.Millisecond},
	} {
		a := &account{load: c.mine, loadedAt: now}
		for _, worked := range c.worked {
			a.holders = append(a.holders, &Lease{worked: worked / 2, since: now.Add(-worked + worked/2)})
		}
		got := a.precedes(&account{load: c.theirs, loadedAt: now}, now)
		require.InDelta(t, float64(c.want), float64(got), 100, c.name)
	}
	a := &account{running: 1, limit: ServiceLimit{Cores: 4}, loadedAt: now}
	require.InDelta(t, 0.25*(1-1/math.E), a.loaded(now.Add(loadSpan)), 1e-9, "a quarter of its cores")
	require.Equal(t, now.Add(loadSpan), a.loadedAt)
	a = &account{running: 5, limit: ServiceLimit{Cores: 4}, loadedAt: now}
	require.InDelta(t, 1-1/math.E, a.loaded(now.Add(loadSpan)), 1e-9, "no more than all")
}

// TestTheWeightOfARun has the formula: a run counts fade of the next later one, and half at
// a distance of near times the square root of 2 ln 2.
func TestTheWeightOfARun(t *testing.T) {
	t.Parallel()
	p := predictor{runs: []learnt{{at: []float64{1, 2}}, {at: []float64{4, 6}}, {at: []float64{1, 2 + near*math.Sqrt(2*math.Ln2)}}}}
	got := p.weights([]float64{1, 2})
	require.InDeltaSlice(t, []float64{fade * fade, fade * math.Exp(-25/(2*near*near)), 0.5}, got, 1e-12)
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	values, weights := []float64{3, 1, 2}, []float64{2, 1, 1}
	for part, want := range map[float64]float64{0: 1, 0.25: 1, 0.26: 2, 0.5: 2, 0.51: 3, 1: 3} {
		require.Equal(t, want, quantile(values, weights, part), part) //nolint:testifylint // one of the values
	}
	nan := math.NaN()
	require.Equal(t, 3.0, quantile(values, []float64{nan, nan, nan}, 0.5)) //nolint:testifylint // one of the values
}

// TestAWidthThatStaysSaysWhy has a service that is wide enough while there is no room for
// another run.
func TestAWidthThatStaysSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		lease := acquire(t, m, request(60*mb))
		time.Sleep(2 * time.Second)
		lease.Release()
		held := acquire(t, m, request(60*mb))
		advice := adviceFor(t, m, expecting(2, 0.1, 0))
		require.Equal(t, Stay, advice.Action)
		require.Equal(t, "it is as wide as the demand for it", advice.Reason)
		require.Contains(t, adviceFor(t, m, expecting(2, 9, 0)).Reason, "another run takes 60.0 MiB, and 40.0 MiB could be had")
		held.Release()
	})
}

// TestNarrowsDownToWhatIsConfigured has no demand at all.
func TestNarrowsDownToWhatIsConfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := wide()
		m.Limit("echo", ServiceLimit{MaxMemory: 100 * mb, Runs: 2, MaxRuns: 4})
		m.accounts["echo"].demand.width = 3
		var widths []int
		for range 3 * leastHold {
			adviceFor(t, m, expecting(2, 0, 0))
			widths = append(widths, m.Runs("echo"))
		}
		require.Equal(t, []int{3, 2}, slices.Compact(widths))
		advice := adviceFor(t, m, expecting(2, 0, 0))
		require.Equal(t, []any{Stay, 1, 2}, []any{advice.Action, advice.Wanted, advice.Runs})
	})
}
