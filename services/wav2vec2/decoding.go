package wav2vec2

import (
	"strings"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// decoding turns the frames of a recording into words, window by window.
type decoding interface {
	// add takes the logits of further frames, of shape [frames, vocabulary].
	add(logits []float32)
	// complete gives the words that nothing can change any more and that were not
	// given before; at the end, all that are left.
	complete(end bool) []tasks.Word
	// answer gives everything, once all frames are in.
	answer() (string, []tasks.Word)
}

// greedyDecoding takes the best token of each frame. The tokens of all windows are
// collapsed together, so that a letter on a seam is neither lost nor doubled.
type greedyDecoding struct {
	ids  []int
	tail wordTail
}

func (g *greedyDecoding) add(logits []float32) {
	g.ids = append(g.ids, g.tail.decoder.best(logits)...)
}

func (g *greedyDecoding) complete(end bool) []tasks.Word { return g.tail.complete(g.ids, end) }

func (g *greedyDecoding) answer() (string, []tasks.Word) { return g.tail.decoder.decodeIDs(g.ids) }

// beamDecoding searches for the most likely words.
type beamDecoding struct {
	search *beamSearch
	ended  bool
	best   *word
}

func (b *beamDecoding) add(logits []float32) { b.search.add(logits) }

// end settles which words were said.
func (b *beamDecoding) end() {
	if !b.ended {
		b.ended = true
		b.best = b.search.finish()[0].said
	}
}

func (b *beamDecoding) complete(end bool) []tasks.Word {
	var last *word
	if end {
		b.end()
		last = b.best
	} else {
		last = b.search.agreed()
	}
	words := b.search.words(last, b.search.told)
	if len(words) > 0 {
		b.search.told = last
	}
	return words
}

func (b *beamDecoding) answer() (string, []tasks.Word) {
	b.end()
	words := b.search.words(b.best, nil)
	var text strings.Builder
	for i, w := range words {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(w.Text)
	}
	return b.search.decoder.finish(text.String()), words
}

var _, _ decoding = (*greedyDecoding)(nil), (*beamDecoding)(nil)

// decoding makes what the parameters ask for: a beam search where a word list
// stands beside the model or a prompt names words, unless the caller chose.
func (m *model) decoding(params tasks.TranscribeParams) decoding {
	if m.searches(params) {
		return &beamDecoding{search: newBeamSearch(&m.decoder, params.BeamWidth, m.words, hotWords(params.Prompt))}
	}
	return &greedyDecoding{tail: wordTail{decoder: &m.decoder}}
}

// searches reports whether the parameters ask for a beam search.
func (m *model) searches(params tasks.TranscribeParams) bool {
	if params.Decoding == "" {
		return m.words != nil || params.Prompt != ""
	}
	return params.Decoding == tasks.DecodingBeam
}
