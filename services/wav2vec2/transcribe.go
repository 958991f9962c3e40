package wav2vec2

import (
	"context"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// words runs TaskTranscribe.
func (w *work) words(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	l, closeAudio, err := w.listen(m, true, sink)
	if err != nil {
		return result, err
	}
	defer closeAudio() //nolint:errcheck // only read
	decoding := m.decoding(w.transcribe)
	l.take = func(part window, logits []float32) error {
		decoding.add(l.own(part, logits, len(m.decoder.tokens)))
		if words := complete(decoding, w.transcribe.Stream, part.last); len(words) > 0 {
			sink.Partial(tasks.TranscriptDelta{Words: words})
		}
		return nil
	}
	err = l.run(ctx)
	result.Stages = l.stages()
	if err != nil {
		return result, err
	}
	result.Warnings = append(l.warnings(), m.warnings(w.transcribe)...)
	text, words := decoding.answer()
	result.Value = &tasks.Transcription{Text: text, Language: w.transcribe.Language, Words: words, DurationSeconds: l.seconds()}
	return result, nil
}

// complete gives the words to tell before the end, none where nobody listens.
func complete(d decoding, stream, end bool) []tasks.Word {
	if !stream {
		return nil
	}
	return d.complete(end)
}

// wordTail finds the words that are complete while token ids still come.
type wordTail struct {
	decoder *ctcDecoder
	from    int // the first frame that is not told yet
}

// complete gives the words since the last call that another one follows, or, at
// the end, all that are left.
func (t *wordTail) complete(ids []int, end bool) []tasks.Word {
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
