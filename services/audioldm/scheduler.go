package audioldm

import (
	"math"
	"slices"

	"github.com/grym-synth/grym-synth/services/limits"
)

// schedulerConfig is scheduler_config.json of diffusers.
type schedulerConfig struct {
	TrainSteps      int     `json:"num_train_timesteps"`
	BetaStart       float64 `json:"beta_start"`
	BetaEnd         float64 `json:"beta_end"`
	BetaSchedule    string  `json:"beta_schedule"`
	ClipSample      bool    `json:"clip_sample"`
	ClipSampleRange float64 `json:"clip_sample_range"`
	SetAlphaToOne   bool    `json:"set_alpha_to_one"`
	StepsOffset     int     `json:"steps_offset"`
	PredictionType  string  `json:"prediction_type"`
	TimestepSpacing string  `json:"timestep_spacing"`
	Thresholding    bool    `json:"thresholding"`
	RescaleBetas    bool    `json:"rescale_betas_zero_snr"`
	// The next two apply to DPM-Solver++ and are set by tests only.
	lowerOrderFinal bool
	finalSigmaMin   bool
}

// defaultScheduler has diffusers' defaults for fields missing from a file.
func defaultScheduler() schedulerConfig {
	return schedulerConfig{
		TrainSteps: 1000, BetaStart: 0.0001, BetaEnd: 0.02, BetaSchedule: "linear", ClipSample: true, ClipSampleRange: 1,
		SetAlphaToOne: true, PredictionType: "epsilon", TimestepSpacing: "leading", lowerOrderFinal: true,
	}
}

// schedulerFile is the file of the scheduler's settings.
const schedulerFile = "scheduler/scheduler_config.json"

// maxClip is the maximum of the range that a sample may be clipped to.
const maxClip = 1e6

// check rejects unsupported settings.
func (c schedulerConfig) check(name string) error {
	file := limits.Of(name + "/" + schedulerFile)
	file.Int("num_train_timesteps", int64(c.TrainSteps), 2, 100_000)
	file.Float("beta_start", c.BetaStart, 1e-12, 0.999)
	file.Float("beta_end", c.BetaEnd, c.BetaStart, 0.999)
	file.OneOf("beta_schedule", c.BetaSchedule, "linear", "scaled_linear")
	file.OneOf("prediction_type", c.PredictionType, "epsilon", "v_prediction")
	file.OneOf("timestep_spacing", c.TimestepSpacing, "leading", "linspace", "trailing")
	file.Int("steps_offset", int64(c.StepsOffset), 0, int64(c.TrainSteps)-1)
	file.Float("clip_sample_range", c.ClipSampleRange, 0, maxClip)
	if c.Thresholding || c.RescaleBetas {
		file.Fail("thresholding and rescale_betas_zero_snr are not supported")
	}
	// Steps divide by the remaining signal.
	if file.Err() == nil {
		bars := c.alphaBars()
		file.Float("the part of the sound that beta_start, beta_end and num_train_timesteps leave", bars[len(bars)-1], leastSignal, 1)
	}
	return file.Err()
}

// leastSignal is the minimum fraction of the signal that remains at the highest noise
// level.
const leastSignal = 1e-30

// alphaBars returns the running product of 1-beta.
func (c schedulerConfig) alphaBars() []float64 {
	bars := make([]float64, c.TrainSteps)
	product := 1.0
	for i := range bars {
		at := float64(i) / float64(c.TrainSteps-1)
		beta := c.BetaStart + at*(c.BetaEnd-c.BetaStart)
		if c.BetaSchedule == "scaled_linear" {
			root := math.Sqrt(c.BetaStart) + at*(math.Sqrt(c.BetaEnd)-math.Sqrt(c.BetaStart))
			beta = root * root
		}
		product *= 1 - beta
		bars[i] = product
	}
	return bars
}

// timesteps returns the timesteps for the given number of steps, descending.
// DPM-Solver++ has one more point than steps, the last of which is not used.
func (c schedulerConfig) timesteps(steps, points int) []int {
	list := make([]int, 0, steps)
	last := float64(c.TrainSteps - 1)
	for i := range steps {
		switch c.TimestepSpacing {
		case "linspace":
			list = append(list, int(math.RoundToEven(last*(1-float64(i)/float64(max(points-1, 1))))))
		case "trailing":
			list = append(list, int(math.RoundToEven(float64(c.TrainSteps)*(1-float64(i)/float64(steps))))-1)
		default:
			list = append(list, min((points-1-i)*(c.TrainSteps/points)+c.StepsOffset, c.TrainSteps-1))
		}
	}
	return list
}

// original returns the sample without noise, and the noise, from the network's output
// at one position.
func (c schedulerConfig) original(x, out, alpha, sigma float64) (x0, eps float64) {
	if c.PredictionType == "v_prediction" {
		return alpha*x - sigma*out, alpha*out + sigma*x
	}
	return (x - sigma*out) / alpha, out
}

