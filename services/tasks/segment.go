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
	// Temperature at which a model wrote the text that it was not sure of at 0.
	Temperature float64 `json:"-"`
	words       []Word
}

// Cut is a segment that the model has found.
type Cut struct {
	Start       float64 `json:"start"`
	End         float64 `json:"end"`
	Text        string  `json:"text"`
	Temperature float64 `json:"temperature,omitempty"`
}

const (
	// segmentPause is the silence between two words, in seconds, that ends a segment.
	segmentPause = 0.6
	// segmentLength is the maximum length of a segment in seconds, suited to subtitles.
	segmentLength = 6
)

// Segments groups the words into the segments of subtitles and verbose answers: those that
// the model has found, or those between pauses.
func (t *Transcription) Segments() []Segment {
	if len(t.Cuts) > 0 {
		return t.cut()
	}
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

// cut returns the segments that the model has found, with their words.
func (t *Transcription) cut() []Segment {
	list, words := make([]Segment, 0, len(t.Cuts)), t.Words
	for i, c := range t.Cuts {
		n := 0
		for n < len(words) && (i == len(t.Cuts)-1 || words[n].Start < c.End) {
			n++
		}
		list = append(list, Segment{ID: i, Start: c.Start, End: c.End, Text: c.Text, Temperature: c.Temperature, words: words[:n]})
		words = words[n:]
	}
	return list
}
