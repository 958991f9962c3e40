package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// srt writes SubRip subtitles.
func srt(segments []services.Segment) string {
	var b strings.Builder
	for i, s := range segments {
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", i+1, clock(s.Start, ","), clock(s.End, ","), s.Text)
	}
	return b.String()
}

// vtt writes WebVTT subtitles.
func vtt(segments []services.Segment) string {
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
