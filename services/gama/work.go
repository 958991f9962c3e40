package gama

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with its parameters read and its model found.
type work struct {
	service *Service
	params  tasks.AskParams
	audio   services.AudioSource
	caller  services.Caller
	// model is the one that a conversation began with, where the task goes on with one.
	model string
	// runs is the memory beside the model, weights that of the model.
	runs, weights services.Bytes
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	w, err := s.prepare(ctx, task)
	if err != nil {
		return nil, err // not a nil *work in an interface
	}
	return w, nil
}

func (s *Service) prepare(ctx context.Context, task services.Task) (*work, error) {
	params, err := parse(task)
	if err != nil {
		return nil, err
	}
	w := &work{service: s, params: params, audio: task.Audio, caller: task.Caller, model: s.modelName(task)}
	turns, texts := len(params.History), 0
	for _, h := range params.History {
		texts += len(h.Question) + len(h.Answer)
	}
	if w.goesOn() {
		one, err := s.contexts.find(ctx, task.Caller, params.ContextID)
		if err != nil {
			return nil, err
		}
		record := s.contexts.recordOf(one)
		if task.Model != "" && task.Model != record.Model {
			return nil, services.Invalidf("model", "must be %q or left out: the conversation is with that model", record.Model)
		}
		w.model, turns = record.Model, len(record.Turns)
		for _, t := range record.Turns {
			texts += len(t.Question) + max(len(t.Answer), len(t.Tokens))
		}
	}
	files, f, err := s.find(w.model)
	if err != nil {
		return nil, err
	}
	channels, err := w.channels(files, f)
	if err != nil {
		return nil, err
	}
	// A token is a byte at the least, beside what begins and ends a turn.
	text := texts + len(params.Question) + (turns+1)*(len(f.Network.PromptTemplate)+4)
	w.runs, w.weights = f.runBytes(text, params).Plus(services.Bytes(4*blockFrames*channels)), f.weights
	if _, loaded := s.pool.Loaded(files.Name); !loaded && f.problem != nil {
		return nil, modelstore.Unusable(files.Name, s.cfg.DefaultModel, f.problem)
	}
	return w, nil
}

// goesOn reports whether the task is a question in a conversation that has begun.
func (w *work) goesOn() bool { return w.params.ContextID != "" && w.params.ContextID != newContext }

// channels returns those of the recording, whose header it checks. The recording of a
// conversation was checked when that began.
func (w *work) channels(files modelstore.Folder, f facts) (int, error) {
	s := w.service
	if w.goesOn() {
		return s.cfg.Audio.MaxChannels, nil
	}
	sound, err := s.openAudio(w.audio, f.Preprocessor.SamplingRate)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sound.Close() }() // it was only read
	if w.params.ContextID != "" {
		if err := s.oneWindow(files, f.folder, sound); err != nil {
			return 0, err
		}
	}
	return sound.reader.Format().Channels, nil
}

// runBytes predicts the memory of one answer: the cache at its full length in two
// sets, and a third for what a conversation keeps; what the decoder holds while it
// reads the prompt; and the encoder over one window.
func (f *folder) runBytes(textBytes int, p tasks.AskParams) services.Bytes {
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

// Model implements services.Work.
func (w *work) Model() string { return w.model }

// Bytes implements services.Work. A load peaks at the weights and a copy of part of
// them.
func (w *work) Bytes(context.Context) (services.Bytes, error) {
	if _, loaded := w.service.pool.Loaded(w.model); loaded {
		return w.runs, nil
	}
	return w.runs.Plus(w.weights, w.weights/2), nil
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.service.Recorded(func() (services.TaskResult, error) { return w.ask(ctx, sink) })
}
