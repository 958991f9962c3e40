package clap

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with decoded parameters and its model.
type work struct {
	request
	service *Service
	// task is the name of the task, model the name of the model.
	task, model string
	audio       services.AudioSource
	// window in seconds, and the maximum length of the recording, zero for no limit of
	// the task's own.
	window, limit float64
	// runs is the memory of a run, weights that of the model.
	runs, weights services.Bytes
	// samples of a window, channels of the recording, values of the result, and texts.
	samples, channels, values, texts int64
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	return services.Prepared(s.prepare(task))
}

func (s *Service) prepare(task services.Task) (*work, error) {
	r, err := parseRequest(task)
	if err != nil {
		return nil, err
	}
	files, f, err := s.resolve(task)
	if err != nil {
		return nil, err
	}
	w := &work{request: r, service: s, task: task.Name, model: files.Name, audio: task.Audio, weights: f.weights}
	if err := w.fits(f.folder); err != nil {
		return nil, err
	}
	w.texts = int64(len(r.classify.Labels))
	if r.embed.Text != "" {
		w.texts = 1
	}
	if err := w.choose(f.folder); err != nil {
		return nil, err
	}
	w.runs = f.runBytes(w.samples, w.texts).Plus(services.Bytes(4 * (2*blockFrames*w.channels + 4*w.values)))
	return w, s.Ready(files.Name, f.problem)
}

// fits returns a fault for parameters that the model has no use for.
func (w *work) fits(f *folder) error {
	ast := f.Network.ModelType == typeAST
	switch {
	case w.task == tasks.Classify && !ast && len(w.classify.Labels) == 0:
		return services.Invalidf("labels", "are missing: model %q compares a sound with the labels of the request", w.model)
	case ast && (len(w.classify.Labels) > 0 || w.classify.Template != ""):
		return services.Invalidf("labels", "must be left out: model %q has labels of its own", w.model)
	case ast && w.embed.Text != "":
		return services.Invalidf("text", "must be left out: model %q reads no texts", w.model)
	case ast && w.embed.Space == tasks.SpaceCaption:
		return services.Invalidf("space", "must be %s: model %q reads no texts", tasks.SpaceSound, w.model)
	}
	return nil
}

// choose determines the window and reads the header of the recording, if there is one.
func (w *work) choose(f *folder) error {
	if w.audio == nil {
		return nil
	}
	rate := float64(f.Preprocessor.SampleRateHz)
	longest := float64(f.longest()) / rate
	w.window = longest
	if s := w.seconds; s != nil && *s != 0 {
		w.window = min(*s, longest)
	}
	if f.Pooled && w.seconds != nil {
		w.window = *w.seconds
	}
	if w.seconds != nil && *w.seconds == 0 {
		if w.limit = longest; f.Pooled {
			w.limit = maxWindowSeconds
		}
		w.window = w.limit
	}
	sound, err := w.service.openAudio(w.audio, f.Preprocessor.SampleRateHz, w.limit, w.strict)
	if err != nil {
		return err
	}
	defer func() { _ = sound.Close() }() // it was only read
	format, total := sound.reader.Format(), sound.length()
	w.samples, w.channels = int64(w.window*rate), int64(format.Channels)
	if !format.Guessed {
		w.samples = min(w.samples, total)
	}
	if w.embed.Frames {
		w.values = w.embed.FrameCount(float64(total)/rate) * f.width()
		if !format.Guessed && w.values > maxFrameValues {
			return tooManyWindows()
		}
		w.values = min(w.values, maxFrameValues)
	}
	return nil
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
		{Name: "texts", Value: float64(w.texts)},
	}}
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.service.Recorded(func() (services.TaskResult, error) { return w.run(ctx, sink) })
}

// buffers returns the memory of the decoded recording and of the values of the result.
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
	if !m.folder.can(w.task) {
		return services.TaskResult{Model: m.name}, services.Invalidf("model", "%q is loaded in an earlier state; unload it first", m.name)
	}
	if err := w.fits(m.folder); err != nil {
		return services.TaskResult{Model: m.name}, err
	}
	switch {
	case w.task == tasks.Classify:
		return w.labels(ctx, m, sink)
	case w.audio == nil:
		return w.vectorOfText(ctx, m, sink)
	default:
		return w.vectors(ctx, m, sink)
	}
}
