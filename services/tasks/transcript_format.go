package tasks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Formats of transcriptions, named as by OpenAI.
const (
	FormatJSON    = "json"
	FormatText    = "text"
	FormatSRT     = "srt"
	FormatVTT     = "vtt"
	FormatVerbose = "verbose_json"
)

// TranscriptFormats returns every format.
func TranscriptFormats() []string {
	return []string{FormatJSON, FormatText, FormatSRT, FormatVTT, FormatVerbose}
}

// Values of TranscribeParams.TimestampGranularities.
const (
	GranularityWord    = "word"
	GranularitySegment = "segment"
)

// usage is the billed quantity in OpenAI's responses.
type usage struct {
	Type    string  `json:"type"`
	Seconds float64 `json:"seconds"`
}

// verboseTranscript is the layout of FormatVerbose.
type verboseTranscript struct {
	Task            string            `json:"task"`
	Language        string            `json:"language"`
	DurationSeconds float64           `json:"duration"`
	Text            string            `json:"text"`
	Words           *[]plainWord      `json:"words,omitempty"`
	Segments        *[]verboseSegment `json:"segments,omitempty"`
	Usage           usage             `json:"usage"`
}

// plainWord is a word without its tokens.
type plainWord struct {
	Text  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	// Confidence as in Word.
	Confidence *float64 `json:"confidence,omitempty"`
}

// Encode returns the transcription in one of TranscriptFormats. parts are granularities for
// FormatVerbose, which has both words and segments without any, and IncludeLogprobs for
// FormatJSON.
func (t *Transcription) Encode(format string, parts ...string) ([]byte, error) {
	used := usage{Type: "duration", Seconds: t.DurationSeconds}
	switch format {
	case FormatText:
		return []byte(t.Text + "\n"), nil
	case FormatSRT:
		return []byte(srt(t.Segments())), nil
	case FormatVTT:
		return []byte(vtt(t.Segments())), nil
	case FormatJSON:
		plain := struct {
			Text     string          `json:"text"`
			Logprobs *[]TokenLogprob `json:"logprobs,omitempty"`
			Usage    usage           `json:"usage"`
		}{Text: t.Text, Usage: used}
		if slices.Contains(parts, IncludeLogprobs) {
			plain.Logprobs = new(Logprobs(t.Words))
		}
		return json.Marshal(plain)
	case FormatVerbose:
		verbose := verboseTranscript{Task: t.task(), Language: t.Language, DurationSeconds: t.DurationSeconds, Text: t.Text, Usage: used}
		if len(parts) == 0 || slices.Contains(parts, GranularityWord) {
			words := make([]plainWord, 0, len(t.Words))
			for _, w := range t.Words {
				words = append(words, plainWord{w.Text, w.Start, w.End, w.Confidence})
			}
			verbose.Words = &words
		}
		if len(parts) == 0 || slices.Contains(parts, GranularitySegment) {
			verbose.Segments = new(t.verboseSegments())
		}
		return json.Marshal(verbose)
	}
	return nil, services.Invalidf("response_format", "must be one of %s, got %.40q", strings.Join(TranscriptFormats(), ", "), format)
}

// task returns the name of what was done.
func (t *Transcription) task() string {
	if t.Translated {
		return Translate
	}
	return Transcribe
}

// srt returns the segments as SubRip subtitles.
func srt(segments []Segment) string {
	var b strings.Builder
	for _, s := range segments {
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", s.ID+1, clock(s.Start, ","), clock(s.End, ","), s.Text)
	}
	return b.String()
}

// vtt returns the segments as WebVTT subtitles.
func vtt(segments []Segment) string {
	var b strings.Builder
	b.WriteString("WEBVTT\n\n")
	for _, s := range segments {
		fmt.Fprintf(&b, "%s --> %s\n%s\n\n", clock(s.Start, "."), clock(s.End, "."), s.Text)
	}
	return b.String()
}

// clock formats seconds as hours, minutes, seconds and milliseconds, which follow the
// given decimal point.
func clock(seconds float64, point string) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, point, d.Milliseconds()%1000)
}
