package whisper

import (
	"math"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services/tasks"
)

// Punctuation as in timing.py of openai-whisper. Marks that follow a word do not prolong it,
// and a word after the end of a sentence does not begin before its sound does.
const (
	appendedMarks = "\"'.。,，!！?？:：”)]}、"
	sentenceEnds  = ".。!！?？"
)

// longestMedian bounds the median duration of a word, by which long ones are judged, in
// seconds.
const longestMedian = 0.7

// alignedWords returns the words of a window's pieces, with times from the alignment of their
// tokens.
func (t *transcriber) alignedWords(pieces []piece, times []int, a answer, offset float64) [][]tasks.Word {
	step := t.model.folder.secondsPerToken()
	words := make([][]tasks.Word, len(pieces))
	var durations []float64
	at, ended := 0, false
	var afterEnd []*tasks.Word // words that follow the end of a sentence
	for i, p := range pieces {
		groups := t.model.group(p.tokens)
		words[i] = make([]tasks.Word, len(groups))
		for k, g := range groups {
			from, to := at, at+len(g.tokens)
			at = to
			for to > from+1 && isMark(g.tokens[to-from-1].Text) {
				durations = append(durations, step*float64(times[to]-times[to-1]))
				to--
			}
			durations = append(durations, step*float64(times[to]-times[from]))
			w := &words[i][k]
			*w = tasks.Word{Text: strings.TrimSpace(g.text), Tokens: g.tokens, Start: step * float64(times[from]), End: step * float64(times[to])}
			if ended {
				afterEnd = append(afterEnd, w)
			}
			ended = strings.ContainsAny(g.tokens[len(g.tokens)-1].Text, sentenceEnds)
		}
		at += len(p.tokens) - countTokens(groups)
	}
	typical := typicalDuration(durations)
	for _, w := range afterEnd {
		w.Start = max(w.Start, w.End-2*typical)
	}
	for i, p := range pieces {
		for k := range words[i] {
			words[i][k].Start += offset
			words[i][k].End += offset
		}
		t.settle(words[i], typical, offset+step*float64(p.start), offset+step*float64(p.end))
		for k := range words[i] {
			w := &words[i][k]
			w.Start, w.End = round(w.Start), round(w.End)
		}
		if len(words[i]) > 0 {
			words[i][0].NoSpeech = math.Log(max(a.noSpeech, 1e-9))
		}
	}
	return words
}

// isMark reports whether the text of a token is punctuation that follows a word.
func isMark(text string) bool {
	return text != "" && strings.Trim(text, appendedMarks) == ""
}

func countTokens(groups []group) (count int) {
	for _, g := range groups {
		count += len(g.tokens)
	}
	return count
}

// typicalDuration returns the median of durations above zero, in seconds.
func typicalDuration(durations []float64) float64 {
	list := slices.DeleteFunc(durations, func(v float64) bool { return v <= 0 })
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	middle := list[len(list)/2]
	if len(list)%2 == 0 {
		middle = (middle + list[len(list)/2-1]) / 2
	}
	return min(longestMedian, middle)
}

// settle shortens the first and the last word of a segment, which the alignment stretches
// over pauses, by the segment's own times and the typical duration of a word.
func (t *transcriber) settle(words []tasks.Word, typical, start, end float64) {
	if len(words) == 0 {
		return
	}
	longest := 2 * typical
	first, last := &words[0], &words[len(words)-1]
	length := func(w tasks.Word) float64 { return w.End - w.Start }
	if first.End-t.spoken > 4*typical && (length(*first) > longest || len(words) > 1 && words[1].End-first.Start > 2*longest) {
		if len(words) > 1 && length(words[1]) > longest {
			boundary := max(words[1].End/2, words[1].End-longest)
			first.End, words[1].Start = boundary, boundary
		}
		first.Start = max(0, first.End-longest)
	}
	if start < first.End && start-0.5 > first.Start {
		first.Start = max(0, min(first.End-typical, start))
	}
	t.spoken = last.End
	if end > last.Start && end+0.5 < last.End {
		last.End = max(last.Start+typical, end)
		t.spoken = end
	}
}
