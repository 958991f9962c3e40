package audioldm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// generate runs a tasks.Generate.
func (w *work) generate(ctx context.Context, sink services.Sink) (result services.TaskResult, err error) {
	sink.Progress(0, "loading")
	m, done, err := w.model(ctx)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer func() { err = errors.Join(err, done()) }()
	defer services.Occupy(ctx, m.folder.sounds(w.plan))()
	g := generation{model: m, plan: w.plan, sink: sink, clock: services.NewStageClock(ctx)}
	result = services.TaskResult{Model: m.name}
	sounds, err := g.run(ctx)
	if err == nil {
		result.Audio, err = w.service.writeAll(ctx, sounds, m, w.plan)
		g.clock.Book(services.StageOutput)
	}
	if w.plan.ranking() {
		g.warnings = append(g.warnings, notRanked("the server has no ranker"))
	}
	result.Stages, result.Warnings = g.clock.Times(), g.warnings
	if err != nil {
		return result, err
	}
	rate := m.folder.vocoder.SampleRateHz
	result.Value = &tasks.Generation{
		Seed: w.plan.seed, Waveforms: w.plan.count, Steps: w.plan.steps, Scheduler: w.plan.scheduler,
		Seconds: float64(len(sounds[0])) / float64(rate), SampleRateHz: w.plan.output(rate).SampleRateHz,
	}
	sink.Progress(1, "done")
	return result, nil
}

// generation is the state of generating the sounds of one prompt.
type generation struct {
	model *model
	plan  plan
	sink  services.Sink
	clock *services.StageClock
	// warnings report parameters that were cut or have no effect.
	warnings []services.Warning
}

// Completed fractions of the work at the start of each stage.
const (
	toRead    = 0.01
	toDenoise = 0.02
	toDecode  = 0.94
	toSound   = 0.96
)

// run converts the prompt to samples, one slice for each waveform.
func (g *generation) run(ctx context.Context) ([][]float32, error) {
	labels, err := g.labels(ctx)
	g.clock.Book(services.StageInput)
	if err != nil {
		return nil, err
	}
	rows := int64(g.model.folder.frames(g.plan.seconds) / g.model.folder.factor())
	latents, err := g.denoise(ctx, labels, rows)
	if err == nil {
		latents, err = g.each(ctx, partVAE, toDecode, latents, func(latent []float32) ([]float32, error) {
			return g.model.spectrogram(ctx, latent, rows)
		})
	}
	if err == nil {
		latents, err = g.each(ctx, partVocoder, toSound, latents, func(mel []float32) ([]float32, error) {
			return g.model.waveform(ctx, mel)
		})
	}
	g.clock.Book(services.StageInfer)
	if err != nil {
		return nil, err
	}
	for i, samples := range latents {
		latents[i] = samples[:min(len(samples), g.model.folder.samples(g.plan.seconds))]
		level(latents[i])
	}
	return latents, nil
}

// each runs a part on every waveform in place.
func (g *generation) each(ctx context.Context, part string, begin float64, list [][]float32,
	run func([]float32) ([]float32, error),
) (_ [][]float32, err error) {
	g.sink.Progress(begin, "decoding")
	done, err := g.model.stage(ctx, part)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	for i := range list {
		if i > 0 {
			g.sink.Progress(begin, "decoding") // reports progress
			if err := services.Yield(ctx); err != nil {
				return nil, err
			}
		}
		if list[i], err = run(list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// labels embeds the texts. With guidance the negative prompt comes first, followed by
// the prompt, in the batch order of diffusers.
func (g *generation) labels(ctx context.Context) (_ []float32, err error) {
	g.sink.Progress(toRead, "reading the prompt")
	done, err := g.model.stage(ctx, partText)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	g.warn()
	prompt, err := g.model.embed(ctx, g.plan.prompt)
	if err != nil || !g.guided() {
		return prompt, err
	}
	negative, err := g.model.embed(ctx, g.plan.negative)
	return append(negative, prompt...), err
}

func (g *generation) guided() bool { return g.plan.guidance > 1 }

// denoise converts noise to a latent for each waveform in the plan's number of steps.
// All waveforms advance together so that noise is drawn in the order of diffusers for a
// batch. The UNet processes one at a time, twice with guidance, so that memory does not
// grow with their number.
func (g *generation) denoise(ctx context.Context, labels []float32, rows int64) (latents [][]float32, err error) {
	done, err := g.model.stage(ctx, partUNet)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	shape := g.model.latentShape(1, rows)
	size := int(shape[1] * shape[2] * shape[3])
	rng := newGenerator(g.plan.seed)
	sample, output := make([]float32, g.plan.count*size), make([]float32, g.plan.count*size)
	rng.normal(sample)
	var s scheduler = newDPMSolver(g.model.folder.scheduler, g.plan.steps)
	if g.plan.scheduler == schedulerDDIM {
		s = newDDIM(g.model.folder.scheduler, g.plan.steps, g.plan.eta, rng)
	}
	times := s.timesteps()
	for i, t := range times {
		for n := range g.plan.count {
			at := n * size
			if err := g.predict(ctx, rows, sample[at:at+size], output[at:at+size], t, labels); err != nil {
				return nil, fmt.Errorf("step %d of %d: %w", i+1, len(times), err)
			}
			made := float64(i*g.plan.count+n+1) / float64(len(times)*g.plan.count)
			g.sink.Progress(min(toDecode, toDenoise+(toDecode-toDenoise)*made), fmt.Sprintf("denoising, step %d of %d", i+1, len(times)))
			if err := services.Yield(ctx); err != nil {
				return nil, err
			}
		}
		s.step(i, sample, output)
	}
	return slices.Collect(slices.Chunk(sample, size)), nil
}

// predict runs the UNet on one sample. With guidance the result is moved away from the
// prediction for the negative prompt, see Ho and Salimans, "Classifier-Free Diffusion
// Guidance" (2022).
func (g *generation) predict(ctx context.Context, rows int64, sample, output []float32, t int, labels []float32) error {
	if !g.guided() {
		given, err := g.model.predict(ctx, 1, rows, sample, t, labels)
		copy(output, given)
		return err
	}
	given, err := g.model.predict(ctx, 2, rows, slices.Concat(sample, sample), t, labels)
	if err != nil {
		return err
	}
	without, with := given[:len(sample)], given[len(sample):]
	for i := range output {
		output[i] = without[i] + float32(g.plan.guidance)*(with[i]-without[i])
	}
	return nil
}
