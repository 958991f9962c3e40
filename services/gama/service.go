package gama

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
)

// Service answers questions about sounds. Safe for concurrent use.
type Service struct {
	*modelstore.Host[*model]

	cfg      Config
	catalog  *modelstore.Catalog
	pool     *modelstore.Pool[*model]
	contexts *contexts
	facts    *modelstore.Facts[facts]
}

// New makes the service over the folders of a catalog. The session configuration is
// that of every graph it loads.
func New(cfg Config, catalog *modelstore.Catalog, rt *onnx.Runtime, session onnx.SessionConfig, residency services.Residency) *Service {
	s := &Service{cfg: cfg, catalog: catalog, facts: modelstore.NewFacts(readFacts)}
	s.pool = modelstore.NewPool(Name, residency, func(_ context.Context, name string) (*model, services.Bytes, error) {
		files, err := s.locate(name)
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
	s.contexts = newContexts(s, residency)
	return s
}

// locate returns the folder of a model of the right type.
func (s *Service) locate(name string) (modelstore.Folder, error) {
	files, err := s.catalog.Find(name, modelType)
	if err != nil {
		return files, err
	}
	return files, files.Require(modelType, "questions about sounds need", s.cfg.DefaultModel)
}

// find returns the folder of a model with what its files say.
func (s *Service) find(name string) (modelstore.Folder, facts, error) {
	files, err := s.locate(name)
	if err != nil {
		return files, facts{}, err
	}
	f, err := s.facts.Of(files)
	if err != nil {
		return files, facts{}, modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	return files, f, nil
}

// Describe implements services.ModelService.
func (s *Service) Describe() services.Description {
	return services.Description{
		Name:         Name,
		Summary:      "Answers to questions about sounds, by audio language models.",
		DefaultModel: s.cfg.DefaultModel,
		Tasks: []services.TaskKind{
			{Name: services.TaskAsk, ParamsSchema: json.RawMessage(paramsSchema)},
			{Name: services.TaskCaption, ParamsSchema: json.RawMessage(paramsSchema)},
		},
	}
}

// canaryTone is what the canary task listens to.
var canaryTone = audiofile.Tone(16000, 500*time.Millisecond)

// CanaryTask implements services.Canary.
func (s *Service) CanaryTask() services.Task {
	return services.Task{
		Service: Name, Name: services.TaskAsk, Audio: canaryTone,
		Params: json.RawMessage(`{"question":"What can be heard?","max_tokens":4,"temperature":0}`),
	}
}

// Initialize loads the default model and asks it something.
func (s *Service) Initialize(ctx context.Context) error {
	return s.InitializeBy(ctx, func(ctx context.Context) error {
		_, err := s.ask(ctx, s.CanaryTask(), services.DiscardSink{})
		return err
	})
}

// Shutdown implements services.ModelService.
func (s *Service) Shutdown(ctx context.Context) error {
	err := s.Host.Shutdown(ctx) // which waits for those who answer
	s.contexts.forget()
	return err
}

// Estimate implements services.ModelService.
func (s *Service) Estimate(ctx context.Context, task services.Task) (services.Bytes, error) {
	params, err := parse(task)
	if err != nil {
		return 0, err
	}
	name, texts := s.modelName(task), 0
	for _, h := range params.History {
		texts += len(h.Question) + len(h.Answer)
	}
	turns := len(params.History)
	goesOn := params.ContextID != "" && params.ContextID != newContext
	if goesOn {
		one, err := s.contexts.find(ctx, task.Caller, params.ContextID)
		if err != nil {
			return 0, err
		}
		kept := s.contexts.recordOf(one)
		if task.Model != "" && task.Model != kept.Model {
			return 0, services.Invalidf("model", "must be %q or left out: the conversation is with that model", kept.Model)
		}
		name, turns = kept.Model, len(kept.Turns)
		for _, t := range kept.Turns {
			texts += len(t.Question) + max(len(t.Answer), len(t.Tokens))
		}
	}
	files, f, err := s.find(name)
	if err != nil {
		return 0, err
	}
	// The recording of a conversation was looked at when that began.
	channels := s.cfg.Audio.MaxChannels
	if !goesOn {
		sound, err := s.openAudio(task.Audio, f.Preprocessor.SamplingRate)
		if err != nil {
			return 0, err
		}
		defer func() { _ = sound.Close() }() // it was only read
		if channels = sound.reader.Format().Channels; params.ContextID != "" {
			if err := s.oneWindow(files, f.folder, sound); err != nil {
				return 0, err
			}
		}
	}
	// A token is a byte at the least, beside what begins and ends a turn.
	text := texts + len(params.Question) + (turns+1)*(len(f.Network.PromptTemplate)+4)
	need := f.runBytes(text, params).Plus(services.Bytes(4 * blockFrames * channels))
	if _, loaded := s.pool.Loaded(files.Name); !loaded {
		if f.problem != nil {
			return 0, modelstore.Unusable(files.Name, s.cfg.DefaultModel, f.problem)
		}
		// A load peaks at the weights and a copy of part of them.
		need = need.Plus(f.weights, f.weights/2)
	}
	return need, nil
}

// runBytes predicts the memory of one answer: the cache at its full length in two
// sets, and a third for what a conversation keeps; what the decoder holds while it
// reads the prompt; and the encoder over one window.
func (f *folder) runBytes(textBytes int, p services.AskParams) services.Bytes {
	const float = 4
	t := f.Network.TextPart
	sound := f.Network.NumAudio
	if sound == 0 {
		sound = int64(f.Preprocessor.MaxLength)
	}
	prompt := min(t.MaxPositions, sound+int64(textBytes))
	positions := min(t.MaxPositions, prompt+int64(f.newTokens(p, int(prompt))))
	sets := int64(2)
	if p.ContextID != "" {
		sets = 3
	}
	cache := limits.Product(sets, int64(kvShape{layers: t.Layers, heads: t.KVHeads, dim: t.HeadDim, kind: onnx.Float32}.bytes(positions)))
	reading := limits.Sum(
		limits.Product(float, prompt, 8*t.HiddenSize+3*t.Intermediate+2*t.VocabSize),
		limits.Product(2*float, t.Heads, prompt, prompt))
	frames := int64(f.Preprocessor.MaxLength)
	const encoderWidth, encoderHeads = 768, 12 // of AST; smaller ones need less
	encoding := float * (frames*int64(f.Preprocessor.MelBins)*4 + frames*encoderWidth*8 + encoderHeads*frames*frames/2)
	return services.Bytes(limits.Sum(cache, max(reading, encoding)))
}

// oneWindow refuses a recording that a conversation cannot hold.
func (s *Service) oneWindow(files modelstore.Folder, f *folder, sound *recording) error {
	e, err := newExtractor(f.Preprocessor, f.Network.AudioPart.MaxFrames)
	if err != nil {
		return modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	if total := sound.length(); !sound.reader.Format().Guessed && total > int64(e.longest) {
		rate := float64(f.Preprocessor.SamplingRate)
		return services.Invalidf("file", "lasts %.2f s; a conversation is about at most %.2f s of sound. Without a context longer sounds are described piece by piece",
			float64(total)/rate, float64(e.longest)/rate)
	}
	return nil
}

func (s *Service) modelName(task services.Task) string {
	return cmp.Or(task.Model, task.DefaultModel, s.cfg.DefaultModel)
}

// ModelFor implements services.ModelChooser: a conversation goes on with the model that
// it began with.
func (s *Service) ModelFor(task services.Task) string {
	params, err := parse(task)
	if err != nil || params.ContextID == "" || params.ContextID == newContext {
		return s.modelName(task)
	}
	s.contexts.mu.Lock()
	one := s.contexts.all[params.ContextID]
	s.contexts.mu.Unlock()
	if one == nil {
		return s.modelName(task) // the estimate looks for it in the store
	}
	return s.contexts.recordOf(one).Model
}

// ExecuteTask implements services.ModelService.
func (s *Service) ExecuteTask(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	return s.Recorded(func() (services.TaskResult, error) { return s.ask(ctx, task, sink) })
}

var (
	_ services.ModelService = (*Service)(nil)
	_ services.Canary       = (*Service)(nil)
	_ services.ModelHost    = (*Service)(nil)
	_ services.ModelChooser = (*Service)(nil)
	_ services.Contexts     = (*Service)(nil)
)
