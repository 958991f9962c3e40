package tasks

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// Detect finds patterns in a recording. Its parameters are DetectParams and its result is
// *Detections.
const Detect = "detect"

// Search finds the stored spans that are nearest to a sound or a text. Its parameters are
// SearchParams and its result is *SearchResult.
const Search = "search"

// DetectParams are the parameters of Detect.
type DetectParams struct {
	// Patterns are ids or names; empty for all of the caller.
	Patterns []string `json:"patterns,omitempty"`
	// Recordings are ids of stored recordings, instead of a file.
	Recordings []string `json:"recordings,omitempty"`
	// MinConfidence of detections; nil for 0.5, the threshold of each pattern.
	MinConfidence *float64 `json:"min_confidence,omitempty"`
	// Strict as in TranscribeParams.
	Strict bool `json:"strict,omitempty"`
}

// Detections is the result of Detect.
type Detections struct {
	// DurationSeconds of all recordings together.
	DurationSeconds float64            `json:"duration"`
	Patterns        []DetectionPattern `json:"patterns"`
	Detections      []Detection        `json:"detections"`
}

// DetectionPattern is a pattern that was searched for, with the number of its detections.
type DetectionPattern struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Detections int    `json:"detections"`
}

// Detection is a span in which a pattern was found.
type Detection struct {
	// Pattern is the pattern's id, and Label its name.
	Pattern string `json:"pattern"`
	Label   string `json:"label"`
	// AudioID is the stored recording; empty for a file.
	AudioID string  `json:"audio_id,omitempty"`
	Start   float64 `json:"start"`
	End     float64 `json:"end"`
	// Score is the pattern's raw score, and Confidence the calibrated one: 0.5 at the
	// pattern's threshold.
	Score      float64 `json:"score"`
	Confidence float64 `json:"confidence"`
	// Example is the id of the nearest example.
	Example string `json:"example"`
}

// Forms implements services.Formed.
func (d *Detections) Forms() []services.Form {
	return []services.Form{
		{Name: "csv", ContentType: "text/csv; charset=utf-8", Encode: d.csv},
		{Name: "rttm", ContentType: "text/x-rttm; charset=utf-8", Encode: d.rttm},
		{Name: "labels", ContentType: "text/plain; charset=utf-8", Encode: d.labels},
	}
}

// csv returns the detections as comma-separated values with a header.
func (d *Detections) csv() ([]byte, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{{"pattern", "label", "audio_id", "start", "end", "score", "confidence", "example"}}
	for _, one := range d.Detections {
		rows = append(rows, []string{
			one.Pattern, harmless(one.Label), one.AudioID, millis(one.Start), millis(one.End),
			strconv.FormatFloat(one.Score, 'f', -1, 64), strconv.FormatFloat(one.Confidence, 'f', -1, 64), one.Example,
		})
	}
	err := w.WriteAll(rows)
	return []byte(b.String()), err
}

// harmless returns a text that spreadsheets do not take for a formula.
func harmless(text string) string {
	if strings.ContainsAny(text[:min(1, len(text))], "=+-@\t\r") {
		return "'" + text
	}
	return text
}

// rttm returns the detections in the rich transcription time marked format of NIST.
func (d *Detections) rttm() ([]byte, error) {
	var b strings.Builder
	for _, one := range d.Detections {
		file := one.AudioID
		if file == "" {
			file = "file"
		}
		fmt.Fprintf(&b, "SPEAKER %s 1 %s %s <NA> <NA> %s %s <NA>\n",
			file, millis(one.Start), millis(one.End-one.Start), strings.Join(strings.Fields(one.Label), "_"),
			strconv.FormatFloat(one.Confidence, 'f', -1, 64))
	}
	return []byte(b.String()), nil
}

// labels returns the detections as a label track of Audacity.
func (d *Detections) labels() ([]byte, error) {
	var b strings.Builder
	for _, one := range d.Detections {
		fmt.Fprintf(&b, "%s\t%s\t%s\n", strconv.FormatFloat(one.Start, 'f', 6, 64), strconv.FormatFloat(one.End, 'f', 6, 64),
			strings.Join(strings.FieldsFunc(one.Label, func(r rune) bool { return r < ' ' }), " "))
	}
	return []byte(b.String()), nil
}

// millis returns seconds with three digits.
func millis(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }

// SortDetections orders detections by recording, start and pattern.
func SortDetections(list []Detection, recordings []string) {
	place := make(map[string]int)
	for i, id := range recordings {
		place[id] = i
	}
	slices.SortStableFunc(list, func(a, b Detection) int {
		switch {
		case place[a.AudioID] != place[b.AudioID]:
			return place[a.AudioID] - place[b.AudioID]
		case a.Start != b.Start && a.Start < b.Start:
			return -1
		case a.Start != b.Start:
			return 1
		}
		return strings.Compare(a.Pattern, b.Pattern)
	})
}

// SearchParams are the parameters of Search. Exactly one of Span, Pattern and Text is set.
type SearchParams struct {
	Span *StoredSpan `json:"span,omitempty"`
	// Pattern is an id or a name.
	Pattern string `json:"pattern,omitempty"`
	Text    string `json:"text,omitempty"`
	// Recordings limits the search to stored recordings. Those whose spans are not in the
	// index are added to it first.
	Recordings []string `json:"recordings,omitempty"`
	// Limit of the hits; 0 for 20.
	Limit int `json:"limit,omitempty"`
}

// SearchResult is the result of Search.
type SearchResult struct {
	Model string `json:"model"`
	// Searched is the number of spans in the index that were compared.
	Searched int         `json:"searched"`
	Hits     []SearchHit `json:"hits"`
}

// SearchHit is a stored span that is near to what was searched for.
type SearchHit struct {
	StoredSpan
	// Score is the cosine.
	Score float64 `json:"score"`
	// Unknown is set if no pattern's threshold is met; otherwise Patterns are those whose
	// threshold is met, the best first.
	Unknown  bool              `json:"unknown"`
	Patterns []DetectedPattern `json:"patterns"`
}

// DetectedPattern is a pattern with its score for a span.
type DetectedPattern struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Score      float64 `json:"score"`
	Confidence float64 `json:"confidence"`
}
