package audioldm

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoiseIsThatOfPyTorch has known outputs of torch.randn.
func TestNoiseIsThatOfPyTorch(t *testing.T) {
	t.Parallel()
	for seed, want := range map[uint64][]float64{
		0: {
			-1.1258, -1.1524, -0.2506, -0.4339, 0.8487, 0.6920, -0.3160, -2.1152, 0.3223, -1.2633, 0.3500, 0.3081, 0.1198, 1.2377, 1.1168,
			-0.2473,
		},
		42: {1.9269, 1.4873, 0.9007, -2.1055, 0.6784, -1.2345, -0.0431, -1.6047},
	} {
		values := make([]float32, 1024)
		newGenerator(seed).normal(values)
		for i, w := range want {
			require.InDelta(t, w, float64(values[i]), 6e-5, "seed %d, number %d", seed, i)
		}
	}
}

func TestNoiseOfOddLengthsIsNormalToo(t *testing.T) {
	t.Parallel()
	values := make([]float32, 100003)
	newGenerator(7).normal(values)
	sum, squares := 0.0, 0.0
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	require.InDelta(t, 0, sum/float64(len(values)), 0.02)
	require.InDelta(t, 1, squares/float64(len(values)), 0.02)
}

// TestMersenneTwisterIsNumpys compares the whole generator with published sums of
// NumPy's polar method, which uses the same twister.
func TestMersenneTwisterIsNumpys(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("GRYM_TESTDATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	data, err := os.ReadFile(filepath.Join(dir, "golden", "rng.json"))
	if err != nil {
		t.Skipf("no reference numbers: %v; name their folder in GRYM_TESTDATA", err)
	}
	var golden struct {
		First []float64 `json:"numpy_randomstate_0_first64"`
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	g := newGenerator(0)
	double := func() float64 {
		a, b := g.uint32()>>5, g.uint32()>>6
		return (float64(a)*67108864 + float64(b)) / 9007199254740992
	}
	for i := 0; i+1 < len(golden.First); i += 2 {
		var x, y, r float64
		for r >= 1 || r == 0 {
			x, y = 2*double()-1, 2*double()-1
			r = x*x + y*y
		}
		f := math.Sqrt(-2 * math.Log(r) / r)
		require.InDelta(t, golden.First[i], f*y, 1e-12)
		require.InDelta(t, golden.First[i+1], f*x, 1e-12)
	}
}

// loop runs a scheduler like the tests of diffusers, with a network whose output is the
// sample times t/(t+1), and returns the sum and mean of magnitudes.
func loop(s scheduler, from int, noisy func([]float32)) (sum, mean float64) {
	sample := make([]float32, 768)
	for k := range sample {
		sample[k] = float32(k) / 768
	}
	if noisy != nil {
		noisy(sample)
	}
	output := make([]float32, len(sample))
	for i, t := range s.timesteps() {
		if i < from {
			continue
		}
		for k, x := range sample {
			output[k] = x * float32(t) / float32(t+1)
		}
		s.step(i, sample, output)
	}
	for _, x := range sample {
		sum += math.Abs(float64(x))
	}
	return sum, sum / 768
}

// late starts from a sample with the noise of timestep t, as in sound-to-sound generation.
func late(base schedulerConfig, t int) func([]float32) {
	bar := base.alphaBars()[t]
	return func(sample []float32) {
		for k := range sample {
			sample[k] = float32(math.Sqrt(bar)*float64(sample[k]) + math.Sqrt(1-bar)*float64(767-k)/768)
		}
	}
}

// TestFullLoopsAreThoseOfDiffusers has the sums and means of diffusers' tests, and
// those of AudioLDM's schedule.
func TestFullLoopsAreThoseOfDiffusers(t *testing.T) {
	t.Parallel()
	base := defaultScheduler()
	with := func(change func(*schedulerConfig)) schedulerConfig {
		cfg := base
		change(&cfg)
		return cfg
	}
	velocity := with(func(c *schedulerConfig) { c.PredictionType = "v_prediction" })
	strong := with(func(c *schedulerConfig) { c.BetaStart = 0.01 })
	toFirst := with(func(c *schedulerConfig) { c.BetaStart, c.SetAlphaToOne = 0.01, false })
	dpm := with(func(c *schedulerConfig) {
		c.TimestepSpacing, c.lowerOrderFinal, c.finalSigmaMin = "linspace", false, true
	})
	dpmVelocity := dpm
	dpmVelocity.PredictionType = "v_prediction"
	sound := with(func(c *schedulerConfig) {
		c.BetaStart, c.BetaEnd, c.BetaSchedule = 0.0015, 0.0195, "scaled_linear"
		c.ClipSample, c.SetAlphaToOne, c.StepsOffset = false, false, 1
	})
	soundLinspace := sound
	soundLinspace.TimestepSpacing = "linspace"
	for name, c := range map[string]struct {
		scheduler scheduler
		sum, mean float64
		from      int
		noisy     func([]float32)
	}{
		"DDIM with noise":     {newDDIM(base, 10, 0, nil), 354.5418, 0.4616, 8, late(base, 100)},
		"DPM++ with noise":    {newDPMSolver(dpm, 10), 318.4111, 0.4146, 5, late(base, 500)},
		"DDIM":                {newDDIM(base, 10, 0, nil), 172.0067, 0.223967, 0, nil},
		"DDIM velocity":       {newDDIM(velocity, 10, 0, nil), 52.5302, 0.0684, 0, nil},
		"DDIM alpha to one":   {newDDIM(strong, 10, 0, nil), 149.8295, 0.1951, 0, nil},
		"DDIM alpha first":    {newDDIM(toFirst, 10, 0, nil), 149.0784, 0.1941, 0, nil},
		"DPM++":               {newDPMSolver(dpm, 10), 253.553, 0.3301, 0, nil},
		"DPM++ velocity":      {newDPMSolver(dpmVelocity, 10), 0.2251 * 768, 0.2251, 0, nil},
		"AudioLDM DDIM 10":    {newDDIM(sound, 10, 0, nil), 179.4399, 0.233646, 0, nil},
		"AudioLDM DDIM 20":    {newDDIM(sound, 20, 0, nil), 191.6983, 0.249607, 0, nil},
		"AudioLDM DDIM 200":   {newDDIM(sound, 200, 0, nil), 205.0208, 0.266954, 0, nil},
		"AudioLDM DPM++ 20":   {newDPMSolver(sound, 20), 188.1323, 0.244964, 0, nil},
		"AudioLDM DPM++ 25":   {newDPMSolver(sound, 25), 189.9144, 0.247284, 0, nil},
		"AudioLDM linspace10": {newDPMSolver(soundLinspace, 10), 176.4445, 0.229745, 0, nil},
		"AudioLDM linspace20": {newDPMSolver(soundLinspace, 20), 187.8446, 0.244589, 0, nil},
	} {
		sum, mean := loop(c.scheduler, c.from, c.noisy)
		t.Logf("%-20s sum %.4f, published %.4f", name, sum, c.sum)
		if name == "DPM++ velocity" {
			require.InDelta(t, c.mean, mean, 1e-3, name)
			continue
		}
		require.InDelta(t, c.sum, sum, 1e-2, name)
		require.InDelta(t, c.mean, mean, 1e-3, name)
	}
}

func TestTimestepsAreThoseOfDiffusers(t *testing.T) {
	t.Parallel()
	cfg := defaultScheduler()
	cfg.StepsOffset = 1
	require.Equal(t, []int{801, 601, 401, 201, 1}, newDDIM(cfg, 5, 0, nil).timesteps())
	cfg.TimestepSpacing = "linspace"
	require.Equal(t, []int{999, 899, 799, 699, 599, 500, 400, 300, 200, 100}, newDPMSolver(cfg, 10).timesteps())
	for steps := 1; steps <= maxSteps; steps++ {
		for _, spacing := range []string{"leading", "linspace", "trailing"} {
			cfg.TimestepSpacing = spacing
			for _, s := range []scheduler{newDDIM(cfg, steps, 0, nil), newDPMSolver(cfg, steps)} {
				for _, at := range s.timesteps() {
					require.True(t, at >= 0 && at < 1000, "%s %d: %d", spacing, steps, at)
				}
			}
		}
	}
}
