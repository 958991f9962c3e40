package wav2vec2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Service does everything that a Wav2Vec2 model can do. Safe for concurrent use.
type Service struct {
	*modelstore.Host[*model]

	cfg     Config
	catalog *modelstore.Catalog
	pool    *modelstore.Pool[*model]
	facts   *modelstore.Facts[facts]
}

// New makes the service over the folders of a catalog. The session
// configuration is that of every model it loads.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	s := &Service{cfg: cfg, catalog: catalog, facts: modelstore.NewFacts(readFacts)}
	s.pool = modelstore.NewPool(Name, residency, func(_ context.Context, name string) (*model, services.Bytes, error) {
		files, err := catalog.Find(name, modelType)
		if err != nil {
			return nil, 0, err
		}
		loaded, size, err := loadModel(rt, files, session)
		if err != nil {
			return nil, 0, modelstore.Unusable(name, cfg.DefaultModel, err)
		}
		return loaded, size, nil
	})
	s.Host = modelstore.NewHost(s.pool, catalog, modelType, func(files modelstore.Folder) error {
		known, err := s.facts.Of(files)
		return errors.Join(err, known.problem)
	})
	return s
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Speech to text with word times, vectors and labels for recordings, by Wav2Vec2 models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks:        taskKinds(),
	}
}

// Initialize loads the default model and runs it once.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		m, done, err := s.pool.Acquire(ctx, s.cfg.DefaultModel)
		if err != nil {
			return err
		}
		defer done()
		return m.canary(ctx)
	})
}

// Estimate implements services.ModelService.
func (s *Service) Estimate(_ context.Context, task services.Task) (services.Bytes, error) {
	r, err := parseRequest(task)
	if err != nil {
		return 0, err
	}
	files, f, err := s.resolve(task)
	if err != nil {
		return 0, err
	}
	reader, closer, err := s.openAudio(task.Audio, r.window)
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	format := reader.Format()
	rate := int64(f.Preprocessor.SamplingRate)
	// One run holds one window, however long the recording is. A length that a
	// format only guesses may be short of the truth.
	window := r.window
	if window == 0 {
		window = longestRun
	}
	samples, kept := int64(window*float64(rate)), int64(0)
	whole := format.Frames * rate / int64(format.SampleRateHz)
	if !format.Guessed {
		samples = min(samples, whole)
	}
	if r.embed.Pooling == services.PoolingNone && task.Name == services.TaskEmbed {
		kept = min(f.Network.frames(whole)*f.Network.HiddenSize, maxFrameValues)
		if !format.Guessed && f.Network.frames(whole)*f.Network.HiddenSize > maxFrameValues {
			return 0, tooManyFrames(f.Network.HiddenSize, f.Network, f.Preprocessor.SamplingRate)
		}
	}
	// What is kept is written as JSON too.
	need := f.runBytes(samples).Plus(services.Bytes(4 * (3*samples + 2*blockFrames*int64(format.Channels) + 4*kept)))
	if _, loaded := s.pool.Loaded(files.Name); !loaded {
		if f.problem != nil {
			return 0, modelstore.Unusable(files.Name, s.cfg.DefaultModel, f.problem)
		}
		// A load peaks at the weights and a copy of part of them.
		need = need.Plus(f.weights, f.weights/2)
	}
	return need, nil
}

// resolve finds the task's model: the one that it names, else the default model
// where that has a head for the task, else the first by name that has.
func (s *Service) resolve(task services.Task) (modelstore.Folder, facts, error) {
	wanted := taskHeads[task.Name]
	files, f, err := s.find(cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel))
	if err != nil || slices.Contains(wanted, f.Head) {
		return files, f, err
	}
	if task.Model != "" {
		return files, f, services.Invalidf("model", "%q has the head %s; %s needs %s", files.Name, f.Head, task.Name, strings.Join(wanted, " or "))
	}
	for _, other := range s.catalog.List(modelType) {
		if f, err := s.facts.Of(other); err == nil && slices.Contains(wanted, f.Head) {
			return other, f, nil
		}
	}
	return files, f, &services.Fault{Kind: services.KindNotFound, Fields: []services.FieldError{{
		Field: "model", Problem: fmt.Sprintf("is not given, and there is none for %s: put a folder with the head %s under models", task.Name, strings.Join(wanted, " or ")),
	}}}
}

// ModelFor implements services.ModelChooser.
func (s *Service) ModelFor(task services.Task) string {
	files, _, err := s.resolve(task)
	if err != nil {
		return cmp.Or(task.DefaultModel, s.cfg.DefaultModel)
	}
	return files.Name
}

// find returns the folder of that name with what its files say.
func (s *Service) find(name string) (modelstore.Folder, facts, error) {
	files, err := s.catalog.Find(name, modelType)
	if err == nil {
		err = files.Require(modelType, "this needs", s.cfg.DefaultModel)
	}
	if err != nil {
		return files, facts{}, err
	}
	f, err := s.facts.Of(files)
	if err != nil {
		return files, facts{}, modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	return files, f, nil
}

// ExecuteTask implements services.ModelService.
func (s *Service) ExecuteTask(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	return s.Recorded(func() (services.TaskResult, error) { return s.execute(ctx, task, sink) })
}

func (s *Service) execute(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	r, err := parseRequest(task)
	if err != nil {
		return services.TaskResult{}, err
	}
	files, _, err := s.resolve(task)
	if err != nil {
		return services.TaskResult{}, err
	}
	m, done, err := s.pool.Acquire(ctx, files.Name)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer done()
	// The folder may have changed since the model was loaded.
	if !slices.Contains(taskHeads[task.Name], m.folder.Head) {
		return services.TaskResult{Model: m.name}, services.Invalidf("model", "%q is loaded with the head %s; unload it first", m.name, m.folder.Head)
	}
	switch task.Name {
	case services.TaskEmbed:
		return s.embed(ctx, m, task, r, sink)
	case services.TaskClassify:
		return s.classify(ctx, m, task, r, sink)
	default:
		return s.transcribe(ctx, m, task, r, sink)
	}
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.ModelChooser = (*Service)(nil)
)
