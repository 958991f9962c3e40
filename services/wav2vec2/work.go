package wav2vec2

import (
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with decoded parameters and its model.
type work struct {
	request
	service *Service
	// task is the name of the task, model the name of the model.
	task, model string
	audio       services.AudioSource
	// runs is the memory of a run, weights that of the model.
	runs, weights services.Bytes
	// samples of a window, channels of the recording, and values of the result.
	samples, channels, values int64
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	r, err := parseRequest(task)
	if err != nil {
		return nil, err
	}
	files, f, err := s.resolve(task)
	if err != nil {
		return nil, err
	}
	if err := r.checkFrames(files.Name, f.folder); err != nil {
		return nil, err
	}
	if err := f.checkLanguage(files.Name, r.transcribe.Language); err != nil {
		return nil, err
	}
	reader, closer, err := s.openAudio(task.Audio, r.window, r.reading)
	if err != nil {
		return nil, err
	}
	format := reader.Format()
	_ = closer.Close() // it was only read
	w := &work{request: r, service: s, task: task.Name, model: files.Name, audio: task.Audio, weights: f.weights}
	if w.runs, err = w.need(f, format); err != nil {
		return nil, err
	}
	if err := s.Ready(files.Name, f.problem); err != nil {
		return nil, err
	}
	return w, nil
}

// need returns the memory for the recording.
func (w *work) need(f facts, format audiofile.Format) (services.Bytes, error) {
	rate := int64(f.Preprocessor.SamplingRate)
	// One run covers one window, regardless of the recording's length. The length in
	// some headers is an estimate and may be too short.
	window := w.window
	if window == 0 {
		window = longestRun
	}
	samples, values := int64(window*float64(rate)), int64(0)
	var scores services.Bytes
	whole := format.Frames * rate / int64(format.SampleRateHz)
	if !format.Guessed {
		samples = min(samples, whole)
	}
	if w.embed.Pooling == tasks.PoolingNone && w.task == tasks.Embed {
		values = min(f.Network.frames(whole)*f.Network.HiddenSize, maxFrameValues)
		if !format.Guessed && f.Network.frames(whole)*f.Network.HiddenSize > maxFrameValues {
			return 0, tooManyFrames(f.Network.HiddenSize, f.Network, f.Preprocessor.SamplingRate)
		}
	}
	if w.embed.Frames && w.task == tasks.Embed {
		values += min(w.embed.FrameCount(float64(whole)/float64(rate)), maxFrameValues/f.Network.HiddenSize) * f.Network.HiddenSize
	}
	if w.task == tasks.Transcribe {
		scores = posteriorBytes * services.Bytes(f.Network.frames(whole))
	}
	// The result's values are also encoded as JSON.
	w.samples, w.channels, w.values = samples, int64(format.Channels), values
	return f.runBytes(samples).Plus(scores, services.Bytes(4*(3*samples+2*blockFrames*int64(format.Channels)+4*values))), nil
}

// Model implements services.Work.
func (w *work) Model() string { return w.model }

// Bytes implements services.Work.
func (w *work) Bytes(context.Context) (services.Bytes, error) {
	return w.service.Need(w.model, w.runs, w.weights), nil
}

// Plan implements services.Planned.
func (w *work) Plan() services.Plan {
	return services.Plan{Runs: w.runs, Sizes: []services.Size{
		{Name: "samples", Value: float64(w.samples)}, {Name: "channels", Value: float64(w.channels)}, {Name: "values", Value: float64(w.values)},
	}}
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.service.Recorded(func() (services.TaskResult, error) { return w.run(ctx, sink) })
}

// buffers returns the memory of the decoded recording: a block of it, what a window is cut
// from, the window, and the values of the result.
func (w *work) buffers() services.Bytes {
	return services.Bytes(4 * (2*w.samples + blockFrames*(w.channels+1) + w.values))
}

func (w *work) run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	m, done, err := w.service.pool.Acquire(ctx, w.model)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer done()
	defer services.Occupy(ctx, w.buffers())()
	// The folder may have changed since the model was loaded.
	if !slices.Contains(taskHeads[w.task], m.folder.Head) {
		return services.TaskResult{Model: m.name},
			services.Invalidf("model", "%q is loaded with the head %s; unload it first", m.name, m.folder.Head)
	}
	switch w.task {
	case tasks.Embed:
		return w.vectors(ctx, m, sink)
	case tasks.Classify:
		return w.labels(ctx, m, sink)
	default:
		return w.words(ctx, m, sink)
	}
}
