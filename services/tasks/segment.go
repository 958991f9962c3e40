package tasks

import "strings"

// Segment is a run of words that belong together.
type Segment struct {
	// ID counts from 0.
	ID int `json:"id"`
	// Start and End in seconds from the beginning of the recording.
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Text  string  `json:"text"`
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
			list = append(list, Segment{ID: len(list), Start: word.Start})
			words = words[:0]
		}
		words = append(words, word.Text)
		last := &list[len(list)-1]
		last.End, last.Text = word.End, strings.Join(words, " ")
	}
	return list
}
