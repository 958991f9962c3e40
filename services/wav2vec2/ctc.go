package wav2vec2

import (
	"math"
	"strings"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// ctcDecoder converts frames of logits to text greedily: it takes the best token of
// each frame, merges repeats and drops blanks. The rules are those of the
// Wav2Vec2CTCTokenizer. For the method see Graves et al., "Connectionist Temporal
// Classification" (2006).
type ctcDecoder struct {
	tokens    []string
	unknown   string
	blank     string
	delimiter string
	lower     bool
	cleanUp   bool
	// same maps each id to the first id with the same token. blankID and delimiterID
	// are such ids; the latter is -1 if the vocabulary has none.
	same                 []int
	blankID, delimiterID int
	// secondsPerFrame is the hop length divided by the sample rate.
	secondsPerFrame float64
}

// index initialises the lookup tables of the beam search.
func (d *ctcDecoder) index() {
	first := make(map[string]int)
	d.same = make([]int, len(d.tokens))
	for id, token := range d.tokens {
		if _, ok := first[token]; !ok {
			first[token] = id
		}
		d.same[id] = first[token]
	}
	d.blankID, d.delimiterID = -1, -1
	if id, ok := first[d.blank]; ok {
		d.blankID = id
	}
	if id, ok := first[d.delimiter]; ok {
		d.delimiterID = id
	}
}

// span is one token with the frames that it covers, the end exclusive.
type span struct {
	text       string
	start, end int
}

// decode decodes logits of shape [frames, vocabulary].
func (d *ctcDecoder) decode(logits []float32) (string, []tasks.Word) {
	return d.decodeIDs(d.best(logits))
}

// best returns the best token of each frame of logits of shape [frames, vocabulary].
func (d *ctcDecoder) best(logits []float32) []int {
	vocabulary := len(d.tokens)
	ids := make([]int, len(logits)/vocabulary)
	for frame := range ids {
		ids[frame] = argmax(logits[frame*vocabulary : (frame+1)*vocabulary])
	}
	return ids
}

// argmax returns the first index of the largest value.
func argmax(values []float32) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

// decodeIDs converts one token id per frame to text and words.
func (d *ctcDecoder) decodeIDs(ids []int) (string, []tasks.Word) {
	spans := d.merge(ids)
	var text strings.Builder
	for _, s := range spans {
		text.WriteString(s.text)
	}
	return d.finish(text.String()), d.words(spans)
}

// merge joins runs of frames with one token and drops blanks. Runs have equal tokens
// rather than equal ids: all ids outside the vocabulary are the same unknown token.
func (d *ctcDecoder) merge(ids []int) []span {
	var spans []span
	previous := ""
	for frame, id := range ids {
		token := d.unknown
		if id >= 0 && id < len(d.tokens) {
			token = d.tokens[id]
		}
		if frame > 0 && token == previous {
			if token != d.blank {
				spans[len(spans)-1].end = frame + 1
			}
			continue
		}
		previous = token
		if token == d.blank {
			continue
		}
		text := token
		if token == d.delimiter {
			text = " "
		}
		spans = append(spans, span{text: text, start: frame, end: frame + 1})
	}
	return spans
}

// words splits the tokens at delimiters.
func (d *ctcDecoder) words(spans []span) []tasks.Word {
	words := []tasks.Word{}
	open := false
	for _, s := range spans {
		if s.text == " " {
			open = false
			continue
		}
		if !open {
			words = append(words, tasks.Word{Start: d.seconds(s.start)})
			open = true
		}
		word := &words[len(words)-1]
		word.Text += s.text
		word.End = d.seconds(s.end)
	}
	for i := range words {
		words[i].Text = d.letters(words[i].Text)
	}
	return words
}

// seconds returns the time of a frame without the rounding error of a binary product:
// 11.7 instead of 11.700000000000001.
func (d *ctcDecoder) seconds(frame int) float64 {
	return roundMicro(float64(frame) * d.secondsPerFrame)
}

func roundMicro(seconds float64) float64 { return math.Round(seconds*1e6) / 1e6 }

// letters returns a word in the case that the folder specifies.
func (d *ctcDecoder) letters(word string) string {
	if d.lower {
		return strings.ToLower(word)
	}
	return word
}

// punctuation is attached to the preceding word by clean_up_tokenization_spaces.
var punctuation = strings.NewReplacer(
	" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'",
	" n't", "n't", " 'm", "'m", " 's", "'s", " 've", "'ve", " 're", "'re",
)

// text returns the text of words.
func (d *ctcDecoder) text(words []tasks.Word) string {
	return d.finish(strings.Join(wordTexts(words), " "))
}

func (d *ctcDecoder) finish(text string) string {
	text = strings.TrimSpace(text)
	if d.cleanUp {
		text = punctuation.Replace(text)
	}
	return d.letters(text)
}
