package whisper

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// transcriber writes the text of one recording.
type transcriber struct {
	model    *model
	params   tasks.TranscribeParams
	language string
	sound    *recording
	sink     services.Sink
	clock    *services.StageClock
	decoder  *decoder
	part     *decoderRun
	// first are the tokens before the first window's text.
	first []int

	words []tasks.Word
	cuts  []tasks.Cut
	// spoken is the end of the last segment's speech in seconds.
	spoken float64
}

func newTranscriber(w *work, m *model, sound *recording, sink services.Sink, clock *services.StageClock) *transcriber {
	t := &transcriber{model: m, params: w.params, language: w.language(), sound: sound, sink: sink, clock: clock}
	latest := m.folder.Generation.LatestFirst
	t.decoder = &decoder{
		model: m, temperature: w.params.Temperature, beams: w.beams,
		// The seed is fixed, so that a repetition has the same result.
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // nothing secret
		rules: rules{
			special: m.folder.Special, suppress: m.folder.Generation.Suppress, begin: m.folder.Generation.BeginSuppress,
			latestFirst: 50, timestamps: true,
		},
		written: func() { sink.Progress(sound.fraction(), "transcribing") },
	}
	if latest != nil {
		t.decoder.rules.latestFirst = int(*latest)
	}
	t.first = t.previous()
	return t
}

// previous returns the tokens of the prompt and the keywords, as text that came before the
// recording; at most half of the positions.
func (t *transcriber) previous() []int {
	text := strings.TrimSpace(strings.Join(append([]string{t.params.Prompt}, t.params.Keywords...), " "))
	if text == "" || t.model.folder.Special.previous < 0 {
		return nil
	}
	ids := t.model.text.Encode(" " + text)
	most := int(t.model.folder.Network.TargetPosition)/2 - 1
	return append([]int{t.model.folder.Special.previous}, ids[max(0, len(ids)-most):]...)
}

// run transcribes window after window.
func (t *transcriber) run(ctx context.Context) error {
	var err error
	if t.part, err = t.model.newRun(t.decoder.beams.rows()); err != nil {
		return err
	}
	defer t.part.Close()
	f := t.model.folder
	length := f.frames() * f.Preprocessor.HopLength
	t.sink.Progress(0, "decoding")
	for {
		t.clock.Skip() // others may have run
		samples, err := t.sound.window(ctx, length)
		t.clock.Book(services.StageInput)
		if err != nil {
			return err
		}
		if t.sound.done() || t.sound.isSilent() && t.sound.ended {
			return nil
		}
		used, err := t.window(ctx, samples)
		t.clock.Book(services.StageInfer)
		if err != nil {
			return err
		}
		t.first = nil
		t.sound.pass(used)
		if t.sound.done() {
			return nil
		}
		t.sink.Progress(t.sound.fraction(), "transcribing")
		if err := services.Yield(ctx); err != nil {
			return err
		}
	}
}

// window transcribes one window, and returns the number of samples that it has covered.
func (t *transcriber) window(ctx context.Context, samples []float32) (used int, err error) {
	f := t.model.folder
	stepSamples := 2 * f.Preprocessor.HopLength
	hidden, err := t.model.encode(ctx, t.model.extractor.features(samples, f.frames()))
	if err != nil {
		return 0, err
	}
	if err := t.part.hear(hidden); err != nil {
		return 0, err
	}
	part := t.part
	if t.language == "" && len(f.Special.languages) > 0 {
		if t.language, _, err = t.decoder.language(ctx, part); err != nil {
			return 0, err
		}
	}
	a, err := t.decoder.window(ctx, part, t.prompt())
	if err != nil {
		return 0, err
	}
	if a.isSilence() {
		return len(samples), nil
	}
	steps := (len(samples) + stepSamples - 1) / stepSamples
	pieces, next := split(a, f.Special, steps)
	if err := t.add(ctx, pieces, a, len(samples)/stepSamples); err != nil {
		return 0, err
	}
	if next >= steps || next <= 0 {
		return len(samples), nil
	}
	return next * stepSamples, nil
}

// prompt returns the tokens before the text of a window.
func (t *transcriber) prompt() []int { return slices.Concat(t.first, t.task()) }

// task returns the tokens that stand for the language and the task.
func (t *transcriber) task() []int {
	s := t.model.folder.Special
	switch {
	case len(s.languages) == 0:
		return []int{s.start}
	case t.params.Translate:
		return []int{s.start, s.languages[t.language], s.translate}
	}
	return []int{s.start, s.languages[t.language], s.transcribe}
}

// add adds the segments of a window.
func (t *transcriber) add(ctx context.Context, pieces []piece, a answer, steps int) error {
	f := t.model.folder
	offset := float64(t.sound.passed) / float64(f.Preprocessor.SamplingRate)
	step := f.secondsPerToken()
	var fresh []tasks.Word
	words, err := t.wordsOf(ctx, pieces, a, offset, steps)
	if err != nil {
		return err
	}
	for i, p := range pieces {
		text := strings.TrimSpace(t.model.text.Decode(p.ids()))
		if text == "" {
			continue
		}
		t.cuts = append(t.cuts, tasks.Cut{
			Start: round(offset + float64(p.start)*step), End: round(offset + float64(p.end)*step), Text: text, Temperature: round(a.temperature),
		})
		fresh = append(fresh, words[i]...)
	}
	t.words = append(t.words, fresh...)
	if t.params.Stream && len(fresh) > 0 {
		t.sink.Partial(tasks.TranscriptDelta{Words: fresh})
	}
	return nil
}

// wordsOf returns the words of each piece, with times by the attention to the sound where the
// folder exports it.
func (t *transcriber) wordsOf(ctx context.Context, pieces []piece, a answer, offset float64, steps int) ([][]tasks.Word, error) {
	if t.model.canAlign() {
		var text []int
		for _, p := range pieces {
			text = append(text, p.ids()...)
		}
		times, err := t.times(ctx, t.task(), text, steps)
		if err != nil {
			return nil, err
		}
		if times != nil {
			return t.alignedWords(pieces, times, a, offset), nil
		}
	}
	words := make([][]tasks.Word, len(pieces))
	for i, p := range pieces {
		words[i] = t.model.words(p, a, offset)
	}
	return words, nil
}

// result returns the transcription.
func (t *transcriber) result() *tasks.Transcription {
	texts := make([]string, len(t.cuts))
	for i, c := range t.cuts {
		texts[i] = c.Text
	}
	language := t.language
	if language == "" && len(t.model.folder.Special.languages) == 0 {
		language = "en"
	}
	words := t.words
	if words == nil {
		words = []tasks.Word{}
	}
	return &tasks.Transcription{
		Text: strings.Join(texts, " "), Language: language, Words: words, Cuts: t.cuts, Translated: t.params.Translate,
		DurationSeconds: t.sound.reader.Format().Duration().Seconds(),
	}
}
