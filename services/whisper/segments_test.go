package whisper

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// testTokens: 0 to 9 are text, 20 is the timestamp 0.
var testTokens = specialTokens{end: 10, firstTimestamp: 20}

func tokensOf(ids ...int) (list []token) {
	for _, id := range ids {
		list = append(list, token{id: id, logProb: -0.5})
	}
	return list
}

// TestSplit has the cases of transcribe.py of the reference implementation, for a window of
// 50 steps.
func TestSplit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens []token
		pieces []piece
		next   int
	}{
		"nothing":                     {nil, nil, 50},
		"text up to the window's end": {tokensOf(20, 3, 4), []piece{{0, 50, tokensOf(3, 4)}}, 50},
		"one segment":                 {tokensOf(20, 3, 27), []piece{{0, 7, tokensOf(3)}}, 50},
		"a begun segment is read again": {
			tokensOf(20, 3, 4, 25, 25, 5, 30, 30, 6), []piece{{0, 5, tokensOf(3, 4)}, {5, 10, tokensOf(5)}}, 10,
		},
		"a timestamp at the end": {tokensOf(20, 3, 25, 25, 5, 30), []piece{{0, 5, tokensOf(3)}, {5, 10, tokensOf(5)}}, 50},
		"a pause":                {tokensOf(21, 3, 25, 31, 5, 40, 40), []piece{{1, 5, tokensOf(3)}, {11, 20, tokensOf(5)}}, 20},
		"a segment without text": {tokensOf(22, 22, 5, 26), []piece{{2, 6, tokensOf(5)}}, 50},
		"a segment of no length": {tokensOf(20, 3, 20, 20, 5, 26), []piece{{0, 6, tokensOf(5)}}, 50},
	} {
		pieces, next := split(answer{tokens: c.tokens}, testTokens, 50)
		require.Equal(t, c.next, next, name)
		require.Equal(t, c.pieces, pieces, name)
	}
}

// vocabulary is a tokenizer.Text of a few tokens.
type vocabulary map[int]string

func (v vocabulary) Encode(string) []int { return nil }

func (v vocabulary) Decode(ids []int) (text string) {
	for _, id := range ids {
		text += v[id]
	}
	return text
}

func (v vocabulary) Bytes(id int) []byte { return []byte(v[id]) }

func (v vocabulary) ID(name string) (int, bool) {
	for _, id := range slices.Sorted(maps.Keys(v)) {
		if v[id] == name {
			return id, true
		}
	}
	return 0, false
}

// TestWordsOfTokens joins tokens to words.
func TestWordsOfTokens(t *testing.T) {
	t.Parallel()
	text := vocabulary{
		0: " Mr", 1: ".", 2: " Quil", 3: "ter", 4: "\xe6\x97", 5: "\xa5", 6: "本", 7: "。", 8: "\xff",
		9: " ok", 11: "\xe6", 12: "Don", 13: "'t",
	}
	m := &model{text: text}
	for name, c := range map[string]struct {
		ids   []int
		words []string
		sizes []int
	}{
		"spaces begin words":          {[]int{0, 1, 2, 3}, []string{" Mr.", " Quilter"}, []int{2, 2}},
		"an apostrophe does not":      {[]int{12, 13}, []string{"Don't"}, []int{2}},
		"parts of a character":        {[]int{4, 5, 6, 7}, []string{"日", "本。"}, []int{2, 2}},
		"an invalid byte stays alone": {[]int{9, 8, 9}, []string{" ok\uFFFD", " ok"}, []int{2, 1}},
		"a character cut at the end":  {[]int{9, 11}, []string{" ok\uFFFD"}, []int{2}},
		"a character that never ends": {[]int{9, 11, 9}, []string{" ok\uFFFD ok"}, []int{3}},
		"a token without text":        {[]int{99, 9}, []string{" ok"}, []int{2}},
		"nothing but such":            {[]int{99}, nil, nil},
	} {
		var words []string
		var sizes []int
		for _, g := range m.group(tokensOf(c.ids...)) {
			words, sizes = append(words, g.text), append(sizes, len(g.tokens))
		}
		require.Equal(t, c.words, words, name)
		require.Equal(t, c.sizes, sizes, name)
	}
}

// TestWordsDivideTheirSegment by their lengths.
func TestWordsDivideTheirSegment(t *testing.T) {
	t.Parallel()
	m := &model{text: vocabulary{0: " a", 1: " bcd"}, folder: &folder{Preprocessor: preprocessorConfig{SamplingRate: 16000, HopLength: 160}}}
	words := m.words(piece{start: 50, end: 150, tokens: tokensOf(0, 1)}, answer{noSpeech: 0.5}, 10)
	require.Len(t, words, 2)
	require.Equal(t, "a", words[0].Text)
	require.Equal(t, []float64{11, 11.5, 11.5, 13}, []float64{words[0].Start, words[0].End, words[1].Start, words[1].End})
	require.InDelta(t, -0.693147, words[0].NoSpeech, 1e-6)
	require.Zero(t, words[1].NoSpeech)
}
