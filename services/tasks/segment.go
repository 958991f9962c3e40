package tasks

import "strings"

// Segment is a group of consecutive words.
type Segment struct {
	// ID counts from 0.
	ID int `json:"id"`
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Text  string  `json:"text"`
	words []Word
}

const (
	// segmentPause is the silence between two words, in seconds, that ends a segment.
	segmentPause = 0.6
	// segmentLength is the maximum length of a segment in seconds, suited to subtitles.
	segmentLength = 6
)

// Segments groups the words into the segments of subtitles and verbose answers.
func (t *Transcription) Segments() []Segment {
	var list []Segment
	var words []string
	for i, word := range t.Words {
		if i == 0 || word.Start-t.Words[i-1].End > segmentPause || word.End-list[len(list)-1].Start > segmentLength {
			list = append(list, Segment{ID: len(list), Start: word.Start})
			words = words[:0]
		}
		words = append(words, word.Text)
		last := &list[len(list)-1]
		last.End, last.Text = word.End, strings.Join(words, " ")
		last.words = append(last.words, word)
	}
	return list
}
