package gama

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// asking is one running task.
type asking struct {
	service  *Service
	model    *model
	params   tasks.AskParams
	sampling decoding.Sampling
	sink     services.Sink
	answer   tasks.Answer
	warnings []services.Warning
	// skipped is the number of turns that were dropped before the prompt was made.
	skipped int
	// from and span are the start and length of the current piece as fractions of the
	// recording.
	from, span float64
	// context is the conversation, part the current piece of a long recording.
	context string
	part    *tasks.AnswerSpan
	clock   *services.StageClock
}

// ask runs a tasks.Ask or tasks.Caption.
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
	a.skipped = w.skipped
	if conversation != nil {
		err = a.converse(ctx, conversation, w.audio)
	} else {
		err = a.listen(ctx, w.audio)
	}
	result := services.TaskResult{Model: m.name, Stages: a.clock.Times()}
	if err != nil {
		if conversation != nil && w.params.ContextID == newContext {
			// A conversation without an answer is of no use, also if the question was
			// interrupted.
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
		service: s, model: m, params: params, sampling: m.folder.sampling(params), sink: sink, clock: services.NewStageClock(ctx),
	}
	a.answer.Seed = a.sampling.Seed
	a.warnIgnored()
	return a
}

// listen answers about a recording, piece by piece where it is longer than the
// model's window.
func (a *asking) listen(ctx context.Context, source services.AudioSource) error {
	rate := a.model.folder.Preprocessor.SamplingRate
	sound, err := a.service.openAudio(source, rate, a.params.Reading)
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
		a.clock.Book(services.StageInput)
		if err != nil {
			return fmt.Errorf("read audio: %w", err)
		}
		if at > 0 && a.model.extractor.frames(len(samples)) == 0 {
			break // less than a frame remains
		}
		begin := at
		at += len(samples)
		done := services.Occupy(ctx, a.model.buffers(len(samples)))
		total := float64(max(1, sound.length(), int64(at)))
		a.from, a.span = float64(begin)/total, float64(len(samples))/total
		err = a.piece(ctx, samples, turns, float64(begin)/float64(rate), float64(at)/float64(rate), begin == 0 && last)
		done()
		if err != nil {
			return err
		}
		if last {
			break
		}
		if err := services.Yield(ctx); err != nil {
			return err
		}
	}
	// The length of some formats is only known at the end.
	a.answer.DurationSeconds = sound.reader.Format().Duration().Seconds()
	return nil
}

// window returns the number of samples of a piece. If the length is known, the pieces
// have equal lengths, so that no short piece is left at the end.
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

// piece answers about one piece of a recording; whole reports whether it is the whole
// recording.
func (a *asking) piece(ctx context.Context, samples []float32, turns []turn, begin, end float64, whole bool) error {
	sound, err := a.model.encode(ctx, samples)
	a.clock.Book(services.StageInfer)
	if err != nil {
		return err
	}
	lead := ""
	if !whole {
		a.part = &tasks.AnswerSpan{Start: begin, End: end}
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

// progress reports the completed part of the current piece. It never decreases, and is
// called for every token.
func (a *asking) progress(part float64) {
	a.sink.Progress(min(0.99, a.from+a.span*part), "answering")
}

func (a *asking) partial(text string) {
	if a.params.Stream && text != "" {
		a.sink.Partial(tasks.AnswerDelta{Text: text, ContextID: a.context, Piece: a.part})
	}
}

// response is the result of one run of the decoder.
type response struct {
	text, finish string
	tokens       []int
	// cut reports whether a stop text ended the answer, so that some tokens lie beyond
	// the text.
	cut   bool
	saved *decoding.Snapshot
}

// respond runs the decoder on sound, turns and the question until the answer ends. keep
// requests a snapshot of the cache.
func (a *asking) respond(ctx context.Context, sound *encoded, from *decoding.Snapshot, turns []turn, keep bool) (response, error) {
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
	d.gauge = services.GaugeOf(ctx)
	usage := &a.answer.Usage
	usage.PromptTokens += len(s.keys)
	usage.AudioTokens += int(sound.n)
	usage.CachedTokens += int(d.cache.Len())
	a.progress(0)
	if err := services.Yield(ctx); err != nil { // between the encoder and the prefill
		return response{}, err
	}
	logits, err := d.prefill(ctx, s)
	if err != nil {
		return response{}, err
	}
	r, err := a.generate(ctx, d, decoding.NewSampler(a.sampling, s.keys), logits, most)
	usage.CompletionTokens += len(r.tokens)
	switch {
	case r.cut:
		r.tokens = nil
	case r.finish == tasks.FinishStop && len(r.tokens) > 0:
		r.tokens = r.tokens[:len(r.tokens)-1] // the end token is not part of the answer
	}
	a.clock.Book(services.StageInfer)
	if err == nil && keep {
		r.saved, _ = d.cache.Snapshot() // without memory for it, the follow-up question recomputes it
		defer services.Occupy(ctx, r.saved.Size())()
	}
	return r, err
}

// generate is the loop over tokens.
func (a *asking) generate(ctx context.Context, d *decoderRun, choose *decoding.Sampler, logits []float32, most int) (response, error) {
	out := &output{text: a.model.folder.Text, stop: slices.Concat(a.params.Stop, a.model.folder.Generation.StopStrings)}
	r := response{finish: tasks.FinishLength}
	err := decoding.Loop{
		Most: most, Choose: choose.Choose,
		Take: func(id int) bool {
			r.tokens = append(r.tokens, id)
			if slices.Contains(a.sampling.EOS, id) {
				r.finish = tasks.FinishStop
				return false
			}
			var piece string
			piece, r.cut = out.add(id)
			a.partial(piece)
			return !r.cut
		},
		Step: func(ctx context.Context, id int) ([]float32, error) {
			a.progress(float64(len(r.tokens)) / float64(most))
			return d.step(ctx, id)
		},
	}.Run(ctx, logits)
	switch {
	case err != nil:
		return r, err
	case r.cut:
		// Tokens beyond the stop text are not part of the answer.
		r.text, r.finish = strings.TrimRight(out.String(), " \n"), tasks.FinishStop
		return r, nil
	}
	a.partial(out.end())
	r.text = out.String()
	return r, nil
}
