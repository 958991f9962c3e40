package wav2vec2

import (
	"strings"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// decoding converts the frames of a recording to words, window by window.
type decoding interface {
	// add processes the logits of further frames, of shape [frames, vocabulary].
	add(logits []float32)
	// complete returns the words that can no longer change and were not returned
	// before; with end, all remaining words.
	complete(end bool) []tasks.Word
	// answer returns the transcription after all frames have been added.
	answer() (string, []tasks.Word)
}

// greedyDecoding takes the best token of each frame. The tokens of all windows are
// collapsed together, so that a letter at a boundary is neither lost nor doubled.
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

// end determines the final words.
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
	words := b.search.words(last, b.search.returned)
	if len(words) > 0 {
		b.search.returned = last
	}
	return words
}

func (b *beamDecoding) answer() (string, []tasks.Word) {
	b.end()
	words := b.search.words(b.best, nil)
	return b.search.decoder.text(words), words
}

var _, _ decoding = (*greedyDecoding)(nil), (*beamDecoding)(nil)

// decoding returns the decoding for the parameters. Unless they choose one, it is a
// beam search if the model has a language model or a word list or the request a prompt.
func (m *model) decoding(params tasks.TranscribeParams) decoding {
	if m.searches(params) {
		search := newBeamSearch(m.spelling(params), params.BeamWidth, m.words, hotWords(wantedWords(params)))
		if m.lm != nil {
			search.useModel(m.lm)
		}
		return &beamDecoding{search: search}
	}
	return &greedyDecoding{tail: wordTail{decoder: &m.decoder}}
}

// spelling returns the decoder for the parameters: in a search with a language model, that of
// the alphabet in which the language model spells words.
func (m *model) spelling(params tasks.TranscribeParams) *ctcDecoder {
	if m.lm != nil && m.searches(params) {
		return &m.lm.decoder
	}
	return &m.decoder
}

// wantedWords returns the words of the prompt and the keywords.
func wantedWords(params tasks.TranscribeParams) string {
	return strings.TrimSpace(params.Prompt + " " + strings.Join(params.Keywords, " "))
}

// searches reports whether the parameters select a beam search.
func (m *model) searches(params tasks.TranscribeParams) bool {
	if params.Decoding == "" {
		return m.lm != nil || m.words != nil || wantedWords(params) != ""
	}
	return params.Decoding == tasks.DecodingBeam
}
