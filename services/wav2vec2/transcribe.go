package wav2vec2

import (
	"cmp"
	"context"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// words runs a tasks.Transcribe.
func (w *work) words(ctx context.Context, m *model, sink services.Sink) (services.TaskResult, error) {
	result := services.TaskResult{Model: m.name}
	l, closeAudio, err := w.listen(m, true, sink)
	if err != nil {
		return result, err
	}
	defer closeAudio() //nolint:errcheck // only read
	decoding, scores := m.decoding(w.transcribe), m.scoring(w.transcribe)
	l.take = func(part window, logits []float32) error {
		own := l.own(part, logits, len(m.decoder.tokens))
		decoding.add(own)
		scores.add(own)
		if l.cut.silent() {
			return nil // whatever the model makes of it
		}
		if words := scores.part(complete(decoding, w.transcribe.Stream, part.last)); len(words) > 0 {
			sink.Partial(tasks.TranscriptDelta{Words: words})
		}
		return nil
	}
	err = l.run(ctx)
	result.Stages = l.clock.Times()
	if err != nil {
		return result, err
	}
	result.Warnings = append(l.warnings(), m.warnings(w.transcribe)...)
	text, words := decoding.answer()
	if l.cut.silent() {
		text, words = "", []tasks.Word{}
	}
	spoken, confidence := scores.whole(words)
	if !slices.EqualFunc(words, spoken, func(a, b tasks.Word) bool { return a.Text == b.Text }) {
		text = scores.decoder.text(spoken)
	}
	result.Warnings = append(result.Warnings, m.doubts(confidence)...)
	language := cmp.Or(w.transcribe.Language, m.folder.Language)
	result.Value = &tasks.Transcription{Text: text, Language: language, Words: spoken, DurationSeconds: l.seconds()}
	sink.Progress(1, "done")
	return result, nil
}

// complete returns the words to send before the end, or nil if streaming was not
// requested.
func complete(d decoding, stream, end bool) []tasks.Word {
	if !stream {
		return nil
	}
	return d.complete(end)
}

// wordTail finds complete words while token ids are still being added.
type wordTail struct {
	decoder *ctcDecoder
	from    int // the first frame that has not been returned
}

// complete returns the words since the last call that are followed by another one, or
// all remaining words at the end.
func (t *wordTail) complete(ids []int, end bool) []tasks.Word {
	spans := t.decoder.merge(ids[t.from:])
	for i := range spans {
		spans[i].start += t.from
		spans[i].end += t.from
	}
	count := len(spans)
	if !end {
		for count > 0 && spans[count-1].text != " " {
			count--
		}
		if count == 0 {
			return nil
		}
		t.from = spans[count-1].start
	} else {
		t.from = len(ids)
	}
	return t.decoder.words(spans[:count])
}
