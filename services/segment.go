package services

import "strings"

// Segment is a run of words that belong together.
type Segment struct {
	Start, End float64
	Text       string
}

const (
	// segmentPause ends a segment: silence of so many seconds between two words.
	segmentPause = 0.6
	// segmentLength is the most seconds that a segment grows to, which is what a
	// reader of subtitles takes in.
	segmentLength = 6
)

// Segments groups the words, as subtitles and verbose answers have them.
func (t *Transcription) Segments() []Segment {
	var list []Segment
	var words []string
	for i, word := range t.Words {
		if i == 0 || word.Start-t.Words[i-1].End > segmentPause || word.End-list[len(list)-1].Start > segmentLength {
			list = append(list, Segment{Start: word.Start})
			words = words[:0]
		}
		words = append(words, word.Text)
		last := &list[len(list)-1]
		last.End, last.Text = word.End, strings.Join(words, " ")
	}
	return list
}