// scheduler denoises a sample step by step. Not safe for concurrent use.
type scheduler interface {
	// timesteps returns the timesteps of the network's runs in order.
	timesteps() []int
	// step updates the sample in place with the network's output at timestep i.
	step(i int, sample, output []float32)
}

// ddim is Song et al., "Denoising Diffusion Implicit Models" (2021).
type ddim struct {
	cfg   schedulerConfig
	bars  []float64
	times []int
	eta   float64
	rng   *generator
	noise []float32
}

// newDDIM returns a scheduler for the given number of steps. With eta above zero, noise
// is drawn from rng.
func newDDIM(cfg schedulerConfig, steps int, eta float64, rng *generator) *ddim {
	return &ddim{cfg: cfg, bars: cfg.alphaBars(), times: cfg.timesteps(steps, steps), eta: eta, rng: rng}
}

func (d *ddim) timesteps() []int { return d.times }

// bar returns the running product at a timestep, including the one before the first.
func (d *ddim) bar(t int) float64 {
	switch {
	case t >= 0:
		return d.bars[t]
	case d.cfg.SetAlphaToOne:
		return 1
	default:
		return d.bars[0]
	}
}

func (d *ddim) step(i int, sample, output []float32) {
	t := d.times[i]
	bar, before := d.bar(t), d.bar(t-d.cfg.TrainSteps/len(d.times))
	alpha, sigma := math.Sqrt(bar), math.Sqrt(1-bar)
	deviation := d.eta * math.Sqrt((1-before)/(1-bar)*(1-bar/before))
	towards := math.Sqrt(max(0, 1-before-deviation*deviation))
	if deviation > 0 {
		d.noise = slices.Grow(d.noise[:0], len(sample))[:len(sample)]
		d.rng.normal(d.noise)
	}
	for k, x := range sample {
		x0, eps := d.cfg.original(float64(x), float64(output[k]), alpha, sigma)
		if d.cfg.ClipSample {
			x0 = min(max(x0, -d.cfg.ClipSampleRange), d.cfg.ClipSampleRange)
		}
		next := math.Sqrt(before)*x0 + towards*eps
		if deviation > 0 {
			next += deviation * float64(d.noise[k])
		}
		sample[k] = float32(next)
	}
}

// dpmSolver is the second-order multistep solver of Lu et al., "DPM-Solver++:
// Fast Solver for Guided Sampling of Diffusion Probabilistic Models" (2022), with
// the midpoint rule.
type dpmSolver struct {
	cfg    schedulerConfig
	times  []int
	sigmas []float64 // one more than times
	last   []float64 // the sample without noise of the previous step
}

func newDPMSolver(cfg schedulerConfig, steps int) *dpmSolver {
	s := &dpmSolver{cfg: cfg, times: cfg.timesteps(steps, steps+1)}
	bars := cfg.alphaBars()
	for _, t := range s.times {
		s.sigmas = append(s.sigmas, math.Sqrt((1-bars[t])/bars[t]))
	}
	final := 0.0
	if cfg.finalSigmaMin {
		final = math.Sqrt((1 - bars[0]) / bars[0])
	}
	s.sigmas = append(s.sigmas, final)
	return s
}

func (s *dpmSolver) timesteps() []int { return s.times }

// at returns alpha, sigma and half the logarithm of the signal-to-noise ratio.
func (s *dpmSolver) at(i int) (alpha, sigma, lambda float64) {
	alpha = 1 / math.Sqrt(s.sigmas[i]*s.sigmas[i]+1)
	sigma = s.sigmas[i] * alpha
	return alpha, sigma, math.Log(alpha) - math.Log(sigma)
}

func (s *dpmSolver) step(i int, sample, output []float32) {
	alpha, sigma, lambda := s.at(i)
	alphaNext, sigmaNext, lambdaNext := s.at(i + 1)
	h := lambdaNext - lambda
	final := i == len(s.times)-1
	first := s.last == nil || final && (s.sigmas[i+1] == 0 || s.cfg.lowerOrderFinal && len(s.times) < 15)
	ratio := 0.0
	if !first {
		_, _, lambdaBefore := s.at(i - 1)
		ratio = h / (lambda - lambdaBefore) / 2
	}
	if s.last == nil {
		s.last = make([]float64, len(sample))
	}
	pull := alphaNext * (math.Exp(-h) - 1)
	for k, x := range sample {
		x0, _ := s.cfg.original(float64(x), float64(output[k]), alpha, sigma)
		sample[k] = float32(sigmaNext/sigma*float64(x) - pull*(x0+ratio*(x0-s.last[k])))
		s.last[k] = x0
	}
}
