package whisper

import (
	"context"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// work is a task with decoded parameters and its model.
type work struct {
	service *Service
	params  tasks.TranscribeParams
	beams   beams
	model   string
	audio   services.AudioSource
	// runs is the memory of a run, weights that of the model.
	runs, weights services.Bytes
}

// Prepare implements services.ModelService.
func (s *Service) Prepare(_ context.Context, task services.Task) (services.Work, error) {
	if task.Name != tasks.Transcribe && task.Name != tasks.Translate {
		return nil, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s, %s",
			Name, task.Name, tasks.Transcribe, tasks.Translate)
	}
	w := &work{service: s, audio: task.Audio}
	var err error
	if w.params, err = parse(task); err != nil {
		return nil, err
	}
	files, f, err := s.shelf.Find(s.ModelFor(task))
	if err != nil {
		return nil, err
	}
	w.beams = beamsOf(w.params)
	w.model, w.weights, w.runs = files.Name, f.weights, f.runBytes(w.beams.rows())
	opened, err := s.openAudio(task.Audio, f.Preprocessor.SamplingRate, w.params.Reading)
	if err != nil {
		return nil, err
	}
	channels := opened.reader.Format().Channels
	_ = opened.Close() // it was only read
	w.runs = w.runs.Plus(services.Bytes(4 * (3*f.frames()*f.Preprocessor.HopLength + 2*blockFrames*channels)))
	if err := s.Ready(files.Name, f.problem); err != nil {
		return nil, err
	}
	if w.params.Translate && !f.translates() {
		if task.Name == tasks.Translate {
			return nil, services.Invalidf("model", "%s cannot translate: %s", files.Name, f.monolingual())
		}
		return nil, services.Invalidf("translate", "must be false: %s cannot translate, %s", files.Name, f.monolingual())
	}
	return w, w.checkLanguage(files.Name, f)
}

// parse returns the checked parameters of a task.
func parse(task services.Task) (params tasks.TranscribeParams, err error) {
	if task.Name == tasks.Translate {
		var translate tasks.TranslateParams
		err = tasks.DecodeParams(task.Params, &translate)
		params = translate.Transcribe()
	} else {
		err = tasks.DecodeParams(task.Params, &params)
	}
	if err != nil {
		return params, err
	}
	if err := tasks.CheckTranscribe(params); err != nil {
		return params, err
	}
	if params.BeamWidth > mostWidth {
		return params, services.Invalidf("beam_width", "must be at most %d for a Whisper model, got %d", mostWidth, params.BeamWidth)
	}
	return params, nil
}

// checkLanguage refuses a language that the model does not have.
func (w *work) checkLanguage(name string, f facts) error {
	known := f.known()
	code := w.language()
	if code == "" || len(known) == 0 && code == "en" {
		return nil
	}
	if _, ok := known["<|"+code+"|>"]; ok {
		return nil
	}
	codes := []string{"en"}
	if len(known) > 0 {
		codes = codes[:0]
		for token := range known {
			codes = append(codes, strings.Trim(token, "<|>"))
		}
		slices.Sort(codes)
	}
	return services.Invalidf("language", "%q is not known to %s; it knows %s", code, name, strings.Join(codes, ", "))
}

// language returns the language of the task, as the models name it.
func (w *work) language() string {
	code, _, _ := strings.Cut(strings.ToLower(w.params.Language), "-")
	return code
}

// Model implements services.Work.
func (w *work) Model() string { return w.model }

// Bytes implements services.Work.
func (w *work) Bytes(context.Context) (services.Bytes, error) {
	return w.service.Need(w.model, w.runs, w.weights), nil
}

// Plan implements services.Planned. Every window has the same size, and as many texts are
// written side by side.
func (w *work) Plan() services.Plan {
	return services.Plan{Runs: w.runs, Sizes: []services.Size{{Name: "texts", Value: float64(w.beams.rows())}}}
}

// Run implements services.Work.
func (w *work) Run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	return w.service.Recorded(func() (services.TaskResult, error) { return w.run(ctx, sink) })
}

func (w *work) run(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	m, done, err := w.service.pool.Acquire(ctx, w.model)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer done()
	result := services.TaskResult{Model: m.name}
	sound, err := w.service.openAudio(w.audio, m.folder.Preprocessor.SamplingRate, w.params.Reading)
	if err != nil {
		return result, err
	}
	defer sound.Close() //nolint:errcheck // it was only read
	t := newTranscriber(w, m, sound, sink, services.NewStageClock(ctx))
	err = t.run(ctx)
	result.Stages = t.clock.Times()
	if err != nil {
		return result, err
	}
	result.Warnings = append(sound.reader.Warnings(), w.ignored(m)...)
	result.Value = t.result()
	sink.Progress(1, "done")
	return result, nil
}

// ignored returns warnings about parameters that have no effect, and about the times of words
// if these are asked for and the model has no better.
func (w *work) ignored(m *model) (list []services.Warning) {
	warn := func(set bool, field, why string) {
		if set {
			message := field + " has no effect: " + why
			list = append(list, services.Warning{Code: services.WarnValueIgnored, Field: field, Message: message})
		}
	}
	p := w.params
	warn(p.WindowSeconds != nil, "window_seconds", "a Whisper model writes text in windows of one length")
	const greedy = "the most probable token is taken; decoding beam searches"
	searches := w.beams.width > 1
	warn(!searches && p.Decoding == tasks.DecodingGreedy && p.BeamWidth > 1, "beam_width", greedy)
	warn(!searches && p.Patience > 0, "patience", greedy)
	warn(!searches && p.LengthPenalty != nil, "length_penalty", greedy)
	if slices.Contains(p.TimestampGranularities, tasks.GranularityWord) && !m.canAlign() {
		list = append(list, services.Warning{
			Code: services.WarnEstimatedTimes, Field: "timestamp_granularities",
			Message: "the times of words divide those of their segments: " + m.name + " does not export the attention to the sound",
		})
	}
	return list
}
