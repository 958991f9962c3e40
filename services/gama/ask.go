package gama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// asking is one task at work.
type asking struct {
	service  *Service
	model    *model
	params   tasks.AskParams
	sampling sampling
	sink     services.Sink
	answer   tasks.Answer
	warnings []services.Warning
	// from and span are the part of the whole that the piece at work is.
	from, span float64
	spent      map[services.Stage]time.Duration
	mark       time.Time
	record     func(stage services.Stage, began, ended time.Time)
}

// ask runs TaskAsk and TaskCaption.
func (w *work) ask(ctx context.Context, sink services.Sink) (services.TaskResult, error) {
	s := w.service
	conversation, release, err := s.contexts.enter(ctx, w)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer release()
	m, done, err := s.pool.Acquire(ctx, w.model)
	if err != nil {
		return services.TaskResult{}, err
	}
	defer done()
	a := s.newAsking(ctx, m, w.params, sink)
	if conversation != nil {
		err = a.converse(ctx, conversation, w.audio)
	} else {
		err = a.listen(ctx, w.audio)
	}
	result := services.TaskResult{Model: m.name, Stages: a.stages()}
	if err != nil {
		if conversation != nil && w.params.ContextID == newContext {
			// Nobody knows its id. It goes also where the question was broken off.
			err = errors.Join(err, s.contexts.remove(context.WithoutCancel(ctx), conversation.id))
		}
		return result, err
	}
	sink.Progress(1, "done")
	result.Value, result.Warnings = &a.answer, a.warnings
	return result, nil
}

func (s *Service) newAsking(ctx context.Context, m *model, params tasks.AskParams, sink services.Sink) *asking {
	a := &asking{
		service: s, model: m, params: params, sampling: m.folder.sampling(params), sink: sink,
		spent: make(map[services.Stage]time.Duration), mark: time.Now(), record: services.StageRecorder(ctx),
	}
	a.answer.Seed = a.sampling.seed
	a.warnIgnored()
	return a
}

// book adds the time since the last call to a stage.
func (a *asking) book(stage services.Stage) {
	now := time.Now()
	a.spent[stage] += now.Sub(a.mark)
	a.record(stage, a.mark, now)
	a.mark = now
}

func (a *asking) stages() (list []services.StageTime) {
	for _, stage := range services.Stages() {
		if spent, ok := a.spent[stage]; ok {
			list = append(list, services.StageTime{Stage: stage, Duration: spent})
		}
	}
	return list
}

// listen answers about a recording, piece by piece where it is longer than the
// model's window.
func (a *asking) listen(ctx context.Context, source services.AudioSource) error {
	rate := a.model.folder.Preprocessor.SamplingRate
	sound, err := a.service.openAudio(source, rate)
	if err != nil {
		return err
	}
	defer func() { _ = sound.Close() }() // it was only read
	defer func() { a.warn(sound.reader.Warnings()...) }()
	turns := make([]turn, 0, len(a.params.History))
	for _, h := range a.params.History {
		turns = append(turns, turn{Exchange: h})
	}
	window := a.window(sound)
	at := 0
	for {
		samples, last, err := sound.next(ctx, window)
		a.book(services.StageInput)
		if err != nil {
			return fmt.Errorf("read audio: %w", err)
		}
		if at > 0 && a.model.extractor.bank.Frames(len(samples)) == 0 {
			break // less than a frame is left
		}
		begin := at
		at += len(samples)
		total := float64(max(1, sound.length(), int64(at)))
		a.from, a.span = float64(begin)/total, float64(len(samples))/total
		if err := a.piece(ctx, samples, turns, float64(begin)/float64(rate), float64(at)/float64(rate), begin == 0 && last); err != nil {
			return err
		}
		if last {
			break
		}
		if err := services.Yield(ctx); err != nil {
			return err
		}
	}
	// Only at the end is the length of every format known.
	a.answer.DurationSeconds = sound.reader.Format().Duration().Seconds()
	return nil
}

// window gives the samples of a piece. Where the length is known, the pieces are
// equally long, so that no scrap is left at the end.
func (a *asking) window(sound *recording) int {
	rate := float64(a.model.folder.Preprocessor.SamplingRate)
	window := a.model.extractor.longest
	if w := a.params.WindowSeconds; w != nil {
		window = min(window, int(*w*rate))
	}
	if total := sound.length(); !sound.reader.Format().Guessed && total > int64(window) {
		pieces := (total + int64(window) - 1) / int64(window)
		window = int((total + pieces - 1) / pieces)
	}
	return window
}

