package audioldm

import (
	"cmp"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/dsp"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Names of the schedulers.
const (
	schedulerDDIM = "ddim"
	schedulerDPM  = "dpmsolver++"
)

// Defaults of a request. The length is that of the embedded model's training sounds,
// and half that of the public checkpoints.
const (
	defaultSteps    = 20
	defaultGuidance = 2.5
	defaultSeconds  = 2.56
)

// plan is a validated request with its defaults.
type plan struct {
	prompt, negative string
	seconds          float64
	steps            int
	guidance, eta    float64
	seed             uint64
	count            int
	rank             bool
	scheduler        string
	container, depth string
	// audio has the program that encodes.
	audio audiofile.Limits
	// sampleRateHz of the file; 0 for the model's.
	sampleRateHz int
}

// parse decodes and validates the parameters. The fault lists every invalid field.
func (s *Service) parse(raw json.RawMessage) (plan, error) {
	var params tasks.GenerateParams
	if err := tasks.DecodeParams(raw, &params); err != nil {
		return plan{}, err
	}
	p := plan{
		prompt: params.Prompt, negative: params.NegativePrompt, eta: params.Eta,
		seconds: *cmp.Or(params.Seconds, ptr(defaultSeconds)), steps: *cmp.Or(params.Steps, ptr(defaultSteps)),
		guidance: *cmp.Or(params.GuidanceScale, ptr(defaultGuidance)), scheduler: cmp.Or(params.Scheduler, schedulerDPM),
		count: *cmp.Or(params.Waveforms, ptr(1)), sampleRateHz: params.SampleRateHz,
		container: cmp.Or(params.Container, string(audiofile.WAV)), depth: params.BitDepth, audio: s.audio,
		rank: *cmp.Or(params.Rank, ptr(true)),
	}
	if params.Seed != nil {
		p.seed = *params.Seed
	} else {
		p.seed = uint64(rand.Uint32())
	}
	return p, p.check(s.cfg.MaxSeconds)
}

func ptr[T any](v T) *T { return &v }

func (p plan) check(maxSeconds float64) error {
	var bad services.Complaints
	check := bad.Check
	check(p.prompt != "", "prompt", "is missing; say what should be heard")
	check(len(p.prompt) <= maxPromptBytes, "prompt", "must be at most %d bytes, got %d", maxPromptBytes, len(p.prompt))
	check(len(p.negative) <= maxPromptBytes, "negative_prompt", "must be at most %d bytes, got %d", maxPromptBytes, len(p.negative))
	check(p.seconds >= leastSeconds && p.seconds <= maxSeconds, "audio_length_in_s", "must be from %g to %g, got %v", leastSeconds,
		maxSeconds, p.seconds)
	check(p.steps >= 1 && p.steps <= maxSteps, "num_inference_steps", "must be 1 to %d, got %d", maxSteps, p.steps)
	check(p.guidance >= 0 && p.guidance <= maxGuidance, "guidance_scale", "must be 0 to %d, got %v", maxGuidance, p.guidance)
	check(p.eta >= 0 && p.eta <= 1, "eta", "must be 0 to 1, got %v", p.eta)
	check(p.seed <= 1<<32-1, "seed", "must be at most %d, got %d", uint64(1<<32-1), p.seed)
	check(p.count >= 1 && p.count <= maxWaveforms, "num_waveforms_per_prompt", "must be 1 to %d, got %d", maxWaveforms, p.count)
	hz := p.sampleRateHz
	check(hz == 0 || hz >= dsp.MinSampleRateHz && hz <= dsp.MaxSampleRateHz, "sample_rate", "must be %d to %d Hz, got %d",
		dsp.MinSampleRateHz, dsp.MaxSampleRateHz, hz)
	check(p.scheduler == schedulerDDIM || p.scheduler == schedulerDPM, "scheduler", "must be %s or %s, got %q", schedulerDPM, schedulerDDIM,
		p.scheduler)
	check(p.eta == 0 || p.scheduler == schedulerDDIM, "eta", "applies to scheduler %s only", schedulerDDIM)
	check(slices.Contains(audiofile.Containers(), audiofile.Container(p.container)), "response_format",
		"must be wav, flac, pcm, mp3, opus, ogg or aac, got %q", p.container)
	if err := bad.Err(); err != nil {
		return err
	}
	// The validity of the format does not depend on the rate of the model.
	err := p.output(16000).Validate()
	var fault *services.Fault
	if errors.As(err, &fault) {
		for i, one := range fault.Fields {
			if one.Field == "container" {
				fault.Fields[i].Field = "response_format"
			}
		}
	}
	return err
}

// output returns the file format for samples of the model's rate.
func (p plan) output(modelHz int) audiofile.Output {
	out := audiofile.NewOutput(p.container, p.depth, p.audio)
	out.SampleRateHz, out.Channels = cmp.Or(p.sampleRateHz, out.Container.NearestRate(modelHz)), 1
	return out
}
