package wav2vec2

import (
	"context"
	"fmt"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/audiofile"
)

// transcribe is TaskTranscribe.
func (s *Service) transcribe(ctx context.Context, task services.Task, sink services.Sink) (services.TaskResult, error) {
	params, err := parseParams(task.Params)
	if err != nil {
		return services.TaskResult{}, err
	}
	m, done, err := s.pool.Acquire(ctx, s.modelName(task))
	if err != nil {
		return services.TaskResult{}, err
	}
	defer done()
	reader, closer, err := s.openAudio(task.Audio, params.Window())
	if err != nil {
		return services.TaskResult{Model: m.name}, err
	}
	defer closer.Close()
	network := m.folder.Network
	length, stride := windowSamples(params.Window(), m.folder.Preprocessor.SamplingRate, int(network.hop()))
	cut, err := newWindows(reader, m.folder.Preprocessor.SamplingRate, length, stride)
	if err != nil {
		return services.TaskResult{Model: m.name}, err
	}
	t := transcription{model: m, cut: cut, sink: sink, params: params, format: reader.Format(), record: services.StageRecorder(ctx)}
	err = t.run(ctx)
	result := services.TaskResult{Model: m.name, Stages: t.stages()}
	if err != nil {
		return result, err
	}
	// Only at the end is the length of every format known.
	result.Value = t.answer(reader.Format().Duration())
	return result, nil
}

// transcription is one run of the service over all windows of a recording.
type transcription struct {
	model  *model
	cut    *windows
	sink   services.Sink
	params services.TranscribeParams
	format audiofile.Format
	record func(stage services.Stage, began, ended time.Time)

	decoding decoding
	heard    int // samples that are transcribed
	spent    map[services.Stage]time.Duration
}

// run goes through the windows.
func (t *transcription) run(ctx context.Context) error {
	t.spent = make(map[services.Stage]time.Duration)
	t.decoding = t.model.decoding(t.params)
	t.sink.Progress(0, "decoding")
	for {
		mark := time.Now()
		w, err := t.cut.next(ctx)
		t.book(services.StageInput, &mark)
		if err != nil {
			return fmt.Errorf("read audio: %w", err)
		}
		size := len(w.samples)
		logits, err := t.model.logits(ctx, w.samples)
		t.book(services.StageInfer, &mark)
		if err != nil {
			return err
		}
		t.take(w, logits)
		t.book(services.StageOutput, &mark)
		t.heard += size - w.left - w.right
		if w.last {
			t.partial(true)
			t.sink.Progress(1, "done")
			return nil
		}
		t.partial(false)
		t.sink.Progress(t.fraction(), "transcribing")
		if err := t.sink.Yield(ctx); err != nil {
			return err
		}
	}
}

// book adds the time since mark to a stage.
func (t *transcription) book(stage services.Stage, mark *time.Time) {
	now := time.Now()
	t.spent[stage] += now.Sub(*mark)
	t.record(stage, *mark, now)
	*mark = now
}

func (t *transcription) stages() (list []services.StageTime) {
	for _, stage := range services.Stages() {
		if spent, ok := t.spent[stage]; ok {
			list = append(list, services.StageTime{Stage: stage, Duration: spent})
		}
	}
	return list
}

// take hands a window's own frames to the decoding.
func (t *transcription) take(w window, logits []float32) {
	vocabulary := len(t.model.decoder.tokens)
	from, to := w.kept(len(logits)/vocabulary, int(t.model.folder.Network.hop()))
	t.decoding.add(logits[from*vocabulary : max(from, to)*vocabulary])
}

// fraction of the recording that is transcribed, below one while it goes on.
func (t *transcription) fraction() float64 {
	total := t.cut.resampler.OutputLen(t.format.Frames)
	if total <= 0 {
		return 0
	}
	return min(float64(t.heard)/float64(total), 0.99)
}

// partial hands over the words that are complete.
func (t *transcription) partial(end bool) {
	if !t.params.Stream {
		return
	}
	if words := t.decoding.complete(end); len(words) > 0 {
		t.sink.Partial(services.TranscriptDelta{Words: words})
	}
}

func (t *transcription) answer(length time.Duration) *services.Transcription {
	text, words := t.decoding.answer()
	return &services.Transcription{
		Text: text, Language: t.params.Language, Words: words, DurationSeconds: length.Seconds(),
	}
}

// wordTail finds the words that are complete while token ids still come.
type wordTail struct {
	decoder *ctcDecoder
	from    int // the first frame that is not told yet
}

// complete gives the words since the last call that another one follows, or, at
// the end, all that are left.
func (t *wordTail) complete(ids []int, end bool) []services.Word {
	spans := t.decoder.merge(ids[t.from:])
	for i := range spans {
		spans[i].start += t.from
		spans[i].end += t.from
	}
	told := len(spans)
	if !end {
		for told > 0 && spans[told-1].text != " " {
			told--
		}
		if told == 0 {
			return nil
		}
		t.from = spans[told-1].start
	} else {
		t.from = len(ids)
	}
	return t.decoder.words(spans[:told])
}