// piece answers about one piece of a recording; whole tells that it is all of it.
func (a *asking) piece(ctx context.Context, samples []float32, turns []turn, begin, end float64, whole bool) error {
	sound, err := a.model.encode(ctx, samples)
	a.book(services.StageInfer)
	if err != nil {
		return err
	}
	lead := ""
	if !whole {
		lead = fmt.Sprintf("%.1f-%.1f s: ", begin, end)
		if begin > 0 {
			lead = "\n" + lead
		}
		a.partial(lead)
	}
	r, err := a.respond(ctx, sound, nil, turns, false)
	if err != nil {
		return err
	}
	a.answer.Text += lead + r.text
	if a.answer.FinishReason != tasks.FinishLength {
		a.answer.FinishReason = r.finish
	}
	if !whole {
		a.answer.Pieces = append(a.answer.Pieces, tasks.AnswerPiece{Start: begin, End: end, Text: r.text})
	}
	return nil
}

// progress tells how much of the piece at work is done; it never goes back, and is a
// sign of life with every token.
func (a *asking) progress(part float64) {
	a.sink.Progress(min(0.99, a.from+a.span*part), "answering")
}

func (a *asking) partial(text string) {
	if a.params.Stream && text != "" {
		a.sink.Partial(tasks.AnswerDelta{Text: text})
	}
}

// response is what one run of the decoder gave.
type response struct {
	text, finish string
	tokens       []int
	// cut tells that a stop text ended it, so that tokens go beyond the text.
	cut  bool
	kept *snapshot
}

// respond runs the decoder over sound, turns and the question until the answer ends.
// keep asks for a snapshot of the cache after it.
func (a *asking) respond(ctx context.Context, sound *heard, from *snapshot, turns []turn, keep bool) (response, error) {
	s, err := a.model.fit(sound, turns, a.params)
	if err != nil {
		return response{}, err
	}
	a.warnDropped(s.dropped, len(turns))
	most := a.model.folder.newTokens(a.params, len(s.keys))
	d, err := a.model.newDecoding(from, s, int64(len(s.keys)+most))
	if err != nil {
		return response{}, err
	}
	defer d.Close()
	usage := &a.answer.Usage
	usage.PromptTokens += len(s.keys)
	usage.AudioTokens += int(sound.n)
	usage.CachedTokens += int(d.cache.n)
	a.progress(0)
	logits, err := d.prefill(ctx, s)
	if err != nil {
		return response{}, err
	}
	r, err := a.generate(ctx, d, newSampler(a.sampling, s.keys), logits, most)
	usage.CompletionTokens += len(r.tokens)
	switch {
	case r.cut:
		r.tokens = nil
	case r.finish == tasks.FinishStop && len(r.tokens) > 0:
		r.tokens = r.tokens[:len(r.tokens)-1] // what ends an answer is no part of it
	}
	a.book(services.StageInfer)
	if err == nil && keep {
		r.kept, _ = d.cache.snapshot() // where there is no memory for it, the follow-up computes it again
	}
	return r, err
}

// generate is the loop over tokens.
func (a *asking) generate(ctx context.Context, d *decoding, choose *sampler, logits []float32, most int) (response, error) {
	out := &output{text: a.model.folder.Text, stop: slices.Concat(a.params.Stop, a.model.folder.Generation.StopStrings)}
	r := response{finish: tasks.FinishLength}
	for {
		id := choose.choose(logits)
		r.tokens = append(r.tokens, id)
		if slices.Contains(a.sampling.eos, id) {
			r.finish = tasks.FinishStop
			break
		}
		piece, stopped := out.add(id)
		a.partial(piece)
		if stopped {
			// What the model made beyond the stop text is no part of the answer.
			return response{text: strings.TrimRight(out.String(), " \n"), finish: tasks.FinishStop, tokens: r.tokens, cut: true}, nil
		}
		if len(r.tokens) == most {
			break
		}
		a.progress(float64(len(r.tokens)) / float64(most))
		if err := services.Yield(ctx); err != nil {
			return r, err
		}
		var err error
		if logits, err = d.step(ctx, id); err != nil {
			return r, err
		}
	}
	a.partial(out.end())
	r.text = out.String()
	return r, nil
}
