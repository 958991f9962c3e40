package audioldm

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// generate is TaskGenerate.
func (s *Service) generate(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	p, err := s.parse(task.Params)
	if err != nil {
		return services.TaskResult{}, err
	}
	sink.Progress(0, "loading")
	m, done, err := s.pool.Acquire(ctx, s.modelName(task))
	if err != nil {
		return services.TaskResult{}, err
	}
	defer done()
	g := generation{model: m, plan: p, sink: sink}
	result := services.TaskResult{Model: m.name}
	samples, err := g.run(ctx)
	result.Stages = g.stages
	if err != nil {
		return result, err
	}
	result.Audio, err = s.write(samples, p.output(m.folder.vocoder.SampleRateHz))
	if err != nil {
		return result, err
	}
	result.Value = &services.Generation{
		Seed: p.seed, Steps: p.steps, Scheduler: p.scheduler, Seconds: float64(len(samples)) / float64(m.folder.vocoder.SampleRateHz),
		SampleRateHz: m.folder.vocoder.SampleRateHz,
	}
	sink.Progress(1, "done")
	return result, nil
}

// generation is one sound in the making.
type generation struct {
	model  *model
	plan   plan
	sink   services.Sink
	stages []services.StageTime
}

// run goes from words to samples.
func (g *generation) run(ctx context.Context) ([]float32, error) {
	mark, record := time.Now(), services.StageRecorder(ctx)
	stage := func(stage services.Stage) {
		now := time.Now()
		record(stage, mark, now)
		g.stages = append(g.stages, services.StageTime{Stage: stage, Duration: now.Sub(mark)})
		mark = now
	}
	labels, err := g.labels(ctx)
	stage(services.StageInput)
	if err != nil {
		return nil, err
	}
	rows := int64(g.model.folder.frames(g.plan.seconds) / g.model.folder.factor())
	latent, err := g.denoise(ctx, labels, rows)
	if err != nil {
		stage(services.StageInfer)
		return nil, err
	}
	g.sink.Progress(0.95, "decoding")
	samples, err := g.model.sound(ctx, latent, rows)
	stage(services.StageInfer)
	if err != nil {
		return nil, err
	}
	// The vocoder gives whole frames and a little more.
	samples = samples[:min(len(samples), g.model.folder.samples(g.plan.seconds))]
	level(samples)
	stage(services.StageOutput)
	return samples, nil
}

// labels embeds the words: for guidance the negative prompt first, then the
// prompt, as the pipeline of diffusers orders its batch.
func (g *generation) labels(ctx context.Context) ([]float32, error) {
	g.sink.Progress(0.01, "reading the prompt")
	prompt, err := g.model.embed(ctx, g.plan.prompt)
	if err != nil || !g.guided() {
		return prompt, err
	}
	negative, err := g.model.embed(ctx, g.plan.negative)
	return append(negative, prompt...), err
}

func (g *generation) guided() bool { return g.plan.guidance > 1 }

// denoise takes noise to a latent in the plan's number of steps.
func (g *generation) denoise(ctx context.Context, labels []float32, rows int64) ([]float32, error) {
	shape := g.model.latentShape(1, rows)
	size := int(shape[1] * shape[2] * shape[3])
	rng := newGenerator(g.plan.seed)
	sample := make([]float32, size)
	rng.normal(sample)
	var s scheduler = newDPMSolver(g.model.folder.scheduler, g.plan.steps)
	if g.plan.scheduler == schedulerDDIM {
		s = newDDIM(g.model.folder.scheduler, g.plan.steps, g.plan.eta, rng)
	}
	batch := 1
	if g.guided() {
		batch = 2
	}
	input := make([]float32, batch*size)
	for i, t := range s.timesteps() {
		for b := range batch {
			copy(input[b*size:], sample)
		}
		output, err := g.model.predict(ctx, batch, rows, input, t, labels)
		if err != nil {
			return nil, fmt.Errorf("step %d of %d: %w", i+1, g.plan.steps, err)
		}
		s.step(i, sample, g.guide(output, size))
		g.sink.Progress(0.02+0.92*float64(i+1)/float64(len(s.timesteps())), "denoising")
		if err := g.sink.Yield(ctx); err != nil {
			return nil, err
		}
	}
	return sample, nil
}

// guide moves the output away from what the negative prompt gives, see Ho and
// Salimans, "Classifier-Free Diffusion Guidance" (2022).
func (g *generation) guide(output []float32, size int) []float32 {
	if !g.guided() {
		return output
	}
	without, with := output[:size], output[size:]
	for i := range without {
		without[i] += float32(g.plan.guidance) * (with[i] - without[i])
	}
	return without
}

// highest is the peak that a sound may have, a little below full scale.
const highest = 0.99

// level takes the constant part out and turns a sound down that would clip. A
// quiet sound stays quiet.
func level(samples []float32) {
	if len(samples) == 0 {
		return
	}
	sum := 0.0
	for _, v := range samples {
		sum += float64(v)
	}
	mean, peak := float32(sum/float64(len(samples))), float32(0)
	for i := range samples {
		samples[i] -= mean
		peak = max(peak, float32(math.Abs(float64(samples[i]))))
	}
	if peak <= highest {
		return
	}
	for i := range samples {
		samples[i] *= highest / peak
	}
}

// write puts the sound into a file of the spool folder.
func (s *Service) write(samples []float32, out audiofile.Output) (artifact *services.Artifact, err error) {
	file, err := os.CreateTemp(s.dir, "generation-*")
	if err != nil {
		return nil, storeFault(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	defer file.Close()
	writer, err := audiofile.NewWriter(file, out)
	if err != nil {
		return nil, err
	}
	if err := writer.WriteFrames(samples); err != nil {
		return nil, storeFault(err)
	}
	if err := writer.Close(); err != nil {
		return nil, storeFault(err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, storeFault(err)
	}
	return &services.Artifact{Path: filepath.Clean(file.Name()), ContentType: out.ContentType(), Bytes: info.Size()}, nil
}

func storeFault(err error) error {
	return &services.Fault{Kind: services.KindUnavailable, Message: "the sound could not be stored", RetryAfter: 10 * time.Second, Err: err}
}
