package tasks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Formats in which a transcription is written, as OpenAI names them.
const (
	FormatJSON    = "json"
	FormatText    = "text"
	FormatSRT     = "srt"
	FormatVTT     = "vtt"
	FormatVerbose = "verbose_json"
)

// TranscriptFormats lists them.
func TranscriptFormats() []string {
	return []string{FormatJSON, FormatText, FormatSRT, FormatVTT, FormatVerbose}
}

// What FormatVerbose tells the times of.
const (
	GranularityWord    = "word"
	GranularitySegment = "segment"
)

// usage says what a transcription is charged by in OpenAI's answers.
type usage struct {
	Type    string  `json:"type"`
	Seconds float64 `json:"seconds"`
}

// verboseTranscript is FormatVerbose.
type verboseTranscript struct {
	Task            string     `json:"task"`
	Language        string     `json:"language"`
	DurationSeconds float64    `json:"duration"`
	Text            string     `json:"text"`
	Words           *[]Word    `json:"words,omitempty"`
	Segments        *[]Segment `json:"segments,omitempty"`
	Usage           usage      `json:"usage"`
}

// Encode writes the transcription in one of TranscriptFormats. The granularities
// are for FormatVerbose alone; none stands for both.
func (t *Transcription) Encode(format string, granularities ...string) ([]byte, error) {
	used := usage{Type: "duration", Seconds: t.DurationSeconds}
	switch format {
	case FormatText:
		return []byte(t.Text + "\n"), nil
	case FormatSRT:
		return []byte(srt(t.Segments())), nil
	case FormatVTT:
		return []byte(vtt(t.Segments())), nil
	case FormatJSON:
		return json.Marshal(struct {
			Text  string `json:"text"`
			Usage usage  `json:"usage"`
		}{t.Text, used})
	case FormatVerbose:
		verbose := verboseTranscript{Task: Transcribe, Language: t.Language, DurationSeconds: t.DurationSeconds, Text: t.Text, Usage: used}
		if len(granularities) == 0 || slices.Contains(granularities, GranularityWord) {
			words := append([]Word{}, t.Words...)
			verbose.Words = &words
		}
		if len(granularities) == 0 || slices.Contains(granularities, GranularitySegment) {
			segments := append([]Segment{}, t.Segments()...)
			verbose.Segments = &segments
		}
		return json.Marshal(verbose)
	}
	return nil, services.Invalidf("response_format", "must be one of %s, got %.40q", strings.Join(TranscriptFormats(), ", "), format)
}

// srt writes SubRip subtitles.
func srt(segments []Segment) string {
	var b strings.Builder
	for _, s := range segments {
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", s.ID+1, clock(s.Start, ","), clock(s.End, ","), s.Text)
	}
	return b.String()
}

// vtt writes WebVTT subtitles.
func vtt(segments []Segment) string {
	var b strings.Builder
	b.WriteString("WEBVTT\n\n")
	for _, s := range segments {
		fmt.Fprintf(&b, "%s --> %s\n%s\n\n", clock(s.Start, "."), clock(s.End, "."), s.Text)
	}
	return b.String()
}

// clock writes seconds as hours, minutes, seconds and thousandths.
func clock(seconds float64, point string) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, point, d.Milliseconds()%1000)
}
