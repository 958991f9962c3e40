package gama

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/onnx"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with decoded parameters and its model.
type work struct {
	service *Service
	params  tasks.AskParams
	audio   services.AudioSource
	caller  services.Caller
	// model is the task's model, or that of its conversation.
	model string
	// skipped is the number of the oldest exchanges of the request that are over the limit.
	skipped int
	// runs is the memory of a run, weights that of the model.
	runs, weights services.Bytes
	// text is an upper bound of the tokens of the texts, samples the length of a piece of
	// the recording at the model's rate, zero for one that was heard before.
	text    int
	samples int64
	// newTokens is the most that the answer may have.
	newTokens int
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(ctx context.Context, task services.Task) (services.Work, error) {
	return services.Prepared(s.prepare(ctx, task))
}

func (s *Service) prepare(ctx context.Context, task services.Task) (*work, error) {
	params, err := parse(task)
	if err != nil {
		return nil, err
	}
	w := &work{service: s, params: params, audio: task.Audio, caller: task.Caller, model: s.modelName(task)}
	if w.skipped = max(0, len(params.History)-maxHistory); w.skipped > 0 {
		params.History = params.History[w.skipped:]
		w.params = params
	}
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
	files, f, err := s.shelf.Find(w.model)
	if err != nil {
		return nil, err
	}
	channels, err := w.channels(files, f)
	if err != nil {
		return nil, err
	}
	// Each token has at least one byte, in addition to the beginning and end of a turn.
	text := texts + len(params.System) + len(params.Question) + (turns+1)*(len(f.Network.PromptTemplate)+4)
	text += max(0, len(f.Network.SystemTemplate)-len(placeSystem)) + len(f.Network.AudioBegin)
	w.text, w.newTokens = text, f.newTokens(params, 0)
	w.runs, w.weights = f.runBytes(text, params).Plus(services.Bytes(4*blockFrames*channels)), f.weights
	return w, s.Ready(files.Name, f.problem)
}

// goesOn reports whether the task continues an existing conversation.
func (w *work) goesOn() bool { return w.params.ContextID != "" && w.params.ContextID != newContext }

// channels returns the number of channels of the recording after checking its header.
// The recording of a conversation was checked when it was created.
func (w *work) channels(files modelstore.Folder, f facts) (int, error) {
	s := w.service
	if w.goesOn() {
		return s.cfg.Audio.MaxChannels, nil
	}
	sound, err := s.openAudio(w.audio, f.Preprocessor.SamplingRate, w.params.Reading)
	if err != nil {
		return 0, err
	}
	defer func() { _ = sound.Close() }() // it was only read
	if w.params.ContextID != "" {
		if err := s.oneWindow(files, f.folder, sound); err != nil {
			return 0, err
		}
	}
	longest := int64(f.Preprocessor.MaxLength) * int64(f.Preprocessor.SamplingRate) / framesPerSecond
	w.samples = min(sound.length(), longest)
	if sound.reader.Format().Guessed {
		w.samples = longest
	}
	return sound.reader.Format().Channels, nil
}

// runBytes predicts the memory of one answer: two sets of the cache at its full length
// and a third for a conversation's snapshot, the decoder's memory for the prompt, and
// the encoder's for one window.
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
	shape := decoding.Shape{Layers: t.Layers, Heads: t.KVHeads, Dim: t.HeadDim, Kind: onnx.Float32}
	cache := limits.Product(sets, int64(shape.Bytes(positions)))
	reading := limits.Sum(
		limits.Product(float, prompt, 8*t.HiddenSize+3*t.Intermediate+2*t.VocabSize),
		limits.Product(2*float, t.Heads, prompt, prompt))
	frames := int64(f.Preprocessor.MaxLength)
	const encoderWidth, encoderHeads = 768, 12 // as in AST; smaller ones need less
	encoding := float * (frames*int64(f.Preprocessor.MelBins)*4 + frames*encoderWidth*8 + encoderHeads*frames*frames/2)
	return services.Bytes(limits.Sum(cache, max(reading, encoding)))
}

// oneWindow returns a fault for a recording that is too long for a conversation.
func (s *Service) oneWindow(files modelstore.Folder, f *folder, sound *recording) error {
	e, err := newExtractor(f.Preprocessor, f.Network.AudioPart.MaxFrames)
	if err != nil {
		return modelstore.Unusable(files.Name, s.cfg.DefaultModel, err)
	}
	if total := sound.length(); !sound.reader.Format().Guessed && total > int64(e.longest) {
		rate := float64(f.Preprocessor.SamplingRate)
		return services.Invalidf("file", "lasts %.2f s; a conversation is about at most %.2f s of sound. "+
			"Without a context longer sounds are described piece by piece", float64(total)/rate, float64(e.longest)/rate)
	}
	return nil
}

// Model implements services.Work.
func (w *work) Model() string { return w.model }

// Bytes implements services.Work.
func (w *work) Bytes(context.Context) (services.Bytes, error) {
	return w.service.Need(w.model, w.runs, w.weights), nil
}

// framesPerSecond of the encoder's features, as in AST.
const framesPerSecond = 100

// Plan implements services.Planned.
func (w *work) Plan() services.Plan {
	conversation := 0.0
	if w.params.ContextID != "" {
		conversation = 1
	}
	return services.Plan{Runs: w.runs, Sizes: []services.Size{
		{Name: "text", Value: float64(w.text)}, {Name: "new_tokens", Value: float64(w.newTokens)},
		{Name: "samples", Value: float64(w.samples)}, {Name: "conversation", Value: conversation},
	}}
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.service.Recorded(func() (services.TaskResult, error) { return w.ask(ctx, sink) })
}
